"""The MRML scene of the host with Slicer's logics: all of it the real libraries of slicer-core."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
import vtk

from Testing.Host.observers import Observers

#: Module name as in ``slicer.modules`` -> class of its logic. Colours come first: volumes need them.
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
}

#: What the Qt plugins of Slicer put into the subject hierarchy.
IN_SUBJECT_HIERARCHY = (
    "vtkMRMLVolumeNode",
    "vtkMRMLModelNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLSequenceNode",
)


@dataclass
class World:
    """The scene and what serves it."""

    scene: Any
    application_logic: Any
    remote_io: Any
    logics: dict[str, Any] = field(default_factory=dict)
    _observers: Observers = field(default_factory=Observers)


def make(folder: Path) -> World:
    """A scene with Slicer's logics; ``folder`` takes temporary files and holds no default colour files."""
    scene = slicer.vtkMRMLScene()
    application_logic = slicer.vtkSlicerApplicationLogic()
    application_logic.SetHomeDirectory(str(folder))
    application_logic.SetShareDirectory("share")
    colours = folder / "share" / "ColorFiles"
    colours.mkdir(parents=True, exist_ok=True)
    (colours / "GenericColors.txt").write_text(_label_colours(), encoding="utf-8")
    application_logic.SetTemporaryPath(str(folder))
    application_logic.SetMRMLScene(scene)
    application_logic.SetSliceLogics(vtk.vtkCollection())
    application_logic.SetViewLogics(vtk.vtkCollection())
    world = World(scene, application_logic, _remote_io(scene, folder))
    for name, class_name in LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application_logic)
        if name == "Colors":
            application_logic.SetColorLogic(logic)
        logic.SetMRMLScene(scene)
        application_logic.SetModuleLogic(name, logic)
        world.logics[name] = logic
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    world._observers.add_with_node(scene, slicer.vtkMRMLScene.NodeAddedEvent, lambda node: _add_item(scene, node))
    return world


def _remote_io(scene: Any, folder: Path) -> Any:
    """What scenes in one file (``.mrb``) are unpacked with."""
    remote_io = slicer.vtkMRMLRemoteIOLogic()
    remote_io.SetMRMLScene(scene)
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    remote_io.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote_io.AddDataIOToScene()
    return remote_io


def _add_item(scene: Any, node: Any) -> None:
    if node.GetHideFromEditors() or not any(node.IsA(kind) for kind in IN_SUBJECT_HIERARCHY):
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is not None and hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID():
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def _label_colours() -> str:
    """The table that label maps get by default; the application brings one of its own."""
    rows = ["0 background 0 0 0 0"]
    for label in range(1, 65):
        red, green, blue = (60 + (label * step) % 180 for step in (67, 113, 151))
        rows.append(f"{label} label_{label} {red} {green} {blue} 255")
    return "\n".join(rows) + "\n"
