"""In what two grids differ, in words."""

import numpy as np

from .grid import axis_codes

#: Differences below these are rounding: mm of a voxel edge, degrees.
_EDGE = 0.01
_ANGLE = 0.5


def describe_difference(
    shape: tuple[int, ...], affine: np.ndarray, expected_shape: tuple[int, ...], expected_affine: np.ndarray
) -> str:
    """What distinguishes a grid from the one that was expected, such as ``10 x 12 x 9 voxels instead of ...``.

    Args:
        shape: (X, Y, Z) in voxels.
        affine: (4, 4) to RAS mm.
        expected_shape: what they should be.
        expected_affine: likewise.
    """
    parts = []
    if tuple(shape) != tuple(expected_shape):
        parts.append(f"{_times(shape)} voxels instead of {_times(expected_shape)}")
    edges, expected_edges = (np.linalg.norm(matrix[:3, :3], axis=0) for matrix in (affine, expected_affine))
    if np.abs(np.sort(edges) - np.sort(expected_edges)).max() > _EDGE:
        parts.append(f"voxels of {_times(edges)} mm instead of {_times(expected_edges)}")
    codes, expected_codes = axis_codes(affine), axis_codes(expected_affine)
    if codes != expected_codes:
        parts.append(f"axes {codes} instead of {expected_codes}")
    angle = _angle_between(affine, expected_affine)
    if angle > _ANGLE:
        parts.append(f"turned by {angle:.1f} degrees")
    offset = _centre(shape, affine) - _centre(expected_shape, expected_affine)
    if np.abs(offset).max() > 0.1 * expected_edges.min():
        right, anterior, superior = np.round(offset, 1) + 0.0  # no negative zeros
        where = f"{right:+.1f} right, {anterior:+.1f} anterior, {superior:+.1f} superior"
        parts.append(f"a centre that is {np.linalg.norm(offset):.1f} mm away ({where})")
    if np.allclose(np.abs(affine[:3, :3]), np.eye(3)) and not np.allclose(expected_edges, 1.0, atol=0.05):
        parts.append("as of a file that has lost its geometry")
    return ", ".join(parts) or "corners that lie elsewhere"


def _angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """Degrees between the nearest axes of two grids."""
    cosines = np.abs((first[:3, :3] / np.linalg.norm(first[:3, :3], axis=0)).T @ second[:3, :3])
    cosines /= np.linalg.norm(second[:3, :3], axis=0)
    return float(np.rad2deg(np.arccos(np.clip(cosines.max(axis=0).min(), 0.0, 1.0))))


def _centre(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ ((np.asarray(shape[:3]) - 1) / 2) + affine[:3, 3]


def _times(values: tuple[int, ...] | np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
