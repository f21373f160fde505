"""Movement of the head between volumes."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from . import draws
from .artifact import Acquisition
from .resample import move_rigidly, rotation_matrices

#: Largest displacement from the reference position: typical of adults who were asked to lie still.
LARGEST_TRANSLATION_MM = 3.0
LARGEST_ROTATION_DEG = 3.0


@dataclass(frozen=True)
class Motion:
    """A rigid movement of the head for each volume.

    A head that is turned together with its gradient direction gives the turned image. So the volumes are turned, and
    the right table for them is the turned one: that of a scan whose volumes are not yet aligned. With the table as
    it was, every direction is wrong by the rotation, as after an alignment that forgets the table (Leemans and
    Jones, MRM 61, 2009).

    Attributes:
        translations: (N, 3) mm along the voxel axes.
        rotations: (N, 3) rotation vectors (axis times angle in degrees) about the centre of the grid, grid frame.
        rotate_directions: whether the table turns with the volumes.
    """

    translations: tuple[draws.Vector, ...]
    rotations: tuple[draws.Vector, ...]
    rotate_directions: bool = True

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the table turns along in every second draw."""
        volumes = range(len(acquisition.signal))
        return cls(
            translations=tuple(draws.vector(generator, strength * LARGEST_TRANSLATION_MM) for _ in volumes),
            rotations=tuple(draws.vector(generator, strength * LARGEST_ROTATION_DEG) for _ in volumes),
            rotate_directions=draws.sign(generator) > 0,
        )

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        if not np.any(self.translations) and not np.any(self.rotations):
            return acquisition
        matrices = rotation_matrices(self.rotations)
        signal = move_rigidly(acquisition.signal, matrices, self.translations, acquisition.voxel_size)
        table = acquisition.gradients
        if self.rotate_directions:
            table = replace(table, directions=np.einsum("nij,nj->ni", matrices.numpy(), table.directions))
        return replace(acquisition, signal=signal, gradients=table)
