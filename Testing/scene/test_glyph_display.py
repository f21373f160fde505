"""Displays of glyphs in a scene: what they follow, what they keep, and what they leave behind."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from DMRIPretrainLib.scene.glyph_canvas import OWNER_ATTRIBUTE
from DMRIPretrainLib.scene.glyph_display import GlyphDisplay, attach_displays
from DMRIPretrainLib.scene.glyph_node import add_glyph_node, glyph_nodes, settings_of
from DMRIPretrainLib.scene.glyph_settings import (
    FodfSettings,
    GlyphKind,
    GlyphScale,
    GlyphSettings,
    PeakSettings,
    ShownIn3D,
)
from DMRIPretrainLib.scene.polydata import points_of
from DMRIPretrainLib.scene.vector_volumes import add_vector_volume
from DMRIPretrainLib.scene.volumes import new_volume

from .glyph_helpers import drawn_lines, expected_ends, random_peaks, random_rotation, same_segments

SHAPE = (10, 12, 14)
AFFINE = np.array([[-2.0, 0, 0, 9], [0, 2, 0, -11], [0, 0, 2, -13], [0, 0, 0, 1]])
LINES = GlyphSettings(peaks=PeakSettings(scale=GlyphScale.UNITY, length=1.0, lower=0.0))


@pytest.fixture
def peaks_node(scene: Any) -> Any:
    return add_vector_volume(scene, random_peaks(0, SHAPE, 1), AFFINE, "peaks")


@pytest.fixture
def fodf_node(scene: Any) -> Any:
    fodf = np.zeros((*SHAPE, 45), dtype=np.float32)
    fodf[..., 0] = 0.3
    fodf[..., 3] = 0.2
    return add_vector_volume(scene, fodf, AFFINE, "fODF")


@pytest.fixture
def views(application: Any) -> dict[str, Any]:
    found = {name: application.slice_view(name, (120, 120)) for name in ("Red", "Yellow", "Green")}
    for view in found.values():
        view.centre_on(np.zeros(3), 40.0)
    return found


def models(scene: Any) -> list[Any]:
    """The models of all displays of glyphs."""
    nodes = (
        scene.GetNthNodeByClass(i, "vtkMRMLModelNode") for i in range(scene.GetNumberOfNodesByClass("vtkMRMLModelNode"))
    )
    return [node for node in nodes if node.GetAttribute(OWNER_ATTRIBUTE)]


def unpack_into(scene: Any, bundle: Path) -> None:
    """Load a .mrb; Slicer's own function for it needs a cache for downloads."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(bundle.parent)
    (path,) = bundle.parent.rglob("*.mrml")
    scene.SetURL(str(path))
    assert scene.Import()


def drawn_points(scene: Any) -> int:
    """Points of all meshes of glyphs together."""
    return sum(node.GetPolyData().GetNumberOfPoints() for node in models(scene) if node.GetPolyData())


def test_glyphs_follow_each_slice_view(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=LINES))
    counts = {name: len(drawn_lines(view)) for name, view in views.items()}
    assert counts == {"Red": 120, "Yellow": 168, "Green": 140}
    before = {name: view.image() for name, view in views.items()}
    views["Red"].node.SetSliceOffset(4.0)
    changed = {name: bool((view.image() != before[name]).any()) for name, view in views.items()}
    assert changed == {"Red": True, "Yellow": False, "Green": False}
    views["Red"].node.SetSliceOffset(100.0)
    assert len(drawn_lines(views["Red"])) == 0
    display.close()


def test_a_change_may_be_drawn_slice_by_slice(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node), draw=False)
    assert models(scene) == []
    settings = replace(LINES, opacity=0.5)
    drawing = display.change(settings)
    assert settings_of(display.node) == settings
    drawn = [len([model for model in models(scene) if model.GetPolyData() is not None]) for _ in drawing]
    assert drawn == [1, 2, 3]
    drawing = display.change(LINES)
    next(drawing)
    display.close()
    assert list(drawing) == []
    assert models(scene) == []


def test_panning_does_not_draw_sticks_again(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=LINES))
    meshes = [node.GetPolyData() for node in models(scene)]
    views["Red"].node.SetFieldOfView(10, 10, 1)
    assert [node.GetPolyData() for node in models(scene)] == meshes
    display.close()


