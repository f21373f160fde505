"""Cut cubes out of volumes, pad and turn them; volumes are (..., X, Y, Z) tensors on any device."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch.nn import functional


@dataclass(frozen=True)
class Cube:
    """A cube around a voxel, moved to lie inside the volume as far as it fits.

    Attributes:
        where: the part of the volume that it covers.
        margins: how many voxels of nothing it has before and behind that part, along each axis.
    """

    where: tuple[slice, ...]
    margins: tuple[tuple[int, int], ...]

    @classmethod
    def around(cls, centre: tuple[int, ...], shape: tuple[int, ...], size: int) -> Self:
        """The cube of an edge of ``size`` voxels around a voxel of a volume of this shape."""
        where, margins = [], []
        for middle, length in zip(centre, shape, strict=True):
            covered = min(size, length)
            start = min(max(middle - covered // 2, 0), length - covered)
            where.append(slice(start, start + covered))
            before = (size - covered) // 2
            margins.append((before, size - covered - before))
        return cls(tuple(where), tuple(margins))

    def cut(self, volume: torch.Tensor) -> torch.Tensor:
        """(..., X, Y, Z) -> (..., P, P, P), a view where nothing is padded."""
        x, y, z = self.where
        return self.pad(volume[..., x, y, z])

    def pad(self, part: torch.Tensor) -> torch.Tensor:
        """The cube from the part that it covers."""
        padding = [margin for pair in reversed(self.margins) for margin in pair]
        return functional.pad(part, padding) if any(padding) else part


def turn_volume(volume: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
    """Move the voxels of (..., X, Y, Z) by a signed permutation matrix; vectors inside stay as they are.

    The voxel at position p relative to the centre comes to lie at ``matrix @ p``.

    Returns:
        A contiguous copy.
    """
    source = np.abs(matrix).argmax(axis=1)
    leading = volume.ndim - 3
    turned = volume.permute(*range(leading), *(leading + source).tolist())
    flipped = [leading + axis for axis in range(3) if matrix[axis, source[axis]] < 0]
    return turned.flip(flipped).contiguous() if flipped else turned.clone(memory_format=torch.contiguous_format)
