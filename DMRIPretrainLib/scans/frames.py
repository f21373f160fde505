"""Coordinate frames of directions, and the conversions between them.

Four frames occur, and every array of directions in the library states which one it is in:

world
    RAS, mm: x to the right, y anterior, z superior. What ``Scan`` and ``GradientTable`` hold.
grid
    Along the voxel axes i, j, k of one image. What a convolution sees.
FSL
    Grid, with the first component negated when the affine has a positive determinant: what
    ``bvec`` files hold (https://fsl.fmrib.ox.ac.uk/fsl/docs/#/diffusion/faq; BIDS 1.10, "Diffusion").
measurement frame
    What NRRD gradients are in; the header maps it to the space of the file, LPS or RAS.
"""

import itertools

import numpy as np


def grid_to_world_rotation(affine: np.ndarray) -> np.ndarray:
    """Orthogonal matrix that turns directions along the voxel axes into world directions.

    Args:
        affine: (4, 4) voxel indices to RAS mm.

    Returns:
        (3, 3) matrix ``Q`` with ``world = Q @ grid``; its determinant has the sign of the affine's.
        For affines without shear its columns are the normalised columns of the affine; with shear
        they are the nearest orthogonal ones (polar decomposition, Higham 1986).

    Raises:
        ValueError: if the affine is singular or not finite.
    """
    linear = np.asarray(affine, dtype=float)[:3, :3]
    if not np.all(np.isfinite(linear)) or abs(np.linalg.det(linear)) < 1e-12:
        raise ValueError("the affine is singular")
    columns = linear / np.linalg.norm(linear, axis=0)
    left, _, right = np.linalg.svd(columns)
    return left @ right


def fsl_to_world(vectors: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turn (N, 3) vectors of a ``bvec`` file into the world frame."""
    return (np.asarray(vectors, dtype=float) * _fsl_signs(affine)) @ grid_to_world_rotation(affine).T


def world_to_fsl(vectors: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turn (N, 3) world vectors into those of a ``bvec`` file for an image with this affine."""
    return (np.asarray(vectors, dtype=float) @ grid_to_world_rotation(affine)) * _fsl_signs(affine)


def _fsl_signs(affine: np.ndarray) -> np.ndarray:
    flip = np.linalg.det(np.asarray(affine, dtype=float)[:3, :3]) > 0
    return np.array([-1.0 if flip else 1.0, 1.0, 1.0])


def cube_symmetries() -> list[np.ndarray]:
    """The 48 signed permutation matrices (3, 3), the identity first."""
    matrices = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            matrices.append(matrix)
    return matrices