def test_results_side_by_side_have_views_and_settings_of_their_own(
    scene: Any, views: dict[str, Any], peaks_node: Any
) -> None:
    other = add_vector_volume(scene, random_peaks(1, SHAPE, 2), AFFINE, "others")
    first = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=replace(LINES, views=("Red",))))
    second = GlyphDisplay(add_glyph_node(scene, peaks=other, settings=replace(LINES, views=("Yellow",))))
    assert [len(drawn_lines(views[name])) for name in ("Red", "Yellow", "Green")] == [120, 2 * 168, 0]
    first.close()
    assert [len(drawn_lines(views[name])) for name in ("Red", "Yellow", "Green")] == [0, 2 * 168, 0]
    second.close()


def test_views_that_come_and_go_are_followed_and_forgotten(
    application: Any, views: dict[str, Any], peaks_node: Any
) -> None:
    display = GlyphDisplay(add_glyph_node(application.scene, peaks=peaks_node, settings=LINES))
    late = application.slice_view("Blue", (100, 100))
    late.centre_on(np.zeros(3), 40.0)
    assert len(drawn_lines(late)) == 120
    count = len(models(application.scene))
    application.scene.RemoveNode(late.node)
    assert len(models(application.scene)) == count - 1
    display.close()


def test_views_that_come_while_the_scene_is_busy_are_followed_afterwards(
    application: Any, views: dict[str, Any], peaks_node: Any
) -> None:
    scene = application.scene
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=LINES))
    scene.StartState(scene.BatchProcessState)
    late = application.slice_view("Blue", (100, 100))
    late.centre_on(np.zeros(3), 40.0)
    assert len(models(scene)) == 3
    scene.EndState(scene.BatchProcessState)
    assert len(drawn_lines(late)) == 120
    display.close()


class _Paper:
    """A canvas of another kind, such as a pipeline of LayerDM would be."""

    sheets: ClassVar[list[Any]] = []

    def __init__(self, owner: Any, name: str, *, in_slices: bool) -> None:
        self.in_slices, self.mesh, self.style = in_slices, None, None
        self.sheets.append(self)

    def draw(self, mesh: Any, style: Any) -> None:
        self.mesh, self.style = mesh, style

    def hide(self) -> None:
        self.mesh = None

    def remove(self) -> None:
        self.sheets.remove(self)


def test_glyphs_can_be_drawn_in_another_way_than_with_models(
    scene: Any, views: dict[str, Any], peaks_node: Any
) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=LINES), make_canvas=_Paper)
    assert models(scene) == []
    lines = {sheet.style.views[0]: sheet.mesh.GetNumberOfLines() for sheet in _Paper.sheets if sheet.mesh}
    assert lines == {
        views["Red"].node.GetID(): 120,
        views["Yellow"].node.GetID(): 168,
        views["Green"].node.GetID(): 140,
    }
    display.close()
    assert _Paper.sheets == []


def test_settings_are_those_of_the_node(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    node = add_glyph_node(scene, peaks=peaks_node, settings=LINES)
    display = GlyphDisplay(node)
    display.settings = replace(LINES, subsampling=2, opacity=0.25, peaks=replace(LINES.peaks, line_width=7))
    assert settings_of(node) == display.settings
    assert len(drawn_lines(views["Red"])) == 30
    shown = models(scene)[0].GetDisplayNode()
    assert (shown.GetSliceIntersectionOpacity(), shown.GetSliceIntersectionThickness()) == (0.25, 7)
    display.settings = replace(display.settings, visible=False)
    assert [len(drawn_lines(view)) for view in views.values()] == [0, 0, 0]
    assert drawn_points(scene) == 0
    display.close()


def test_3d_views_show_nothing_the_slices_or_the_volume(
    application: Any, views: dict[str, Any], peaks_node: Any
) -> None:
    view = application.three_d_view()
    display = GlyphDisplay(add_glyph_node(application.scene, peaks=peaks_node, settings=LINES))
    assert len(drawn_lines(view)) == 0
    display.settings = replace(LINES, in_3d=ShownIn3D.SLICES)
    assert len(drawn_lines(view)) == 120 + 168 + 140
    display.settings = replace(LINES, in_3d=ShownIn3D.VOLUME)
    assert len(drawn_lines(view)) == 10 * 12 * 14
    display.settings = replace(LINES, in_3d=ShownIn3D.VOLUME, most_in_3d=300)
    assert len(drawn_lines(view)) == 5 * 6 * 7
    assert len(drawn_lines(views["Red"])) == 120  # not projected into slices
    display.settings = replace(LINES, in_3d=ShownIn3D.SLICES, views=("Red",))
    assert len(drawn_lines(view)) == 0
    display.settings = replace(LINES, in_3d=ShownIn3D.SLICES, views=("Red", view.node.GetLayoutName()))
    assert len(drawn_lines(view)) == 120
    display.close()


def test_tubes_and_fodfs_are_lit_in_3d(application: Any, peaks_node: Any, fodf_node: Any) -> None:
    view = application.three_d_view((200, 200))
    tubes = replace(LINES, in_3d=ShownIn3D.VOLUME, peaks=replace(LINES.peaks, tubes=True))
    display = GlyphDisplay(add_glyph_node(application.scene, peaks=peaks_node, fodf=fodf_node, settings=tubes))
    view.look_from(np.array([1.0, 1.0, 1.0]))
    sticks = view.image()
    display.settings = replace(tubes, kind=GlyphKind.FODF)
    shapes = view.image()
    assert (sticks != shapes).any()
    (model,) = (node for node in models(application.scene) if node.GetPolyData())
    assert model.GetDisplayNode().GetLighting()
    assert model.GetPolyData().GetPointData().GetNormals() is not None
    display.close()


def test_glyphs_are_drawn_where_labels_are(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[2:5, 3:5] = 1
    labels[7, 7] = 2
    labels[8, 8] = 3
    mask = new_volume(scene, "crossings", labels, AFFINE, "vtkMRMLLabelMapVolumeNode")
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, mask=mask, settings=LINES))
    assert len(drawn_lines(views["Red"])) == 8
    display.settings = replace(LINES, mask_labels=(2, 3))
    assert len(drawn_lines(views["Red"])) == 2
    slicer.util.arrayFromVolume(mask)[:] = 2
    slicer.util.arrayFromVolumeModified(mask)
    assert len(drawn_lines(views["Red"])) == 120
    display.close()


