"""Sticks: which peaks are drawn, how long, in which colours; cones."""

from dataclasses import replace

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

from DMRIPretrainLib.scene.glyph_colours import PEAK_COLOURS, direction_colours, uncertainty_colours
from DMRIPretrainLib.scene.glyph_settings import GlyphScale, PeakColour, PeakSettings
from DMRIPretrainLib.scene.orientation_field import OrientationField
from DMRIPretrainLib.scene.peak_glyphs import peak_lines, peak_tubes
from DMRIPretrainLib.scene.polydata import colours_of, points_of

from .glyph_helpers import random_peaks

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
UNITY = PeakSettings(scale=GlyphScale.UNITY, length=1.0, lower=0.0)


def one_voxel(*peaks: tuple[float, float, float], uncertainty: float | None = None) -> OrientationField:
    """A field of a single voxel."""
    array = np.array(peaks, dtype=np.float32).reshape(1, 1, 1, len(peaks), 3)
    return OrientationField(
        AFFINE, array, uncertainty=None if uncertainty is None else np.full((1, 1, 1), uncertainty, dtype=np.float32)
    )


def lengths(field: OrientationField, settings: PeakSettings, subsampling: int = 1) -> np.ndarray:
    ends = points_of(peak_lines(field, all_voxels(field), settings, subsampling)).reshape(-1, 2, 3)
    return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)


def all_voxels(field: OrientationField) -> np.ndarray:
    return np.argwhere(np.ones(field.shape, dtype=bool))


def test_colours_are_those_of_the_direction_in_the_world() -> None:
    colours = direction_colours(np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1], [0.6, 0, -0.8]]))
    assert (colours.argmax(axis=1) == [0, 1, 2, 2]).all()
    assert (colours.max(axis=1)[:3] == 255).all()
    mesh = peak_lines(one_voxel((0, 0.5, 0)), np.zeros((1, 3), int), UNITY)
    assert colours_of(mesh).tolist() == [[38, 255, 38]] * 2


def test_length_is_the_shortest_edge_at_unity_and_grows_with_subsampling() -> None:
    field = one_voxel((0.3, 0, 0), (0, 0.9, 0))
    np.testing.assert_allclose(lengths(field, UNITY), [2, 2])
    np.testing.assert_allclose(lengths(field, replace(UNITY, length=0.5), subsampling=4), [4, 4])


def test_length_follows_the_amplitude_up_to_a_high_one_of_the_volume() -> None:
    peaks = np.zeros((40, 1, 1, 1, 3), dtype=np.float32)
    peaks[:, 0, 0, 0, 2] = 0.5
    peaks[0, 0, 0, 0, 2], peaks[1, 0, 0, 0, 2] = 0.25, 5.0
    field = OrientationField(AFFINE, peaks)
    found = lengths(field, replace(UNITY, scale=GlyphScale.AMPLITUDE))
    np.testing.assert_allclose(found[:3], [1.0, 2.0, 2.0])


def test_thresholds_hide_peaks_at_or_below_and_above() -> None:
    field = one_voxel((0.9, 0, 0), (0, 0.5, 0), (0, 0, 0.25))
    settings = replace(UNITY, lower=0.25, upper=0.5)
    mesh = peak_lines(field, np.zeros((1, 3), int), settings)
    assert mesh.GetNumberOfLines() == 1
    assert colours_of(mesh)[0].argmax() == 1
    assert peak_lines(field, np.zeros((1, 3), int), replace(UNITY, most=2)).GetNumberOfLines() == 2


def test_voxels_outside_the_mask_and_peaks_that_are_not_there_are_left_out() -> None:
    peaks = random_peaks(0, (4, 4, 4), 3)
    peaks[0, 0, 0, 1:] = 0
    peaks[1, 0, 0, 1] = np.nan
    mask = np.zeros((4, 4, 4), dtype=np.uint8)
    mask[:2, 0, 0] = 7
    field = OrientationField(AFFINE, peaks, mask=mask)
    assert peak_lines(field, all_voxels(field), UNITY).GetNumberOfLines() == 1 + 2


def test_peaks_and_uncertainty_have_colours_of_their_own() -> None:
    field = one_voxel((0.9, 0, 0), (0, 0.5, 0), uncertainty=15.0)
    by_peak = colours_of(peak_lines(field, np.zeros((1, 3), int), replace(UNITY, colour=PeakColour.PEAK)))
    assert (by_peak[::2] == PEAK_COLOURS[:2]).all()
    by_angle = colours_of(peak_lines(field, np.zeros((1, 3), int), replace(UNITY, colour=PeakColour.UNCERTAINTY)))
    assert (by_angle == uncertainty_colours(np.array([15.0]))).all()
    sure, unsure = uncertainty_colours(np.array([0.0, 30.0]))
    assert sure.argmax() == 2 and unsure.argmax() == 0
    assert (uncertainty_colours(np.array([90.0])) == unsure).all()


@pytest.mark.parametrize("angle", [5.0, 30.0, 60.0])
def test_a_cone_opens_around_the_strongest_peak_by_the_uncertainty(angle: float) -> None:
    direction = np.array([1.0, 2.0, -2.0]) / 3
    field = one_voxel(tuple(direction * 0.8), (0, 0.5, 0), uncertainty=angle)
    mesh = peak_lines(field, np.zeros((1, 3), int), replace(UNITY, cones=True))
    assert mesh.GetNumberOfLines() == 2
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    corners = points_of(mesh)[np.unique(triangles)].astype(float)
    rim = corners[np.linalg.norm(corners, axis=1) > 1e-6]
    np.testing.assert_allclose(np.linalg.norm(rim, axis=1), 1.0, rtol=1e-5)  # half the stick
    opening = np.degrees(np.arccos(np.abs(rim @ direction).clip(0, 1)))
    np.testing.assert_allclose(opening, angle, atol=0.01)
    assert (rim @ direction > 0).sum() == (rim @ direction < 0).sum() > 8  # on both sides
    alpha = colours_of(mesh)[:, 3]
    assert (alpha[:4] == 255).all() and (alpha[4:] < 128).all()


def test_tubes_have_the_radius_colours_and_light_and_keep_cones() -> None:
    field = one_voxel((0.9, 0, 0), uncertainty=20.0)
    lines = peak_lines(field, np.zeros((1, 3), int), replace(UNITY, cones=True))
    tubes = peak_tubes(lines, 0.2)
    points = points_of(tubes)
    assert tubes.GetPointData().GetNormals() is not None
    around = np.linalg.norm(points[:, 1:], axis=1)
    assert np.isclose(around, 0.2, atol=1e-4).any() and np.isclose(around, np.sin(np.radians(20)), atol=1e-4).any()
    assert (colours_of(tubes)[:, :3] == [255, 38, 38]).all()
    assert peak_tubes(peak_lines(field, np.zeros((0, 3), int), UNITY), 0.2).GetNumberOfPoints() == 0
