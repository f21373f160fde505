"""A gradient table that is not what the scanner played out."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from . import draws
from .artifact import Acquisition

#: Miscalibration and imaging gradients (Mesri et al., MRM 84, 2020).
LARGEST_BVALUE_ERROR = 0.03
LARGEST_TILT_DEG = 1.0


@dataclass(frozen=True)
class GradientErrors:
    """Errors of the table; the signal stays as it was acquired.

    Attributes:
        bvalue_factors: (N,) what each b-value is multiplied by.
        tilts: (N, 3) vectors, grid frame: each direction is turned about its vector's part across it, by the length
            of that part in degrees.
        flipped_axis: voxel axis whose component has the wrong sign, or None. Never drawn: such a table is wrong as a
            whole, and a task of its own is to notice it.
    """

    bvalue_factors: tuple[float, ...]
    tilts: tuple[draws.Vector, ...]
    flipped_axis: int | None = None

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``."""
        limit = strength * LARGEST_BVALUE_ERROR
        volumes = range(len(acquisition.signal))
        return cls(
            bvalue_factors=tuple(draws.uniform(generator, 1 - limit, 1 + limit) for _ in volumes),
            tilts=tuple(draws.vector(generator, strength * LARGEST_TILT_DEG) for _ in volumes),
        )

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        table = acquisition.gradients
        directions = table.directions
        turned = directions + math.pi / 180 * np.cross(np.array(self.tilts), directions)
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        directions = np.divide(turned, lengths, out=np.zeros_like(turned), where=lengths > 0)
        if self.flipped_axis is not None:
            directions[:, self.flipped_axis] *= -1
        return replace(
            acquisition, gradients=replace(table, bvals=table.bvals * self.bvalue_factors, directions=directions)
        )
