"""The N/2 (Nyquist) ghost of echo-planar imaging."""

import math
from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition
from .coordinates import relative_positions

#: Ghost over image. Some 2 % remain after correction on a healthy scanner, 15 % on a badly tuned one.
AMPLITUDE = (0.02, 0.15)


@dataclass(frozen=True)
class NyquistGhost:
    """Opposite phase of odd and even lines of k-space, which are read in opposite directions.

    With lines times exp(± i phase), the image becomes cos(phase) image + i sin(phase) ghost, where the ghost is the
    image shifted by half of the field of view along the phase-encoding axis (Bruder et al., MRM 23, 1992).

    Attributes:
        phase: radians, at the centre of the readout.
        slope: radians that are added from the centre to the end of the readout, from a delay of the echo.
    """

    phase: float
    slope: float = 0.0

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``."""
        largest = math.asin(strength * draws.uniform(generator, *AMPLITUDE))
        slope = draws.uniform(generator, -0.5, 0.5) * largest
        return cls(draws.sign(generator) * (largest - abs(slope)), slope)

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        if self.phase == self.slope == 0:
            return acquisition
        signal, axis = acquisition.signal, acquisition.phase_axis + 1
        lines = torch.fft.fftfreq(signal.shape[axis], 1 / signal.shape[axis], device=signal.device).round().long()
        even = torch.where(lines % 2 == 0, 1, -1).reshape([-1 if dim == axis else 1 for dim in range(4)])
        ghost = torch.fft.ifft(torch.fft.fft(signal, dim=axis) * even, dim=axis)
        phase = self.phase + self.slope * relative_positions(acquisition.shape, signal.device)[acquisition.read_axis]
        phase = phase.to(signal.dtype)
        return acquisition.with_signal((torch.cos(phase) * signal + 1j * torch.sin(phase) * ghost).abs())