def test_glyphs_are_drawn_where_segments_are(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[2:5, 3:5] = 1
    labels[7, 7] = 2
    volume = new_volume(scene, "labels", labels, AFFINE, "vtkMRMLLabelMapVolumeNode")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(volume, segmentation)
    names = [segmentation.GetSegmentation().GetNthSegment(i).GetName() for i in range(2)]
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, mask=segmentation, settings=LINES))
    assert len(drawn_lines(views["Red"])) == 7
    display.settings = replace(LINES, mask_segments=(names[1],))
    assert len(drawn_lines(views["Red"])) == 1
    display.close()


def test_a_moved_volume_takes_its_glyphs_along(application: Any) -> None:
    view = application.three_d_view()
    scene = application.scene
    peaks = random_peaks(5, (3, 3, 3), 2)
    volume = add_vector_volume(scene, peaks, AFFINE, "peaks")
    settings = replace(LINES, in_3d=ShownIn3D.VOLUME)
    display = GlyphDisplay(add_glyph_node(scene, peaks=volume, settings=settings))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = random_rotation(np.random.default_rng(1)), [3, -4, 5]
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(move))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    ends = expected_ends(AFFINE, peaks, 1.0) @ move[:3, :3].T + move[:3, 3]
    assert same_segments(drawn_lines(view), ends, 0.01)
    transform.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    assert same_segments(drawn_lines(view), expected_ends(AFFINE, peaks, 1.0), 0.01)
    display.close()


def test_what_cannot_be_shown_is_said(scene: Any, views: dict[str, Any], peaks_node: Any, caplog: Any) -> None:
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 1.0
    mask = new_volume(scene, "moved mask", np.ones(SHAPE, np.uint8), elsewhere, "vtkMRMLLabelMapVolumeNode")
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, mask=mask, settings=LINES))
    assert display.problem.startswith("moved mask: expected the grid of the orientations with 10 x 12 x 14 voxels")
    assert display.problem in caplog.text
    assert len(drawn_lines(views["Red"])) == 0
    scene.RemoveNode(mask)
    assert display.problem == ""
    assert len(drawn_lines(views["Red"])) == 120
    display.close()
    four = add_vector_volume(scene, np.zeros((*SHAPE, 4), np.float32), AFFINE, "four")
    assert "found 4" in GlyphDisplay(add_glyph_node(scene, peaks=four)).problem
    assert (
        "found 9"
        in GlyphDisplay(
            add_glyph_node(scene, fodf=add_vector_volume(scene, np.zeros((*SHAPE, 9), np.float32), AFFINE, "nine"))
        ).problem
    )


def test_volumes_that_leave_take_their_glyphs_along(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=LINES))
    scene.RemoveNode(peaks_node)
    assert [len(drawn_lines(view)) for view in views.values()] == [0, 0, 0]
    display.close()


