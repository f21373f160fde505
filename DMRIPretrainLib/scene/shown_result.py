"""Which nodes make up a result: told by marks on them, which are saved with the scene."""

from dataclasses import dataclass, field
from typing import Any

import slicer

#: Attributes of a node: the name of its result, the part it is, and which of several, such as a label.
_RESULT, _PART, _KEY = "DMRIPretrain.Result", "DMRIPretrain.Part", "DMRIPretrain.Key"
#: Roles of references to the nodes that a result is about.
_SCAN, _BACKGROUND = "DMRIPretrainScan", "DMRIPretrainBackground"
_SEVERAL = ("probabilities", "uncertainty")


@dataclass
class ShownResult:
    """The nodes of one result; what the folder lacks is None or empty.

    Attributes:
        name: of the result.
        scan: what it is about.
        background: the anatomy to look at it on.
        folder: item of the subject hierarchy that holds all of it.
        report: content of ``report.json``.
        segmentation: labels as segments.
        labels: the same as a label volume.
        crossings: number of fibre populations.
        probabilities: of each label and number, by its name.
        uncertainty: by task.
        peaks: three values for each peak, world frame.
        fodf: spherical harmonic coefficients, world frame.
        glyphs: what a ``GlyphDisplay`` shows.
    """

    name: str
    scan: slicer.vtkMRMLVolumeNode
    background: slicer.vtkMRMLScalarVolumeNode
    folder: int
    report: dict[str, Any] = field(default_factory=dict)
    segmentation: slicer.vtkMRMLSegmentationNode | None = None
    labels: slicer.vtkMRMLLabelMapVolumeNode | None = None
    crossings: slicer.vtkMRMLLabelMapVolumeNode | None = None
    probabilities: dict[str, slicer.vtkMRMLScalarVolumeNode] = field(default_factory=dict)
    uncertainty: dict[str, slicer.vtkMRMLScalarVolumeNode] = field(default_factory=dict)
    peaks: slicer.vtkMRMLVectorVolumeNode | None = None
    fodf: slicer.vtkMRMLVectorVolumeNode | None = None
    glyphs: slicer.vtkMRMLScriptedModuleNode | None = None


def mark(shown: ShownResult, node: slicer.vtkMRMLNode, part: str, key: str = "") -> None:
    """Let a node be found as part of a result, in a saved scene too.

    Args:
        shown: the result.
        node: one of its nodes.
        part: the attribute of ``ShownResult`` that it becomes; empty for those that only others refer to.
        key: which one, where the attribute holds several.
    """
    node.SetAttribute(_RESULT, shown.name)
    node.SetAttribute(_PART, part)
    node.SetAttribute(_KEY, key)
    node.SetNodeReferenceID(_SCAN, shown.scan.GetID())
    node.SetNodeReferenceID(_BACKGROUND, shown.background.GetID())


def shown_results(scene: slicer.vtkMRMLScene) -> list[ShownResult]:
    """The results of a scene, such as one that has just been loaded; reports are not kept, their content is empty."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found: dict[str, ShownResult] = {}
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        name = node.GetAttribute(_RESULT)
        if not name:
            continue
        scan, background = node.GetNodeReference(_SCAN), node.GetNodeReference(_BACKGROUND)
        if scan is None or background is None:
            continue
        shown = found.setdefault(name, ShownResult(name, scan, background, hierarchy.GetInvalidItemID()))
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            shown.folder = hierarchy.GetItemParent(item)
        assign(shown, node, node.GetAttribute(_PART) or "", node.GetAttribute(_KEY) or "")
    return list(found.values())


def unique_name(scene: slicer.vtkMRMLScene, name: str) -> str:
    """The name, with a number where a result has it already."""
    taken = {shown.name for shown in shown_results(scene)}
    names = (name if number == 1 else f"{name} {number}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in names if candidate not in taken)


def assign(shown: ShownResult, node: slicer.vtkMRMLNode, part: str, key: str) -> None:
    """Make a node part of a result that is in hand; arguments as for :func:`mark`."""
    if part in _SEVERAL:
        getattr(shown, part)[key] = node
    elif part:
        setattr(shown, part, node)
