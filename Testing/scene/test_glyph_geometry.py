"""Where the ends of sticks lie, in 3D and in slice views, whatever the orientation of the voxels."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slicer.util

from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scene.geometry import world_affine
from DMRIPretrainLib.scene.glyph_display import GlyphDisplay, plane_of
from DMRIPretrainLib.scene.glyph_node import add_glyph_node
from DMRIPretrainLib.scene.glyph_settings import GlyphScale, GlyphSettings, PeakSettings, ShownIn3D
from DMRIPretrainLib.scene.vector_volumes import add_vector_volume, values_of

from .glyph_helpers import SHAPE, drawn_lines, expected_ends, make_affine, random_peaks, same_segments

#: All peaks of all voxels at once, each stick as long as the shortest edge.
EVERYTHING = GlyphSettings(
    in_3d=ShownIn3D.VOLUME, slab=1000.0, peaks=PeakSettings(scale=GlyphScale.UNITY, lower=0.0, length=1.0)
)
ORIENTATIONS = [(index, oblique) for index in range(48) for oblique in (False, True)]


@pytest.fixture
def views(application: Any) -> Iterator[dict[str, Any]]:
    views = {name: application.slice_view(name) for name in ("Red", "Yellow", "Green")}
    views["Red"].node.SetFieldOfView(80, 80, 1)
    return views | {"3D": application.three_d_view()}


@pytest.mark.parametrize("oblique", [False, True], ids=["along the axes", "oblique"])
def test_ends_are_right_in_all_orientations_of_the_voxels(
    application: Any, views: dict[str, Any], oblique: bool
) -> None:
    for seed, symmetry in enumerate(cube_symmetries()):
        affine = make_affine(symmetry, seed, oblique=oblique)
        peaks = random_peaks(seed)
        edge = np.linalg.norm(affine[:3, :3], axis=0).min()
        expected = expected_ends(affine, peaks, edge / 2)
        volume = add_vector_volume(application.scene, peaks, affine, "peaks")
        display = GlyphDisplay(add_glyph_node(application.scene, peaks=volume, settings=EVERYTHING))
        assert same_segments(drawn_lines(views["3D"]), expected, 0.01 * edge), f"3D, orientation {seed}"
        for name in ("Red", "Yellow", "Green"):
            to_pixels = np.linalg.inv(slicer.util.arrayFromVTKMatrix(views[name].node.GetXYToRAS()))
            pixels_per_mm = np.linalg.norm(to_pixels[:3, :3], axis=0).max()
            on_screen = expected @ to_pixels[:2, :3].T + to_pixels[:2, 3]
            found = drawn_lines(views[name])[..., :2]
            assert same_segments(found, on_screen, 0.01 * edge * pixels_per_mm), f"{name}, orientation {seed}"
        display.close()


@pytest.mark.parametrize("turn", [0.0, 25.0, 50.0])
def test_a_slice_shows_the_voxels_within_half_a_slab(application: Any, turn: float) -> None:
    view = application.slice_view("Red")
    affine = make_affine(np.eye(3), 1, oblique=True)
    shape = (20, 22, 24)
    centre = (affine @ [10, 11, 12, 1])[:3]
    view.centre_on(centre)
    angle = np.radians(turn)
    matrix = view.node.GetSliceToRAS()
    for row, value in enumerate(([-1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)])):
        for column in range(3):
            matrix.SetElement(row, column, value[column])
    view.node.UpdateMatrices()
    volume = add_vector_volume(application.scene, random_peaks(0, shape, 1), affine, "peaks")
    settings = replace(EVERYTHING, slab=5.0)
    display = GlyphDisplay(add_glyph_node(application.scene, peaks=volume, settings=settings))
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    depth = (indices @ affine[:3, :3].T + affine[:3, 3] - centre) @ plane_of(view.node).towards_viewer
    assert len(drawn_lines(view)) == (np.abs(depth) <= 2.5).sum() > 100
    display.close()


def test_one_layer_has_one_voxel_a_column_wherever_the_plane_lies(application: Any) -> None:
    view = application.slice_view("Red")
    volume = add_vector_volume(application.scene, random_peaks(0, (8, 9, 10), 1), np.diag([2, 2, 2, 1.0]), "peaks")
    display = GlyphDisplay(
        add_glyph_node(application.scene, peaks=volume, settings=replace(EVERYTHING, slab=0.0, in_3d=ShownIn3D.NOTHING))
    )
    for offset in np.arange(0, 18, 0.25):  # among them halfway between two layers
        view.node.SetSliceOffset(offset)
        assert len(drawn_lines(view)) == 72, offset
    display.close()


def test_volumes_come_back_from_nodes_as_they_were(scene: Any) -> None:
    for seed, symmetry in enumerate(cube_symmetries()):
        affine = make_affine(symmetry, seed, oblique=bool(seed % 2))
        peaks = random_peaks(seed)
        node = add_vector_volume(scene, peaks, affine, "peaks")
        np.testing.assert_array_equal(values_of(node).reshape(*SHAPE, 3, 3), peaks)
        np.testing.assert_allclose(world_affine(node), affine, atol=1e-9)
