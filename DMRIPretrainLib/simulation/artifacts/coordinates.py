"""Positions of voxels, along the voxel axes (grid frame) and from the centre of the grid."""

from collections.abc import Sequence

import torch


def positions_mm(
    shape: Sequence[int], voxel_size: Sequence[float], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three arrays (X, 1, 1), (1, Y, 1), (1, 1, Z) of mm from the centre of the grid."""
    x, y, z = (
        ((torch.arange(count, device=device) - (count - 1) / 2) * size).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
        for axis, (count, size) in enumerate(zip(shape, voxel_size, strict=True))
    )
    return x, y, z


def relative_positions(shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three arrays (X, 1, 1), (1, Y, 1), (1, 1, Z) from -1 to 1, the outer faces of the grid."""
    return positions_mm(shape, [2 / count for count in shape], device)
