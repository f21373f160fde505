"""Rigid movement of volumes by trilinear interpolation, in mm."""

from collections.abc import Sequence

import torch
from torch.nn.functional import grid_sample

from .coordinates import positions_mm

#: Voxels that are interpolated at once, for the sake of memory: some 2 GB with their coordinates.
VOXELS_AT_ONCE = 2**26


def rotation_matrices(rotations: Sequence[Sequence[float]]) -> torch.Tensor:
    """(M, 3, 3) float64 rotation matrices of M rotation vectors (axis times angle in degrees, right-handed)."""
    vectors = torch.deg2rad(torch.tensor(rotations, dtype=torch.float64).reshape(-1, 3))
    x, y, z = vectors.unbind(dim=1)
    zero = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3))


def move_rigidly(
    volumes: torch.Tensor,
    rotations: torch.Tensor,
    translations: Sequence[Sequence[float]],
    voxel_size: Sequence[float],
) -> torch.Tensor:
    """Move what is in the volumes: from the position p to ``rotation @ p + translation``.

    Positions are in mm from the centre of the grid along its axes (grid frame), so that rotations stay rotations
    where voxels are not cubes. Beyond the edge of the grid its last voxels go on.

    Args:
        volumes: (M, X, Y, Z) signal.
        rotations: (M, 3, 3) rotation matrices, grid frame.
        translations: (M, 3) mm, grid frame.
        voxel_size: (3,) mm.

    Returns:
        (M, X, Y, Z) moved volumes.
    """
    shape, device = volumes.shape[1:], volumes.device
    position = torch.stack(torch.broadcast_tensors(*positions_mm(shape, voxel_size, device)), dim=-1).to(volumes.dtype)
    half_size = torch.tensor([max(n - 1, 1) * size / 2 for n, size in zip(shape, voxel_size, strict=True)])
    rotation = rotations.to(device, volumes.dtype)
    translation = torch.tensor(translations, dtype=volumes.dtype, device=device).reshape(-1, 1, 1, 1, 3)

    def move(part: slice) -> torch.Tensor:
        # The inverse of a rotation is its transpose, which multiplying from the right amounts to.
        origin = torch.einsum("mxyzi,mij->mxyzj", position - translation[part], rotation[part])
        # grid_sample counts from -1 to 1 between the centres of the outer voxels, and the last axis first.
        where = (origin / half_size.to(origin)).flip(-1)
        return grid_sample(volumes[part, None], where, padding_mode="border", align_corners=True)[:, 0]

    step = max(1, VOXELS_AT_ONCE // position[..., 0].numel())
    return torch.cat([move(slice(start, start + step)) for start in range(0, len(volumes), step)] or [volumes])
