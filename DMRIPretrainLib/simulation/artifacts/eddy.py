"""Distortion by the eddy currents of the diffusion gradients."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from . import draws
from .artifact import Acquisition
from .coordinates import positions_mm
from .displace import displace

#: Largest translation, and largest scale or shear, of the most strongly weighted volume: a twice-refocused sequence
#: has tenths of it, a single-refocused one at b = 3000 all of it (Andersson and Sotiropoulos, NeuroImage 125, 2016).
LARGEST_TRANSLATION_MM = 3.0
LARGEST_SLOPE = 0.03


@dataclass(frozen=True)
class EddyCurrents:
    """Translation, scale and shear along the phase-encoding axis (Haselgrove and Moore, MRM 36, 1996).

    The displacement at a position p, in mm from the centre of the grid, is
    (translation + p @ slopes) . g sqrt(b / reference_bvalue): linear in the gradient, whose strength goes with the
    root of the b-value. b0 volumes have none, and the opposite gradient gives the opposite displacement.

    Attributes:
        translation: (3,) mm for a gradient along each voxel axis.
        slopes: (3, 3) mm per mm [voxel axis of the position, axis of the gradient]: scale along the phase-encoding
            axis, shear along the others.
        reference_bvalue: s/mm².
    """

    translation: draws.Vector
    slopes: tuple[draws.Vector, draws.Vector, draws.Vector]
    reference_bvalue: float

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the limits hold for the largest b-value."""
        x, y, z = (draws.vector(generator, strength * LARGEST_SLOPE) for _ in range(3))
        translation = draws.vector(generator, strength * LARGEST_TRANSLATION_MM)
        return cls(translation, (x, y, z), max(float(acquisition.gradients.bvals.max()), 1.0))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        if not np.any(self.translation) and not np.any(self.slopes):
            return acquisition
        signal = acquisition.signal.clone()
        positions = positions_mm(acquisition.shape, acquisition.voxel_size, signal.device)
        table = acquisition.gradients
        for index, (bvalue, direction) in enumerate(zip(table.bvals, table.directions, strict=True)):
            gradient = direction * math.sqrt(bvalue / self.reference_bvalue)
            shift, *slopes = (np.array([self.translation, *self.slopes]) @ gradient).tolist()
            field = sum(
                (slope * position for slope, position in zip(slopes, positions, strict=True)), torch.tensor(shift)
            )
            voxels = field[None].to(signal) / acquisition.voxel_size[acquisition.phase_axis]
            signal[index] = displace(signal[index, None], voxels, acquisition.phase_axis)[0]
        return acquisition.with_signal(signal)