@pytest.mark.parametrize("end", ["close", "remove the node", "clear the scene"])
def test_nothing_is_left_behind(scene: Any, views: dict[str, Any], peaks_node: Any, end: str) -> None:
    before = scene.GetNumberOfNodes()
    node = add_glyph_node(scene, peaks=peaks_node, settings=replace(LINES, in_3d=ShownIn3D.SLICES))
    display = GlyphDisplay(node)
    assert len(models(scene)) == 6
    if end == "close":
        display.close()
        scene.RemoveNode(node)
    elif end == "remove the node":
        scene.RemoveNode(node)
    else:
        scene.Clear(False)
    assert display.closed
    assert models(scene) == []
    if end != "clear the scene":
        assert scene.GetNumberOfNodes() == before
    views["Red"].node.SetSliceOffset(3.0)  # nobody listens any more
    assert models(scene) == []
    again = add_vector_volume(scene, random_peaks(0, SHAPE, 1), AFFINE, "peaks")
    display = GlyphDisplay(add_glyph_node(scene, peaks=again, settings=LINES))
    assert len(drawn_lines(views["Red"])) == 120
    display.close()


def test_a_saved_scene_shows_the_same_when_it_is_loaded(
    application: Any, views: dict[str, Any], peaks_node: Any, fodf_node: Any, tmp_path: Path
) -> None:
    scene = application.scene
    settings = replace(LINES, opacity=0.7, subsampling=2, peaks=replace(LINES.peaks, line_width=3))
    GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, fodf=fodf_node, settings=replace(settings, views=("Red",))))
    fodf = replace(settings, kind=GlyphKind.FODF, views=("Green",))
    GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, fodf=fodf_node, settings=fodf))
    pictures = {name: view.image() for name, view in views.items()}
    assert all(pictures[name].any() for name in ("Red", "Green"))
    path = tmp_path / "scene.mrb"
    assert scene.WriteToMRB(str(path), None)
    scene.Clear(False)
    assert not any(view.image().any() for view in views.values())
    unpack_into(scene, path)
    assert models(scene) == []  # drawn meshes are not saved
    displays = attach_displays(scene, [])
    assert len(displays) == len(glyph_nodes(scene)) == 2
    assert attach_displays(scene, displays) == displays
    for name, view in views.items():
        np.testing.assert_array_equal(view.image(), pictures[name])
    for display in displays:
        display.close()


def test_fodfs_are_cropped_to_the_view_and_capped(scene: Any, views: dict[str, Any], fodf_node: Any) -> None:
    settings = GlyphSettings(kind=GlyphKind.FODF, fodf=FodfSettings(length=1.0, detail=1), views=("Red",))
    display = GlyphDisplay(add_glyph_node(scene, fodf=fodf_node, settings=settings))
    assert drawn_points(scene) == 120 * 42
    display.settings = replace(settings, fodf=FodfSettings(length=1.0, detail=1, most=50))
    assert drawn_points(scene) == 5 * 6 * 42
    display.settings = settings
    views["Red"].node.SetFieldOfView(7.9, 7.9, 1)
    assert drawn_points(scene) == 4 * 4 * 42  # 4 voxels of 2 mm, those that reach into the view too
    display.close()


def test_fodfs_wait_until_the_slice_has_come_to_rest(scene: Any, views: dict[str, Any], fodf_node: Any) -> None:
    waiting: list[Callable[[], None]] = []
    settings = GlyphSettings(kind=GlyphKind.FODF, fodf=FodfSettings(length=1.0, detail=1), views=("Red",))
    display = GlyphDisplay(add_glyph_node(scene, fodf=fodf_node, settings=settings), schedule=waiting.append)
    assert views["Red"].image().any()
    for offset in (2.0, 4.0, 6.0):
        views["Red"].node.SetSliceOffset(offset)
    assert not views["Red"].image().any()
    assert len(waiting) == 3
    waiting[-1]()
    assert views["Red"].image().any()
    (mesh,) = (node.GetPolyData() for node in models(scene) if node.GetPolyData())
    assert np.isclose(points_of(mesh)[:, 2].mean(), 6.0, atol=1.1)
    display.close()
    waiting[-1]()  # too late does no harm


def test_memory_is_that_of_what_is_shown(scene: Any, views: dict[str, Any], peaks_node: Any) -> None:
    display = GlyphDisplay(add_glyph_node(scene, peaks=peaks_node, settings=replace(LINES, views=("Red",))))
    assert np.shares_memory(display.field.peaks, slicer.util.arrayFromVolume(peaks_node))
    assert drawn_points(scene) == 2 * 120
    views["Red"].node.SetSliceOffset(2.0)
    assert drawn_points(scene) == 2 * 120
    display.close()
