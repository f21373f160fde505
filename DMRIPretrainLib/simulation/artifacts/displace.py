"""Displacement of signal along the phase-encoding axis, as a wrong magnetic field causes it in EPI."""

import torch

#: A voxel that is squeezed to nothing keeps this width (in voxels), so that its signal stays finite.
_NARROWEST = 1e-3


def displace(signal: torch.Tensor, displacement: torch.Tensor, axis: int) -> torch.Tensor:
    """Move the signal of every voxel along an axis and spread it over where its two faces come to lie.

    Echo-planar imaging puts spins where their frequency says, so the sum of the signal along the axis is kept:
    what is stretched becomes darker, what is compressed brighter by the Jacobian |1 + d'| (Jezzard and Balaban, MRM
    34, 1995; Andersson et al., NeuroImage 20, 2003), and signal of several places may come to lie in one, which no
    interpolation of the image alone can show. What leaves the grid is lost.

    Args:
        signal: (N, X, Y, Z).
        displacement: (N, X, Y, Z), or (1, X, Y, Z) for all volumes alike; voxels along ``axis``, at the place from
            which the signal comes.
        axis: voxel axis, 0 to 2.

    Returns:
        (N, X, Y, Z) displaced signal.
    """
    source, shift = signal.movedim(axis + 1, -1), displacement.movedim(axis + 1, -1)
    count = source.shape[-1]
    inner = (shift[..., 1:] + shift[..., :-1]) / 2
    faces = torch.cat([shift[..., :1], inner, shift[..., -1:]], dim=-1)
    faces = faces + torch.arange(count + 1, device=signal.device, dtype=signal.dtype)
    low = torch.minimum(faces[..., 1:], faces[..., :-1])
    high = torch.maximum(torch.maximum(faces[..., 1:], faces[..., :-1]), low + _NARROWEST)
    density = source / (high - low)

    first = low.floor()
    result = source.new_zeros(*source.shape[:-1], count + 2)  # the first and last take what leaves the grid
    for step in range(int((high.floor() - first).max()) + 1):
        voxel = first + step
        overlap = (torch.minimum(high, voxel + 1) - torch.maximum(low, voxel)).clamp(min=0)
        index = (voxel.clamp(-1, count) + 1).long().expand_as(source)
        result.scatter_add_(-1, index, density * overlap)
    return result[..., 1:-1].movedim(-1, axis + 1)
