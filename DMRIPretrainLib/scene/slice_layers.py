"""Which volumes the slice views show: background, what lies over it, and labels."""

from collections.abc import Collection

import slicer

#: How opaque labels and maps are over the anatomy.
LABEL_OPACITY = 0.6
MAP_OPACITY = 0.7


def show_in_slices(
    scene: slicer.vtkMRMLScene,
    background: slicer.vtkMRMLVolumeNode | None,
    *,
    over: slicer.vtkMRMLVolumeNode | None = None,
    opacity: float | None = None,
    views: Collection[str] | None = None,
) -> None:
    """Show a volume in slice views, and a map or labels over it.

    Args:
        scene: of the views.
        background: the anatomy; None for none.
        over: a label volume or another map; None for none.
        opacity: of what lies over, 0 to 1; by default one that lets the anatomy be seen.
        views: names of the views, such as Red; all by default.
    """
    is_label = over is not None and over.IsA("vtkMRMLLabelMapVolumeNode")
    identifier = over.GetID() if over is not None else None
    for composite in composite_nodes(scene, views):
        composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
        composite.SetLabelVolumeID(identifier if is_label else None)
        composite.SetForegroundVolumeID(None if is_label else identifier)
        composite.SetLabelOpacity(opacity if is_label and opacity is not None else LABEL_OPACITY)
        composite.SetForegroundOpacity(opacity if not is_label and opacity is not None else MAP_OPACITY)
    refresh_legends(scene)


def composite_nodes(
    scene: slicer.vtkMRMLScene, views: Collection[str] | None = None
) -> list[slicer.vtkMRMLSliceCompositeNode]:
    """The nodes that hold the volumes of slice views."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode") for index in range(count)]
    return [node for node in nodes if views is None or node.GetLayoutName() in views]


def places_shown(scene: slicer.vtkMRMLScene) -> dict[str, tuple[float, ...]]:
    """The space that the background of each slice view fills, in RAS mm: least and most x, y and z; by view."""
    places = {}
    for composite in composite_nodes(scene):
        background = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        if background is not None:
            bounds = [0.0] * 6
            background.GetRASBounds(bounds)
            places[composite.GetLayoutName()] = tuple(round(bound, 2) for bound in bounds)
    return places


def refresh_legends(scene: slicer.vtkMRMLScene) -> None:
    """Let colour legends see which volumes are shown: they do not always notice by themselves."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")):
        scene.GetNthNodeByClass(index, "vtkMRMLColorLegendDisplayNode").Modified()
