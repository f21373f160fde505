"""Larger voxels: partial volume, thick slices."""

import math
from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition

#: Largest edge of a voxel in the slice, and largest slice thickness, of clinical diffusion scans.
LARGEST_IN_PLANE_MM = 3.0
LARGEST_SLICE_MM = 5.0


@dataclass(frozen=True)
class LowResolution:
    """Acquisition with larger voxels, brought back to the grid by linear interpolation.

    Attributes:
        voxel_size: (3,) mm of the larger voxels. Axes along which they would not be larger are left alone.
    """

    voxel_size: draws.Vector

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; at full strength the larger voxels are squares in the slice."""
        sizes = acquisition.voxel_size
        pixel, thickness = (
            max(sizes[acquisition.read_axis], sizes[acquisition.phase_axis]),
            sizes[acquisition.slice_axis],
        )
        targets = [draws.uniform(generator, pixel, max(pixel, LARGEST_IN_PLANE_MM))] * 3
        targets[acquisition.slice_axis] = draws.uniform(generator, thickness, max(thickness, LARGEST_SLICE_MM))
        x, y, z = (size + strength * (target - size) for size, target in zip(sizes, targets, strict=True))
        return cls((x, y, z))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        signal = acquisition.signal
        for axis, (large, small) in enumerate(zip(self.voxel_size, acquisition.voxel_size, strict=True), start=1):
            if large > small:
                matrix = _there_and_back(signal.shape[axis], large / small).to(signal)
                signal = torch.tensordot(signal, matrix, dims=([axis], [1])).movedim(-1, axis)
        return acquisition.with_signal(signal)


def _there_and_back(count: int, factor: float) -> torch.Tensor:
    """(count, count) matrix: means over voxels ``factor`` times as large, interpolated at the centres of the small."""
    large_count = math.ceil(count / factor)
    faces = (torch.arange(large_count + 1, dtype=torch.float64) - large_count / 2) * factor + count / 2
    voxel = torch.arange(count, dtype=torch.float64)
    overlap = torch.minimum(faces[1:, None], voxel + 1) - torch.maximum(faces[:-1, None], voxel)
    means = overlap.clamp(min=0)
    means /= means.sum(dim=1, keepdim=True)

    place = ((voxel + 0.5 - faces[0]) / factor - 0.5).clamp(0, large_count - 1)  # in large voxels
    back = (1 - (place[:, None] - torch.arange(large_count)).abs()).clamp(min=0)
    return back @ means
