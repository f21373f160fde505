"""Two results of one scan: side by side, or as maps of where they differ.

Before and after fine-tuning, ours and a classical method: the first is what was there before, the second what is new.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import slicer

from ..errors import UserError
from .colours import labels_of_table
from .geometry import affine_of, grid_shape, same_grid
from .labels import Label
from .result_maps import add_angle_map, add_label_map
from .shown_result import ShownResult
from .slice_layers import composite_nodes, refresh_legends, show_in_slices
from .steps import Steps, require_in_scene, run_at_once
from .subject_hierarchy import place_beside
from .vector_volumes import values_of

#: Two axial views beside each other, of one group, so that they can be linked without the other views.
COMPARE_VIEWS = ("Before", "After")
COMPARE_LAYOUT = (
    '<layout type="horizontal" split="true">'
    + "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{view}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{view[0]}</property>'
        f'<property name="viewcolor" action="default">{colour}</property>'
        '<property name="viewgroup" action="default">7</property>'
        "</view></item>"
        for view, colour in zip(COMPARE_VIEWS, ("#0072B2", "#D55E00"), strict=True)
    )
    + "</layout>"
)

#: Differences of counts, blue for fewer and red for more.
_COUNT_CHANGES = (
    *((-3, "3 fewer", (5, 48, 97)), (-2, "2 fewer", (33, 102, 172)), (-1, "1 fewer", (103, 169, 207))),
    *((1, "1 more", (239, 138, 98)), (2, "2 more", (203, 24, 29)), (3, "3 more", (103, 0, 13))),
)

Map = Literal["crossings", "labels"]


@dataclass
class Comparison:
    """Maps of where two results differ; None for what one of them lacks.

    Attributes:
        labels: the label that the second gives where the first gives another; 0 where they agree.
        counts: how many fibre populations more or fewer the second finds.
        angles: between the main directions, in degrees.
    """

    labels: slicer.vtkMRMLLabelMapVolumeNode | None = None
    counts: slicer.vtkMRMLLabelMapVolumeNode | None = None
    angles: slicer.vtkMRMLScalarVolumeNode | None = None


def compare(first: ShownResult, second: ShownResult) -> Comparison:
    """Add maps of all differences of two results beside the scan of the second.

    Raises:
        UserError: if their maps lie on different grids, or they have none in common.
    """
    return run_at_once(compare_steps(first, second))


def compare_steps(first: ShownResult, second: ShownResult) -> Steps[Comparison]:
    """As :func:`compare`, step by step."""
    title = f"{first.name} to {second.name}"
    comparison = Comparison()
    if first.labels is not None and second.labels is not None:
        name = f"{title}: labels that differ"
        comparison.labels = yield from _differing_labels(first.labels, second.labels, name)
        yield None
    if first.crossings is not None and second.crossings is not None:
        name = f"{title}: fibre populations"
        comparison.counts = yield from _count_changes(first.crossings, second.crossings, name)
        yield None
    if first.peaks is not None and second.peaks is not None:
        name = f"{title}: angle of the main direction"
        comparison.angles = yield from _direction_angles(first.peaks, second.peaks, name)
    if comparison == Comparison():
        raise UserError(
            f"{first.name}, {second.name}: expected maps of the same task, found none; choose other results"
        )
    return comparison


def differing_labels(
    first: slicer.vtkMRMLLabelMapVolumeNode, second: slicer.vtkMRMLLabelMapVolumeNode, name: str
) -> slicer.vtkMRMLLabelMapVolumeNode:
    """Add a map of what the second says where the first says something else, in the colours of the second.

    Where only the first has a label, the second says background, which is shown as well.

    Raises:
        UserError: if they lie on different grids.
    """
    return run_at_once(_differing_labels(first, second, name))


def _differing_labels(
    first: slicer.vtkMRMLLabelMapVolumeNode, second: slicer.vtkMRMLLabelMapVolumeNode, name: str
) -> Steps[slicer.vtkMRMLLabelMapVolumeNode]:
    _require_same_grid(first, second)
    before, after = values_of(first), values_of(second)
    labels = labels_of_table(second.GetDisplayNode().GetColorNode())
    background = 1 + max([label.value for label in labels], default=0)
    labels = [*labels, Label(background, "background", (160, 160, 160))]
    values = yield lambda: np.where(before == after, 0, np.where(after == 0, background, after))
    require_in_scene(second)
    return _add(second, add_label_map(second.GetScene(), name, values, affine_of(second), labels, "Differs, is now"))


def count_changes(
    first: slicer.vtkMRMLLabelMapVolumeNode, second: slicer.vtkMRMLLabelMapVolumeNode, name: str
) -> slicer.vtkMRMLLabelMapVolumeNode:
    """Add a map of how many fibre populations more or fewer the second finds; clear where it finds as many.

    Its values are 4 + the difference, since labels are not negative, and 0 where there is none.

    Raises:
        UserError: if they lie on different grids.
    """
    return run_at_once(_count_changes(first, second, name))


def _count_changes(
    first: slicer.vtkMRMLLabelMapVolumeNode, second: slicer.vtkMRMLLabelMapVolumeNode, name: str
) -> Steps[slicer.vtkMRMLLabelMapVolumeNode]:
    _require_same_grid(first, second)
    before, after = values_of(first), values_of(second)
    labels = [Label(0, "as many", (0, 0, 0))] + [Label(4 + number, text, rgb) for number, text, rgb in _COUNT_CHANGES]
    values = yield lambda: _changes(before, after)
    require_in_scene(second)
    node = add_label_map(second.GetScene(), name, values, affine_of(second), labels, "Fibre populations, change")
    return _add(second, node)


def direction_angles(
    first: slicer.vtkMRMLVolumeNode, second: slicer.vtkMRMLVolumeNode, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the angle between the main directions, in degrees from 0 to 90; clear where one of them has none.

    Args:
        first: peaks, strongest first.
        second: likewise.
        name: of the new volume.

    Raises:
        UserError: if they lie on different grids.
    """
    return run_at_once(_direction_angles(first, second, name))


