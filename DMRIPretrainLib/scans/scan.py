"""A diffusion scan in memory: signal, geometry, gradient table and mask."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .frames import grid_to_world_rotation
from .gradient_table import GradientTable


@dataclass(frozen=True)
class Scan:
    """A diffusion-weighted scan.

    Attributes:
        signal: (X, Y, Z, N) array of any real type, possibly memory-mapped.
        affine: (4, 4) voxel indices to world (RAS, mm).
        gradients: table of the N volumes, directions in the world frame.
        mask: (X, Y, Z) bool, True in the brain; None where it is not known yet.
        path: file the scan came from, for messages.
    """

    signal: np.ndarray
    affine: np.ndarray
    gradients: GradientTable
    mask: np.ndarray | None = None
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the grid in voxels."""
        x, y, z = self.signal.shape[:3]
        return x, y, z

    @property
    def voxel_size(self) -> np.ndarray:
        """(3,) edge lengths of a voxel in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def grid_gradients(self) -> GradientTable:
        """The gradient table with directions along the voxel axes (grid frame)."""
        return self.gradients.transformed(grid_to_world_rotation(self.affine).T)

    def mean_b0(self) -> np.ndarray:
        """(X, Y, Z) float32 mean of the volumes without diffusion weighting."""
        indices = np.flatnonzero(self.gradients.is_b0)
        total = np.zeros(self.shape, dtype=np.float32)
        for index in indices:
            total += np.asarray(self.signal[..., index], dtype=np.float32)
        return total / max(len(indices), 1)

    def subset(self, indices: np.ndarray) -> "Scan":
        """The scan with the volumes ``indices`` alone."""
        return replace(self, signal=self.signal[..., indices], gradients=self.gradients.subset(indices))
