"""fODF glyphs: shapes, colours, light, and what hides what in a slice view."""

from dataclasses import replace

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

from DMRIPretrainLib.qspace.harmonics import evaluation_matrix, rotation_matrix
from DMRIPretrainLib.scene.fodf_glyphs import detail_of, fodf_meshes
from DMRIPretrainLib.scene.glyph_settings import FodfSettings, GlyphScale
from DMRIPretrainLib.scene.icosphere import icosphere
from DMRIPretrainLib.scene.orientation_field import OrientationField
from DMRIPretrainLib.scene.polydata import colours_of, points_of
from DMRIPretrainLib.scene.slab import Plane

from .glyph_helpers import make_affine, random_rotation

UNITY = FodfSettings(scale=GlyphScale.UNITY, length=1.0, lower=0.0, detail=3)
ORIGIN = np.zeros((1, 3), dtype=int)


def coefficients_of(*fibres: tuple[tuple[float, float, float], float], order: int = 8) -> np.ndarray:
    """(K,) a lobe like cos^8 along each (direction, height)."""
    points, _ = icosphere(3)
    values = sum(height * (points @ np.array(d) / np.linalg.norm(d)) ** 8 for d, height in fibres)
    return np.linalg.lstsq(evaluation_matrix(points, order), values, rcond=None)[0]


def field_of(coefficients: np.ndarray, affine: np.ndarray | None = None) -> OrientationField:
    fodf = coefficients.astype(np.float32)[None, None, None]
    return OrientationField(np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine, fodf=fodf)


@pytest.mark.parametrize("seed", range(6))
def test_surfaces_are_the_function_around_the_voxel_whatever_the_affine(seed: int) -> None:
    generator = np.random.default_rng(seed)
    affine = make_affine(random_rotation(generator), seed, oblique=True)
    coefficients = coefficients_of((tuple(generator.normal(size=3)), 1.0), (tuple(generator.normal(size=3)), 0.6))
    fodf = np.zeros((2, 2, 2, 45), dtype=np.float32)
    fodf[1, 0, 1] = coefficients
    mesh = fodf_meshes(OrientationField(affine, fodf=fodf), np.array([[1, 0, 1]]), UNITY)
    offsets = points_of(mesh) - (affine @ [1, 0, 1, 1])[:3]
    radii = np.linalg.norm(offsets, axis=1)
    directions = offsets[radii > 1e-3] / radii[radii > 1e-3, None]
    values = evaluation_matrix(directions, 8) @ coefficients
    edge = np.linalg.norm(affine[:3, :3], axis=0).min()
    np.testing.assert_allclose(radii.max(), edge / 2, rtol=1e-4)
    np.testing.assert_allclose(radii[radii > 1e-3] / radii.max(), values / values.max(), atol=2e-3)


def test_the_volume_may_be_turned_after_it_was_made() -> None:
    rotation = random_rotation(np.random.default_rng(3))
    coefficients = coefficients_of(((1, 0, 0), 1.0), ((0, 1, 1), 0.5))
    turned = field_of(rotation_matrix(rotation, 8) @ coefficients)
    moved = replace(field_of(coefficients), rotation=rotation)
    first, second = (fodf_meshes(field, ORIGIN, UNITY) for field in (turned, moved))
    np.testing.assert_allclose(points_of(first), points_of(second), atol=1e-4)
    normals = [vtk_to_numpy(mesh.GetPointData().GetNormals()) for mesh in (first, second)]
    large = np.linalg.norm(points_of(first), axis=1) > 0.05
    np.testing.assert_allclose(normals[0][large], normals[1][large], atol=5e-3)


def test_normals_are_those_of_the_triangles() -> None:
    mesh = fodf_meshes(field_of(coefficients_of(((1, 0, 0), 1.0), ((0, 1, 1), 0.6))), ORIGIN, replace(UNITY, detail=4))
    points = points_of(mesh)
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    corners = points[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True).clip(1e-12)
    normals = vtk_to_numpy(mesh.GetPointData().GetNormals())
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-5)
    outside = np.linalg.norm(corners, axis=2).min(axis=1) > 0.3  # near the centre triangles are needles
    cosines = np.einsum("tc,tnc->tn", faces[outside], normals[triangles[outside]])
    assert outside.sum() > 500
    assert cosines.min() > 0.9


