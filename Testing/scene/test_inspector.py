"""The inspector: the numbers of a voxel, its picture, and which voxel the crosshair is at."""

from typing import Any

import numpy as np
import pytest
import slicer

from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scene.glyph_node import (
    CROSSING_PROBABILITIES,
    CROSSINGS,
    LABEL_PROBABILITIES,
    LABELS,
    add_glyph_node,
)
from DMRIPretrainLib.scene.inspector import CORONAL, CrosshairInspector, InspectorView, fodf_mesh, inspector_image
from DMRIPretrainLib.scene.orientation_field import OrientationField
from DMRIPretrainLib.scene.polydata import points_of
from DMRIPretrainLib.scene.slab import Plane
from DMRIPretrainLib.scene.vector_volumes import add_vector_volume
from DMRIPretrainLib.scene.volumes import new_volume
from DMRIPretrainLib.scene.voxel_report import InspectedMaps, Peak, VoxelReport, inspected_maps

from .glyph_helpers import make_affine, random_peaks
from .test_fodf_glyphs import coefficients_of

SHAPE = (4, 5, 6)


def maps_of(affine: np.ndarray) -> InspectedMaps:
    peaks = np.zeros((*SHAPE, 3, 3), dtype=np.float32)
    peaks[1, 2, 3] = [[0.8, 0, 0], [-0.2, 0, -0.2], [0, 0, 0]]
    fodf = np.zeros((*SHAPE, 45), dtype=np.float32)
    fodf[1, 2, 3] = coefficients_of(((1, 0, 0), 0.8), ((1, 0, 1), 0.3))
    uncertainty = np.full(SHAPE, 12.5, dtype=np.float32)
    labels, crossings = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    labels[1, 2, 3], crossings[1, 2, 3] = 3, 2
    probabilities = np.zeros((*SHAPE, 4), dtype=np.float32)
    probabilities[1, 2, 3] = [0.001, 0.1, 0.25, 0.649]
    return InspectedMaps(
        OrientationField(affine, peaks, fodf, uncertainty=uncertainty),
        labels,
        probabilities,
        crossings=crossings,
        crossing_probabilities=probabilities,
    )


def test_a_report_tells_what_is_known() -> None:
    report = maps_of(np.diag([2.0, 2.0, 2.0, 1.0])).report((1, 2, 3))
    assert (report.indices, report.centre) == ((1, 2, 3), (2.0, 4.0, 6.0))
    assert (report.label, report.fibres, report.uncertainty) == ("WM", 2, 12.5)
    assert [name for name, _ in report.label_probabilities] == ["background", "CSF", "GM", "WM"]
    np.testing.assert_allclose(report.fibre_probabilities, [0.001, 0.1, 0.25, 0.649], rtol=1e-6)
    assert [round(peak.amplitude, 4) for peak in report.peaks] == [0.8, 0.2828]
    np.testing.assert_allclose(report.peaks[1].direction, [0.7071, 0, 0.7071], atol=1e-4)
    ((first, second, angle),) = report.angles
    assert (first, second, round(angle, 3)) == (1, 2, 45.0)
    assert report.rows() == [
        ("Voxel", "1, 2, 3"),
        ("RAS", "2.0, 4.0, 6.0 mm"),
        ("Tissue", "WM"),
        ("", "WM 65 %   GM 25 %   CSF 10 %"),
        ("Fibres", "two"),
        ("", "three 65 %   two 25 %   one 10 %"),
        ("Peak 1", "0.80   (+1.00, +0.00, +0.00)"),
        ("Peak 2", "0.28   (+0.71, +0.00, +0.71)"),
        ("Angle 1, 2", "45°"),
        ("Uncertainty", "12.5° of peak 1"),
    ]


def test_where_little_is_known_little_is_told() -> None:
    field = OrientationField(np.eye(4), peaks=np.zeros((2, 2, 2, 3, 3), dtype=np.float32))
    report = InspectedMaps(field).report((0, 1, 0))
    assert report == VoxelReport((0, 1, 0), (0.0, 1.0, 0.0))
    assert [heading for heading, _ in report.rows()] == ["Voxel", "RAS"]


def test_positions_find_their_voxel_in_all_orientations() -> None:
    for seed, symmetry in enumerate(cube_symmetries()):
        affine = make_affine(symmetry, seed, oblique=bool(seed % 2))
        maps = InspectedMaps(OrientationField(affine, random_peaks(0, SHAPE)))
        for voxel in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
            for nudge in ([0.45, -0.45, 0.45], [-0.45, 0.45, -0.45]):
                assert maps.voxel_at((affine @ [*np.add(voxel, nudge), 1])[:3]) == voxel
        assert maps.voxel_at((affine @ [-0.6, 0, 0, 1])[:3]) is None
        assert maps.voxel_at((affine @ [0, 0, 5.6, 1])[:3]) is None


