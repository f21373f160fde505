"""``slicer.app.coreIOManager()``: reads and writes files by way of the real storage nodes and logics."""

from pathlib import Path
from typing import Any

import vtk

from Testing.Host.scene import World

_BY_EXTENSION = {
    "SceneFile": (".mrml", ".mrb"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.vtm"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "ModelFile": (".vtk", ".vtp", ".stl", ".ply", ".obj"),
    "ColorTableFile": (".ctbl", ".cxml"),
    "TableFile": (".csv", ".tsv"),
    "TransformFile": (".tfm", ".h5", ".mat"),
    "VolumeFile": (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"),
    "TextFile": (".txt", ".json"),
}

#: File type -> class of the node and of its storage node, where no logic is needed.
_STORED = {
    "ModelFile": ("vtkMRMLModelNode", "vtkMRMLModelStorageNode"),
    "SegmentationFile": ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode"),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TransformFile": ("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode"),
    "TextFile": ("vtkMRMLTextNode", "vtkMRMLTextStorageNode"),
}


class IOManager:
    """Loads and saves what the host's tests need: scenes, volumes, segmentations, models, tables and transforms."""

    def __init__(self, world: World):
        self._world = world

    def fileType(self, file_name: str) -> str:
        """Which kind of file the ending tells of."""
        return _file_type(str(file_name))

    def fileWriterFileType(self, node: Any, preferred: str = "") -> str:
        """Which kind of file a node is written to."""
        return preferred or next((kind for kind, (name, _) in _STORED.items() if node.IsA(name)), "VolumeFile")

    def loadNodes(self, file_type: str, properties: dict[str, Any], nodes: Any = None, messages: Any = None) -> bool:
        """Load one file; returns whether it worked, the reason for a failure goes into ``messages``."""
        path = str(properties["fileName"])
        if not Path(path).is_file():
            _tell(messages, f"the file {path} does not exist")
            return False
        if file_type == "SceneFile":
            return self.loadScene(path, not properties.get("clear", False))
        node = self._load(file_type, path, properties)
        if node is None:
            _tell(messages, f"{path} could not be read as {file_type}")
            return False
        if nodes is not None:
            nodes.AddItem(node)
        return True

    def loadScene(self, file_name: str, add: bool = True) -> bool:
        """Read a scene, by default into the present one."""
        scene = self._world.scene
        if file_name.endswith(".mrb"):
            return bool(scene.ReadFromMRB(file_name, not add))
        scene.SetURL(file_name)
        return bool(scene.Import() if add else scene.Connect())

    def _load(self, file_type: str, path: str, properties: dict[str, Any]) -> Any:
        name = properties.get("name") or _stem(path)
        if file_type == "VolumeFile":
            return self._load_volume(path, name, properties)
        if file_type == "ColorTableFile":
            return self._world.logics["Colors"].LoadColorFile(path, name)
        if file_type == "MarkupsFile":
            found = self._world.logics["Markups"].LoadMarkups(path, name)
            return self._world.scene.GetNodeByID(found) if found else None
        if file_type in _STORED:
            return self._read(*_STORED[file_type], path, name)
        return None

    def _load_volume(self, path: str, name: str, properties: dict[str, Any]) -> Any:
        labels = 1 if properties.get("labelmap", False) else 0
        node = self._world.logics["Volumes"].AddArchetypeVolume(path, name, labels)
        if node is not None and properties.get("show", True):
            selection = self._world.application_logic.GetSelectionNode()
            if labels:
                selection.SetActiveLabelVolumeID(node.GetID())
            else:
                selection.SetActiveVolumeID(node.GetID())
            self._world.application_logic.PropagateVolumeSelection(1 if properties.get("autoFit", True) else 0)
        return node

    def _read(self, node_class: str, storage_class: str, path: str, name: str) -> Any:
        scene = self._world.scene
        node = scene.AddNewNodeByClass(node_class, scene.GenerateUniqueName(name))
        storage = scene.AddNewNodeByClass(storage_class)
        storage.SetFileName(path)
        if not storage.ReadData(node):
            scene.RemoveNode(storage)
            scene.RemoveNode(node)
            return None
        node.SetAndObserveStorageNodeID(storage.GetID())
        if hasattr(node, "CreateDefaultDisplayNodes"):
            node.CreateDefaultDisplayNodes()
        return node

    def saveNodes(self, file_type: str, properties: dict[str, Any], messages: Any = None) -> bool:
        """Write one node, or the scene."""
        path, scene = str(properties["fileName"]), self._world.scene
        if file_type == "SceneFile":
            return self.saveScene(path, None)
        node = scene.GetNodeByID(properties["nodeID"])
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)
        storage.SetFileName(path)
        storage.SetUseCompression(int(properties.get("useCompression", True)))
        scene.AddNode(storage)
        written = bool(storage.WriteData(node))
        if written:
            node.SetAndObserveStorageNodeID(storage.GetID())
        else:
            scene.RemoveNode(storage)
            _tell(messages, f"{path} could not be written")
        return written

    def saveScene(self, file_name: str, screenshot: Any) -> bool:
        """Write the scene as ``.mrml`` or, with its data, as ``.mrb``."""
        scene = self._world.scene
        if file_name.endswith(".mrb"):
            return bool(scene.WriteToMRB(file_name, vtk.vtkImageData()))
        scene.SetURL(file_name)
        return bool(scene.Commit())


def _file_type(path: str) -> str:
    endings = [(len(end), kind) for kind, known in _BY_EXTENSION.items() for end in known if path.lower().endswith(end)]
    return max(endings)[1] if endings else "NoFile"


def _stem(path: str) -> str:
    name = Path(path).name
    endings = sorted((end for known in _BY_EXTENSION.values() for end in known), key=len, reverse=True)
    return next((name[: -len(end)] for end in endings if name.lower().endswith(end)), name)


def _tell(messages: Any, text: str) -> None:
    if messages is not None:
        messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