def test_negative_lobes_are_hidden_or_grey() -> None:
    points, _ = icosphere(3)
    values = points[:, 2] ** 2 - 0.3  # negative around the equator
    coefficients = np.linalg.lstsq(evaluation_matrix(points, 8), values, rcond=None)[0]
    equator = np.abs(points[:, 2]) < 0.1
    hidden = fodf_meshes(field_of(coefficients), ORIGIN, UNITY)
    np.testing.assert_allclose(points_of(hidden)[equator], 0, atol=1e-6)
    shown = fodf_meshes(field_of(coefficients), ORIGIN, replace(UNITY, hide_negative=False))
    assert (np.linalg.norm(points_of(shown)[equator], axis=1) > 0.3).all()
    colours = colours_of(shown)[equator]
    assert (colours == colours[:, :1]).all()


def test_min_max_scaling_takes_the_smallest_value_away() -> None:
    coefficients = coefficients_of(((1, 0, 0), 1.0))
    coefficients[0] += 2.0  # a ball around the lobe
    radii, sharp = (
        np.linalg.norm(points_of(fodf_meshes(field_of(coefficients), ORIGIN, settings)), axis=1)
        for settings in (UNITY, replace(UNITY, min_max=True))
    )
    assert radii.min() / radii.max() > 0.2
    assert sharp.min() < 1e-3
    np.testing.assert_allclose(sharp.max(), radii.max(), rtol=1e-5)


def test_low_fodfs_and_empty_voxels_are_left_out_and_size_follows_the_amplitude() -> None:
    fodf = np.zeros((30, 1, 1, 45), dtype=np.float32)
    fodf[1:] = coefficients_of(((0, 0, 1), 0.5))
    fodf[1] *= 0.5
    fodf[2] *= 0.1
    field = OrientationField(np.diag([2.0, 2.0, 2.0, 1.0]), fodf=fodf)
    settings = replace(UNITY, scale=GlyphScale.AMPLITUDE, lower=0.1, detail=2)
    mesh = fodf_meshes(field, np.argwhere(np.ones((30, 1, 1))), settings)
    glyphs = points_of(mesh).reshape(-1, 162, 3)
    assert len(glyphs) == 28
    heights = np.ptp(glyphs[..., 2], axis=1)
    np.testing.assert_allclose(heights[0] / heights[1], 0.5, rtol=1e-3)
    np.testing.assert_allclose(heights[1], 2.0, rtol=0.02)


def test_detail_falls_with_the_number_of_glyphs() -> None:
    assert [detail_of(count) for count in (1, 128, 500, 2000)] == [4, 4, 3, 2]


def test_in_a_slice_view_nearer_surfaces_are_painted_later() -> None:
    # Depth along the line of sight, found by brute force: the last triangle over a pixel must be the nearest.
    plane = Plane(np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
    field = field_of(coefficients_of(((1, 0, 1.2), 1.0), ((0.3, 1, -0.5), 0.8)))
    mesh = fodf_meshes(field, ORIGIN, UNITY, facing=plane)
    corners = points_of(mesh)[vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)].astype(float)
    flat = np.stack([corners @ plane.right, corners @ plane.up], axis=-1)
    depth = corners @ plane.towards_viewer
    checked = 0
    for point in np.random.default_rng(0).uniform(-0.8, 0.8, (400, 2)):
        weights = barycentric(flat, point)
        hits = np.flatnonzero((weights > 1e-6).all(axis=1))
        if len(hits) > 1:
            depths = np.einsum("tn,tn->t", weights[hits], depth[hits])
            assert depths[-1] > depths.max() - 0.02
            checked += 1
    assert checked > 40


def barycentric(triangles: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(T, 3) weights of a (2,) point in (T, 3, 2) triangles."""
    a, b, c = (triangles[:, i] - point for i in range(3))
    areas = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    total = areas.sum(axis=1, keepdims=True)
    return areas / np.where(np.abs(total) < 1e-12, np.inf, total)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def test_in_a_slice_view_surfaces_that_face_the_viewer_are_bright() -> None:
    plane = Plane(np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
    ball = np.zeros(45)
    ball[0] = 1.0
    mesh = fodf_meshes(field_of(ball), ORIGIN, UNITY, facing=plane)
    brightness = colours_of(mesh).sum(axis=1).astype(float)
    unlit = colours_of(fodf_meshes(field_of(ball), ORIGIN, UNITY)).sum(axis=1)
    towards = icosphere(3)[0] @ plane.towards_viewer
    ratio = brightness / unlit
    assert ratio[towards > 0.9].min() > 0.8
    assert ratio[towards < -0.9].max() < 0.5
