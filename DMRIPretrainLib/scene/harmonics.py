"""Values and slopes of spherical harmonics with NumPy alone: Slicer may have none of our dependencies.

The basis is that of ``qspace.harmonics``, MRtrix3's: real, even, orthonormal, coefficients in the order
(l, m) = (0, 0), (2, -2), ..., (2, 2), (4, -4), ... (Tournier et al. 2019, NeuroImage 202:116137).
"""

from math import factorial, pi, sqrt

import numpy as np

#: Step of the difference quotients of ``slope_matrix``, in radians; their error is its square.
_STEP = 1e-4


def order_of(coefficients: int) -> int:
    """The even order that has this many coefficients: 8 for 45.

    Raises:
        ValueError: if there is none.
    """
    order = round((sqrt(8 * coefficients + 1) - 3) / 2)
    if order % 2 or (order + 1) * (order + 2) // 2 != coefficients:
        raise ValueError(f"no even order has {coefficients} coefficients")
    return order


def value_matrix(directions: np.ndarray, order: int) -> np.ndarray:
    """Values of every basis function in every direction.

    Args:
        directions: (N, 3) unit vectors, in the frame of the coefficients.
        order: largest even order.

    Returns:
        (N, K) matrix ``B``: ``B @ coefficients`` are the values of the function in the directions.
    """
    x, y, z = np.asarray(directions, dtype=float).T
    legendre = _legendre(z, order)
    # cos(m phi) sin^m(theta) and sin(m phi) sin^m(theta) are the real and imaginary part of (x + iy)^m.
    powers = [np.ones_like(x, dtype=complex)]
    for _ in range(order):
        powers.append(powers[-1] * (x + 1j * y))
    columns = []
    for degree in range(0, order + 1, 2):
        for m in range(-degree, degree + 1):
            part = powers[abs(m)].imag if m < 0 else powers[m].real
            columns.append((sqrt(2) if m else 1.0) * _norm(degree, abs(m)) * legendre[degree, abs(m)] * part)
    return np.stack(columns, axis=1)


def slope_matrix(directions: np.ndarray, order: int) -> np.ndarray:
    """How every basis function changes along the sphere.

    Args:
        directions: (N, 3) unit vectors, in the frame of the coefficients.
        order: largest even order.

    Returns:
        (N, 3, K) array ``S``: ``S @ coefficients`` are the gradients on the unit sphere, tangent to it.
    """
    directions = np.asarray(directions, dtype=float)
    helper = np.where(np.abs(directions[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(directions, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    slopes = np.zeros((len(directions), 3, (order + 1) * (order + 2) // 2))
    for tangent in (first, np.cross(directions, first)):
        ahead = np.cos(_STEP) * directions + np.sin(_STEP) * tangent
        behind = np.cos(_STEP) * directions - np.sin(_STEP) * tangent
        rate = (value_matrix(ahead, order) - value_matrix(behind, order)) / (2 * np.sin(_STEP))
        slopes += tangent[:, :, None] * rate[:, None, :]
    return slopes


def _norm(degree: int, m: int) -> float:
    return sqrt((2 * degree + 1) / (4 * pi) * factorial(degree - m) / factorial(degree + m))


def _legendre(z: np.ndarray, order: int) -> dict[tuple[int, int], np.ndarray]:
    """Associated Legendre functions, with the phase of Condon and Shortley, over sin^m(theta)."""
    values: dict[tuple[int, int], np.ndarray] = {}
    diagonal = np.ones_like(z)
    for m in range(order + 1):
        values[m, m] = diagonal
        if m < order:
            values[m + 1, m] = (2 * m + 1) * z * diagonal
        for degree in range(m + 2, order + 1):
            above, below = values[degree - 1, m], values[degree - 2, m]
            values[degree, m] = ((2 * degree - 1) * z * above - (degree + m - 1) * below) / (degree - m)
        diagonal = diagonal * -(2 * m + 1)
    return values
