"""Real, even spherical harmonics, in one basis everywhere: that of MRtrix3.

The basis is DIPY's ``tournier07`` with ``legacy=False`` (Tournier et al. 2019, NeuroImage 202:116137),
orthonormal up to order 8 here, coefficients in the order (l, m) = (0, 0), (2, -2), ..., (2, 2), (4, -4), ...
Coefficients belong to the frame their directions are in; the functions here do not care which.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def coefficient_count(order: int) -> int:
    """Number of even-order coefficients up to ``order``: 28 for 6, 45 for 8."""
    return (order + 1) * (order + 2) // 2


def order_of(coefficients: int) -> int:
    """The even order that has this many coefficients: 8 for 45.

    Raises:
        ValueError: if there is none.
    """
    order = round((np.sqrt(8 * coefficients + 1) - 3) / 2)
    if order % 2 or coefficient_count(order) != coefficients:
        raise ValueError(f"no even order has {coefficients} coefficients")
    return order


def coefficient_orders(order: int) -> np.ndarray:
    """(K,) the order l of every coefficient up to ``order``."""
    return np.concatenate([np.full(2 * degree + 1, degree) for degree in range(0, order + 1, 2)])


def evaluation_matrix(directions: np.ndarray, order: int) -> np.ndarray:
    """Values of every basis function in every direction.

    Args:
        directions: (N, 3) unit vectors.
        order: largest even order.

    Returns:
        (N, K) matrix ``B``: ``B @ coefficients`` are the values of the function in the directions.
    """
    from dipy.core.geometry import cart2sphere
    from dipy.reconst.shm import real_sh_tournier

    _, theta, phi = cart2sphere(*np.asarray(directions, dtype=float).T)
    matrix, _, _ = real_sh_tournier(order, theta, phi, full_basis=False, legacy=False)
    return matrix


def evaluate(directions: "torch.Tensor", order: int) -> "torch.Tensor":
    """The same as :func:`evaluation_matrix` in torch, fast and on any device.

    On the sphere the even harmonics up to ``order`` span the polynomials that are homogeneous of that degree.

    Args:
        directions: (N, 3) unit vectors.
        order: largest even order.

    Returns:
        (N, K) matrix in the precision of the directions and on their device.
    """
    import torch

    # Components side by side in memory: many times faster.
    components = directions.T.contiguous()
    powers = [torch.ones_like(components)]
    for _ in range(order):
        powers.append(powers[-1] * components)
    monomials = [powers[a][0] * powers[b][1] * powers[c][2] for a, b, c in _exponents(order)]
    change = torch.as_tensor(_monomials_to_harmonics(order), dtype=directions.dtype, device=directions.device)
    return torch.stack(monomials).T @ change


def _exponents(degree: int) -> list[tuple[int, int, int]]:
    return [(a, b, degree - a - b) for a in range(degree + 1) for b in range(degree + 1 - a)]


@cache
def _monomials_to_harmonics(order: int) -> np.ndarray:
    directions = hemisphere()
    monomials = np.stack([np.prod(directions**e, axis=1) for e in np.array(_exponents(order))], axis=1)
    return np.linalg.lstsq(monomials, evaluation_matrix(directions, order), rcond=None)[0]


def rotation_matrix(rotation: np.ndarray, order: int) -> np.ndarray:
    """How coefficients change when the function is rotated or reflected.

    Args:
        rotation: (3, 3) orthogonal matrix that moves directions: ``new = rotation @ old``.
        order: largest even order.

    Returns:
        (K, K) orthogonal, block-diagonal matrix ``D``: ``D @ coefficients`` describes the moved
        function. Found by least squares on an even sampling, exact to rounding.
    """
    directions = hemisphere()
    moved = evaluation_matrix(directions @ np.asarray(rotation, dtype=float), order)
    matrix = np.linalg.lstsq(evaluation_matrix(directions, order), moved, rcond=None)[0]
    orders = coefficient_orders(order)
    return np.where(orders[:, None] == orders[None, :], matrix, 0.0)


@cache
def hemisphere(name: str = "repulsion724") -> np.ndarray:
    """Even directions, one of each antipodal pair of a sphere of DIPY's.

    Args:
        name: ``repulsion724`` for 362 directions, ``symmetric362`` for 181, ``repulsion200`` for 100.

    Returns:
        (D, 3) unit vectors.
    """
    from dipy.data import get_sphere

    vertices = get_sphere(name=name).vertices
    keep = np.lexsort((vertices[:, 0], vertices[:, 1], vertices[:, 2]))[::-1][: len(vertices) // 2]
    return vertices[np.sort(keep)]