def test_maps_come_from_the_nodes_of_the_scene(scene: Any) -> None:
    affine = make_affine(np.eye(3), 0, oblique=True)
    known = maps_of(affine)
    node = add_glyph_node(
        scene,
        peaks=add_vector_volume(scene, known.orientations.peaks, affine, "peaks"),
        fodf=add_vector_volume(scene, known.orientations.fodf, affine, "fODF"),
        uncertainty=new_volume(scene, "uncertainty", known.orientations.uncertainty, affine),
        inspected={
            LABELS: new_volume(scene, "labels", known.labels, affine, "vtkMRMLLabelMapVolumeNode"),
            LABEL_PROBABILITIES: add_vector_volume(scene, known.label_probabilities, affine, "p"),
            CROSSINGS: new_volume(scene, "crossings", known.crossings, affine, "vtkMRMLLabelMapVolumeNode"),
            CROSSING_PROBABILITIES: add_vector_volume(scene, known.crossing_probabilities, affine, "q"),
        },
    )
    found, expected = inspected_maps(node).report((1, 2, 3)), known.report((1, 2, 3))
    np.testing.assert_allclose(found.centre, expected.centre, atol=1e-5)
    assert found.rows()[2:] == expected.rows()[2:]


def test_the_shape_of_a_voxel_is_its_function_in_the_world() -> None:
    maps = maps_of(make_affine(np.eye(3), 0, oblique=True))
    points = points_of(fodf_mesh(maps.orientations, (1, 2, 3)))
    radii = np.linalg.norm(points, axis=1)
    assert np.isclose(radii.max(), 1.0, atol=1e-3)
    assert abs(points[radii.argmax()][0]) > 0.97


def colour_at(image: np.ndarray, x: float, y: float) -> int:
    """Which of red, green and blue is the brightest on average about a place of the picture; -1 where it is dark."""
    height, width, _ = image.shape
    row, column = round(y * height), round(x * width)
    part = image[row - 4 : row + 5, column - 4 : column + 5].reshape(-1, 3).mean(axis=0)
    return int(part.argmax()) if part.max() > 60 else -1


@pytest.mark.parametrize(("axis", "horizontal"), [(0, True), (2, False)], ids=["left-right", "superior-inferior"])
def test_the_picture_shows_the_lobe_where_it_points(axis: int, horizontal: bool) -> None:
    direction = tuple(np.eye(3)[axis])
    fodf = coefficients_of((direction, 1.0)).astype(np.float32)[None, None, None]
    maps = InspectedMaps(OrientationField(np.eye(4), fodf=fodf))
    image = inspector_image(maps, maps.report((0, 0, 0)), (600, 300))
    middle = 0.26
    beside, above = colour_at(image, middle - 0.1, 0.5), colour_at(image, middle, 0.3)
    assert (beside, above) == ((axis, -1) if horizontal else (-1, axis))
    assert image[:, 300:].max() > 200  # the numbers


def test_the_picture_can_be_turned_as_a_slice_view_is() -> None:
    maps = maps_of(np.eye(4))
    report = maps.report((1, 2, 3))
    axial = Plane(np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
    assert (inspector_image(maps, report, plane=axial) != inspector_image(maps, report, plane=CORONAL)).any()


def test_a_view_can_show_one_voxel_after_the_other(vtk_is_content: None) -> None:
    import vtk

    renderer = vtk.vtkRenderer()
    view = InspectorView(renderer)
    maps = maps_of(np.eye(4))
    view.show(maps, maps.report((1, 2, 3)))
    count = renderer.GetViewProps().GetNumberOfItems()
    view.show(maps, maps.report((1, 2, 3)))
    assert renderer.GetViewProps().GetNumberOfItems() == count
    view.show(maps, VoxelReport((0, 0, 0), (0.0, 0.0, 0.0), peaks=(Peak((1.0, 0.0, 0.0), 0.5),)))
    view.clear()
    assert renderer.GetViewProps().GetNumberOfItems() == 0


def test_the_inspector_follows_the_crosshair(scene: Any) -> None:
    maps = maps_of(np.diag([2.0, 2.0, 2.0, 1.0]))
    crosshair = scene.AddNode(slicer.vtkMRMLCrosshairNode())
    told: list[VoxelReport | None] = []
    inspector = CrosshairInspector(crosshair, maps, told.append)
    crosshair.SetCrosshairRAS(2.3, 4.0, 6.0)
    crosshair.SetCrosshairRAS(2.4, 4.0, 6.0)  # the same voxel
    crosshair.SetCrosshairRAS(-50.0, 4.0, 6.0)
    crosshair.SetCrosshairRAS(0.0, 0.0, 0.0)
    assert [report and report.indices for report in told] == [(1, 2, 3), None, (0, 0, 0)]
    inspector.close()
    crosshair.SetCrosshairRAS(2.3, 4.0, 6.0)
    assert len(told) == 3


def test_the_inspector_follows_the_mouse(scene: Any) -> None:
    maps = maps_of(np.diag([2.0, 2.0, 2.0, 1.0]))
    crosshair = scene.AddNode(slicer.vtkMRMLCrosshairNode())
    told: list[VoxelReport | None] = []
    inspector = CrosshairInspector(crosshair, maps, told.append, follow_cursor=True)
    crosshair.SetCursorPositionRAS([2.3, 4.0, 6.0])
    crosshair.SetCursorPositionInvalid()
    assert [report and report.indices for report in told] == [(1, 2, 3), None]
    inspector.close()