def _direction_angles(
    first: slicer.vtkMRMLVolumeNode, second: slicer.vtkMRMLVolumeNode, name: str
) -> Steps[slicer.vtkMRMLScalarVolumeNode]:
    _require_same_grid(first, second)
    before, after = values_of(first), values_of(second)
    angles = yield lambda: _angles(before, after)
    require_in_scene(second)
    return _add(second, add_angle_map(second.GetScene(), name, angles, affine_of(second), "Angle", highest=90))


def _changes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(X, Y, Z) 4 + the difference of counts, 0 where there is none."""
    change = after.astype(int) - before
    return np.where(change == 0, 0, 4 + change).astype(np.uint8)


def _angles(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(X, Y, Z) degrees between the first peaks of (X, Y, Z, 3 K)."""
    main = [np.nan_to_num(peaks[..., :3].astype(float)) for peaks in (before, after)]
    lengths = np.linalg.norm(main[0], axis=-1) * np.linalg.norm(main[1], axis=-1)
    cosines = np.divide(np.abs((main[0] * main[1]).sum(axis=-1)), lengths, out=np.ones_like(lengths), where=lengths > 0)
    return np.degrees(np.arccos(np.clip(cosines, 0, 1)))


def show_side_by_side(
    first: ShownResult, second: ShownResult, shown: Map = "crossings", views: tuple[str, str] = COMPARE_VIEWS
) -> None:
    """Show a map of each result in one of two slice views that move together.

    Args:
        first: goes to the first view.
        second: goes to the second view.
        shown: which map lies over the anatomy.
        views: names of the views, such as those of ``COMPARE_LAYOUT``, or Red and Yellow.

    Raises:
        UserError: if a result lacks that map, or a view is not there.
    """
    scene = first.scan.GetScene()
    for result, view in zip((first, second), views, strict=True):
        over = getattr(result, shown)
        if over is None:
            raise UserError(f"{result.name}: expected a map of {shown}, found none; compare another map")
        if not composite_nodes(scene, [view]):
            raise UserError(f"slice view {view}: expected it to be open, found none; choose the layout that has it")
        show_in_slices(scene, result.background, over=over, views=[view])
    leading, following = (_slice_node(scene, view) for view in views)
    following.GetSliceToRAS().DeepCopy(leading.GetSliceToRAS())
    following.SetFieldOfView(*leading.GetFieldOfView())
    following.UpdateMatrices()
    for composite in composite_nodes(scene, views):
        composite.SetLinkedControl(True)
        composite.SetHotLinkedControl(True)
    refresh_legends(scene)


def _slice_node(scene: slicer.vtkMRMLScene, view: str) -> slicer.vtkMRMLSliceNode:
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLSliceNode") for index in range(count))
    return next(node for node in nodes if node.GetLayoutName() == view)


def _add(neighbour: slicer.vtkMRMLVolumeNode, node: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeNode:
    place_beside(node, neighbour)
    return node


def _require_same_grid(first: slicer.vtkMRMLVolumeNode, second: slicer.vtkMRMLVolumeNode) -> None:
    same_transform = first.GetParentTransformNode() is second.GetParentTransformNode()
    if same_transform and same_grid(affine_of(first), grid_shape(first), affine_of(second), grid_shape(second)):
        return
    raise UserError(
        f"{second.GetName()}: expected the grid of {first.GetName()}, {grid_shape(first)} voxels, found another with "
        f"{grid_shape(second)}; compare results of one scan"
    )
