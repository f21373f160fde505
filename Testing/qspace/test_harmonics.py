import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from DMRIPretrainLib.qspace.harmonics import (
    coefficient_count,
    coefficient_orders,
    evaluate,
    evaluation_matrix,
    hemisphere,
    rotation_matrix,
)
from DMRIPretrainLib.scans.frames import cube_symmetries


def mrtrix_basis(directions: np.ndarray, order: int) -> np.ndarray:
    """The definition in the MRtrix3 documentation, "Spherical harmonics": l(l+1)/2 + m is the column of (l, m)."""
    polar, azimuth = np.arccos(directions[:, 2]), np.arctan2(directions[:, 1], directions[:, 0])
    columns = []
    for degree in range(0, order + 1, 2):
        for m in range(-degree, degree + 1):
            complex_value = sph_harm_y(degree, abs(m), polar, azimuth)
            if m < 0:
                columns.append(np.sqrt(2) * complex_value.imag)
            elif m == 0:
                columns.append(complex_value.real)
            else:
                columns.append(np.sqrt(2) * complex_value.real)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("order", [0, 2, 6, 8])
def test_basis_is_that_of_mrtrix(random_directions, order):
    directions = random_directions(50)
    np.testing.assert_allclose(evaluation_matrix(directions, order), mrtrix_basis(directions, order), atol=1e-12)


def test_basis_at_order_two_in_closed_form():
    """Cartesian expressions, with the sign of MRtrix3's associated Legendre functions (Condon-Shortley)."""
    x, y, z = direction = np.array([0.36, -0.48, 0.8])
    quarter, half = 0.25 * np.sqrt(15 / np.pi), 0.5 * np.sqrt(15 / np.pi)
    expected = [
        0.5 / np.sqrt(np.pi),
        half * x * y,
        -half * y * z,
        0.25 * np.sqrt(5 / np.pi) * (3 * z * z - 1),
        -half * x * z,
        quarter * (x * x - y * y),
    ]
    np.testing.assert_allclose(evaluation_matrix(direction[None], 2)[0], expected, atol=1e-12)


def test_basis_is_orthonormal():
    cosine, weights = np.polynomial.legendre.leggauss(12)
    azimuth = 2 * np.pi * np.arange(24) / 24
    sine = np.sqrt(1 - cosine**2)
    points = np.stack(
        [np.outer(sine, np.cos(azimuth)), np.outer(sine, np.sin(azimuth)), np.outer(cosine, np.ones(24))], axis=-1
    ).reshape(-1, 3)
    values = evaluation_matrix(points, 8)
    gram = values.T @ (values * np.repeat(weights * 2 * np.pi / 24, 24)[:, None])
    np.testing.assert_allclose(gram, np.eye(45), atol=1e-12)


def test_numbers_of_coefficients():
    assert [coefficient_count(order) for order in (0, 2, 4, 6, 8)] == [1, 6, 15, 28, 45]
    assert coefficient_orders(4).tolist() == [0] + 5 * [2] + 9 * [4]


def test_rotated_coefficients_describe_the_moved_function(random_directions, oblique):
    coefficients = np.random.default_rng(1).normal(size=45)
    directions = random_directions(40)
    expected = evaluation_matrix(directions, 8) @ coefficients
    for matrix in (oblique, -oblique, oblique @ np.diag([1.0, 1.0, -1.0]), *cube_symmetries()):
        moved = rotation_matrix(matrix, 8) @ coefficients
        values = evaluation_matrix(directions @ matrix.T, 8) @ moved
        np.testing.assert_allclose(values, expected, atol=1e-10)


def test_rotation_matrix_is_orthogonal_and_composes(oblique):
    other = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    first, second = rotation_matrix(oblique, 8), rotation_matrix(other, 8)
    np.testing.assert_allclose(first @ first.T, np.eye(45), atol=1e-10)
    np.testing.assert_allclose(rotation_matrix(other @ oblique, 8), second @ first, atol=1e-10)
    np.testing.assert_allclose(rotation_matrix(-np.eye(3), 8), np.eye(45), atol=1e-10)


def test_hemisphere_covers_every_axis_once(random_directions):
    directions = hemisphere()
    assert directions.shape == (362, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    between = np.abs(directions @ directions.T) - 2 * np.eye(362)
    assert np.degrees(np.arccos(between.max())) > 4
    nearest = np.abs(random_directions(2000) @ directions.T).max(axis=1)
    assert np.degrees(np.arccos(nearest.min())) < 6


@pytest.mark.parametrize("order", [0, 2, 4, 6, 8])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_fast_evaluation_is_the_same(random_directions, order, dtype, error):
    directions = np.concatenate([random_directions(200), np.eye(3), -np.eye(3)])
    found = evaluate(torch.tensor(directions, dtype=dtype), order)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, evaluation_matrix(directions, order), atol=error)
    assert evaluate(torch.zeros(0, 3), order).shape == (0, coefficient_count(order))
