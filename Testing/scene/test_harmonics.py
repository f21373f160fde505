"""Harmonics with NumPy alone against those of the library, and the spheres they are evaluated on."""

import numpy as np
import pytest

from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scene.harmonics import order_of, slope_matrix, value_matrix
from DMRIPretrainLib.scene.icosphere import icosphere


def directions(count: int = 200) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, 3))
    vectors[:3] = [[0, 0, 1], [0, 0, -1], [1, 0, 0]]  # the poles are where angles fail
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("order", [0, 2, 8, 12])
def test_values_are_those_of_the_library(order: int) -> None:
    np.testing.assert_allclose(value_matrix(directions(), order), evaluation_matrix(directions(), order), atol=1e-12)


def test_slopes_are_those_along_great_circles() -> None:
    points = directions()
    axes = directions(400)[200:]
    tangents = np.cross(points, axes)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    slopes = slope_matrix(points, 8)
    np.testing.assert_allclose(np.einsum("nc,nck->nk", points, slopes), 0, atol=1e-9)
    ahead, behind = (np.cos(0.01) * points + sign * np.sin(0.01) * tangents for sign in (1, -1))
    differences = (evaluation_matrix(ahead, 8) - evaluation_matrix(behind, 8)) / 0.02
    np.testing.assert_allclose(np.einsum("nc,nck->nk", tangents, slopes), differences, atol=0.02)


def test_the_order_is_told_from_the_number_of_coefficients() -> None:
    assert [order_of(count) for count in (1, 6, 15, 28, 45)] == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="no even order"):
        order_of(9)


@pytest.mark.parametrize(("level", "count"), [(0, 12), (1, 42), (2, 162), (3, 642), (4, 2562)])
def test_spheres_are_closed_even_and_symmetric(level: int, count: int) -> None:
    points, triangles = icosphere(level)
    assert points.shape == (count, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there, back = ({tuple(edge) for edge in array.tolist()} for array in (edges, edges[:, ::-1]))
    assert there == back and len(there) == len(edges)  # each edge once in either direction: closed, one orientation
    assert (np.linalg.det(points[triangles]) > 0).all()  # counter-clockwise from outside
    cosines = points @ points.T
    np.testing.assert_allclose(cosines.min(axis=1), -1, atol=1e-12)  # each has its opposite
    areas = np.linalg.norm(np.cross(*(np.diff(points[triangles], axis=1).transpose(1, 0, 2))), axis=1)
    assert areas.max() / areas.min() < 2
