"""Some voxels of a patch, to learn in: neighbours tell much the same, and heads work voxel by voxel.

Needs no PyTorch by itself, since memory is estimated without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Share of the voxels of a patch, and their number at least and at most, that heads learn in.
_SHARE, _FEWEST, _MOST = 0.25, 2048, 8192


def learned_voxels(size: int) -> int:
    """How many voxels heads learn in, of a patch of ``size`` voxels."""
    return int(min(max(_SHARE * size, _FEWEST), _MOST))


def at_voxels(volume: "torch.Tensor", voxels: "torch.Tensor") -> "torch.Tensor":
    """(B, C, V, 1, 1) channels at (B, V) flat voxels of a (B, C, X, Y, Z) volume."""
    flat = volume.flatten(2)
    return flat.gather(2, voxels[:, None].expand(-1, flat.shape[1], -1))[..., None, None]
