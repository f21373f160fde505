"""Colour tables of maps, and the legends that explain them in the views."""

from collections.abc import Sequence

import slicer
import vtk

from ..tasks.maps import Colour
from .labels import Label

#: Marks the tables that are made here, so that maps of one kind share one.
_TABLE_ATTRIBUTE = "DMRIPretrain.ColorTable"

#: Colours of even perceived steps (after the public-domain maps viridis and inferno of van der Walt and Smith).
_MAPS: dict[str, tuple[Colour, ...]] = {
    "probability": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    "uncertainty": ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)),
}
_STEPS = 256
#: A legend of more labels cannot be read, and is off until somebody asks for it.
_MOST_IN_LEGEND = 20


def continuous_colours(scene: slicer.vtkMRMLScene, kind: str) -> slicer.vtkMRMLColorTableNode:
    """The colour table of a kind of map, ``probability`` or ``uncertainty``; made where it is missing."""
    existing = _find(scene, kind)
    if existing is not None:
        return existing
    between = vtk.vtkColorTransferFunction()
    between.SetColorSpaceToLab()
    anchors = _MAPS[kind]
    for index, colour in enumerate(anchors):
        between.AddRGBPoint(index / (len(anchors) - 1), *(channel / 255 for channel in colour))
    table = _new_table(scene, f"DMRIPretrain {kind}", kind, _STEPS)
    for step in range(_STEPS):
        table.SetColor(step, f"{step}", *between.GetColor(step / (_STEPS - 1)), 1.0)
    return table


def label_colours(scene: slicer.vtkMRMLScene, name: str, labels: Sequence[Label]) -> slicer.vtkMRMLColorTableNode:
    """A colour table of labels, made where there is none of this name with the same labels; 0 is transparent."""
    kind = f"{name}: " + ", ".join(f"{label.value} {label.name} {label.colour}" for label in labels)
    existing = _find(scene, kind)
    if existing is not None:
        return existing
    table = _new_table(scene, name, kind, 1 + max(label.value for label in labels))
    for label in labels:
        table.SetColor(label.value, label.name, *label.rgb, 1.0 if label.value else 0.0)
    defined = {label.value for label in labels if label.value}
    for value in range(table.GetNumberOfColors()):
        table.SetColorDefined(value, value in defined)  # others have no place in the legend
    return table


def labels_of_table(table: slicer.vtkMRMLColorNode) -> list[Label]:
    """The labels that a colour table of :func:`label_colours` explains, without the background."""
    labels, colour = [], [0.0] * 4
    for value in range(1, table.GetNumberOfColors()):
        if table.GetColorDefined(value) and table.GetColor(value, colour):
            red, green, blue = (round(255 * channel) for channel in colour[:3])
            labels.append(Label(value, table.GetColorName(value), (red, green, blue)))
    return labels


def _find(scene: slicer.vtkMRMLScene, kind: str) -> slicer.vtkMRMLColorTableNode | None:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLColorTableNode")
        if node.GetAttribute(_TABLE_ATTRIBUTE) == kind:
            return node
    return None


def _new_table(scene: slicer.vtkMRMLScene, name: str, kind: str, count: int) -> slicer.vtkMRMLColorTableNode:
    table = slicer.vtkMRMLColorTableNode()
    table.SetName(name)
    table.SetAttribute(_TABLE_ATTRIBUTE, kind)
    table.SetTypeToUser()
    table.SetHideFromEditors(False)
    table.SetNumberOfColors(count)
    table.GetLookupTable().SetRange(0, count - 1)
    scene.AddNode(table)
    return table


def add_legend(
    node: slicer.vtkMRMLVolumeNode, title: str, labels: Sequence[Label] = (), numbers: int = 5
) -> "slicer.vtkMRMLColorLegendDisplayNode":  # quoted: Slicer may load the module that has it after ours
    """Explain the colours of a volume in the views that show it.

    Args:
        node: with a display node.
        title: of the legend, with the unit where there is one.
        labels: that the volume holds; without any it is a scale of numbers.
        numbers: on the scale.
    """
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(title)
    # The texts grow with the legend, as far as the longest of them fits, and the title with them.
    longest = max((len(label.name) for label in labels), default=0)
    legend.SetSize(min(max(0.07, 0.015 * longest), 0.4), min(0.045 * (len(labels) or numbers), 0.85))
    legend.SetPosition(0.98, 0.04)
    legend.SetVisibility(len(labels) <= _MOST_IN_LEGEND)
    if labels:
        legend.SetUseColorNamesForLabels(True)
        legend.SetMaxNumberOfColors(len(labels))
        legend.SetNumberOfLabels(len(labels))
        legend.SetLabelFormat(legend.GetDefaultTextLabelFormat())
    else:
        legend.SetNumberOfLabels(numbers)
        legend.SetLabelFormat("%.3g")
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetFontFamilyToArial()
        text.ShadowOn()
    return legend
