"""Two results of a scan, side by side and as maps of their differences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.scene.compare import COMPARE_LAYOUT, COMPARE_VIEWS, Comparison, compare, show_side_by_side
from DMRIPretrainLib.scene.geometry import affine_of
from DMRIPretrainLib.scene.result import show_result
from DMRIPretrainLib.scene.scan_nodes import scan_to_node
from DMRIPretrainLib.scene.shown_result import ShownResult
from DMRIPretrainLib.tasks import maps

SHAPE = (6, 7, 8)
AFFINE = np.array([[-2.0, 0, 0, 5], [0, 0, 2, -6], [0, 2, 0, -7], [0, 0, 0, 1]])


def array_of(node: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(node).transpose(2, 1, 0)


def write(folder: Path, labels: np.ndarray, counts: np.ndarray, direction: list[float]) -> Path:
    maps.save_segmentation(folder / maps.SEGMENTATION, labels, AFFINE)
    maps.save_crossings(folder / maps.CROSSINGS, counts, AFFINE)
    peaks = np.zeros((*SHAPE, 3, 3))
    peaks[:, :, 2:, 0] = direction
    maps.save_peaks(folder / maps.PEAKS, peaks, AFFINE)
    return folder


@pytest.fixture
def results(application: Any, make_dwi: Callable[..., Scan], tmp_path: Path) -> tuple[ShownResult, ShownResult]:
    for name in ("Red", "Yellow"):
        application.slice_view(name, (90, 90))
    scan = scan_to_node(application.scene, make_dwi(SHAPE, affine=AFFINE), "dwi")
    labels, counts = np.full(SHAPE, 2), np.full(SHAPE, 1)
    first = show_result(write(tmp_path / "before", labels, counts, [0.5, 0, 0]), scan)
    labels[0], labels[1], counts[0], counts[1] = 3, 0, 3, 0
    tilted = [-np.cos(np.radians(20)), 0, np.sin(np.radians(20))]
    second = show_result(write(tmp_path / "after", labels, counts, tilted), scan, background=first.background)
    return first, second


def test_differences_are_where_they_are(results: tuple[ShownResult, ShownResult]) -> None:
    found = compare(*results)
    labels = array_of(found.labels)
    assert (labels[0] == 3).all()
    assert (labels[1] == 4).all()  # background now
    assert (labels[2:] == 0).all()
    counts = array_of(found.counts)
    assert (counts[0] == 4 + 2).all()
    assert (counts[1] == 4 - 1).all()
    assert (counts[2:] == 0).all()
    angles = array_of(found.angles)
    assert np.allclose(angles[:, :, 2:], 20, atol=1e-3)  # up to sign, whatever the amplitudes
    assert (angles[:, :, :2] == 0).all()
    for node in vars(found).values():
        assert np.allclose(affine_of(node), AFFINE)
        assert node.GetName().startswith("before to after: ")


def test_differences_have_names_and_colours(results: tuple[ShownResult, ShownResult]) -> None:
    found = compare(*results)
    table = found.labels.GetDisplayNode().GetColorNode()
    assert [table.GetColorName(value) for value in range(1, 5)] == ["CSF", "GM", "WM", "background"]
    colour = [0.0] * 4
    table.GetColor(3, colour)
    assert np.allclose(np.array(colour[:3]) * 255, maps.TISSUE_COLOURS[3], atol=1)
    table = found.counts.GetDisplayNode().GetColorNode()
    assert (table.GetColorName(3), table.GetColorName(6)) == ("1 fewer", "2 more")
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(found.angles)
    assert legend.GetTitleText() == "Angle (°)"


def test_other_grids_are_refused(
    application: Any, results: tuple[ShownResult, ShownResult], make_dwi: Callable[..., Scan], tmp_path: Path
) -> None:
    first, _ = results
    other = scan_to_node(application.scene, make_dwi((5, 7, 8), affine=AFFINE), "other")
    maps.save_crossings(tmp_path / "small" / maps.CROSSINGS, np.zeros((5, 7, 8)), AFFINE)
    small = show_result(tmp_path / "small", other)
    with pytest.raises(UserError, match=r"small crossings: expected the grid of before crossings, \(6, 7, 8\) voxels"):
        compare(first, small)


def test_results_under_different_transforms_are_refused(results: tuple[ShownResult, ShownResult]) -> None:
    first, second = results
    transform = first.scan.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    second.labels.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(UserError, match="after labels: expected the grid of before labels"):
        compare(first, second)


def test_results_without_a_common_map_are_refused(results: tuple[ShownResult, ShownResult]) -> None:
    first, second = results
    first.labels = first.crossings = None
    second.peaks = None
    with pytest.raises(UserError, match="before, after: expected maps of the same task"):
        compare(first, second)
    assert Comparison() == Comparison(None, None, None)


def test_side_by_side_shows_each_in_its_view_at_the_same_place(
    application: Any, results: tuple[ShownResult, ShownResult]
) -> None:
    first, second = results
    views = [application.slice_view(name, (90, 90)) for name in COMPARE_VIEWS]
    views[0].show(first.background)
    views[0].centre_on((0, 1, 2), field_of_view=30)
    for shown in ("crossings", "labels"):
        show_side_by_side(first, second, shown)
        for view, result in zip(views, (first, second), strict=True):
            assert view.composite.GetLabelVolumeID() == getattr(result, shown).GetID()
            assert view.composite.GetBackgroundVolumeID() == first.background.GetID()
            assert view.composite.GetLinkedControl()
    matrices = [slicer.util.arrayFromVTKMatrix(view.node.GetXYToRAS()) for view in views]
    assert np.allclose(*matrices)
    difference = np.abs(views[0].image().astype(int) - views[1].image()).max(axis=2)
    assert 20 < (difference > 30).sum() < 0.7 * difference.size
    assert all(f'singletontag="{view}"' in COMPARE_LAYOUT for view in COMPARE_VIEWS)


def test_a_view_that_is_not_open_is_named(results: tuple[ShownResult, ShownResult]) -> None:
    with pytest.raises(UserError, match="slice view Before: expected it to be open"):
        show_side_by_side(*results)


def test_the_layout_is_one_that_slicer_understands(application: Any) -> None:
    """Slicer's own layout logic makes the views of the description."""
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(application.scene)
    layout = logic.GetLayoutNode()
    layout.AddLayoutDescription(700, COMPARE_LAYOUT)
    layout.SetViewArrangement(700)
    names = {
        logic.GetViewNodes().GetItemAsObject(i).GetLayoutName() for i in range(logic.GetViewNodes().GetNumberOfItems())
    }
    assert names == set(COMPARE_VIEWS)
