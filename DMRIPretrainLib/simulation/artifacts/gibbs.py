"""Gibbs ringing at edges, because k-space is sampled only so far."""

from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition

#: Share of k-space that is acquired along each axis of a slice; the rest is filled with zeros, as scanners do that
#: interpolate a smaller matrix.
KEPT = (0.6, 0.95)


@dataclass(frozen=True)
class GibbsRinging:
    """A rectangular window on k-space.

    Attributes:
        kept: share of k-space that is kept along each voxel axis, centred; 1 along the slice axis of 2D imaging.
    """

    kept: draws.Vector

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the lost share is that of the range times the strength."""
        kept = [1 - strength * (1 - draws.uniform(generator, *KEPT)) for _ in range(3)]
        kept[acquisition.slice_axis] = 1.0
        return cls((kept[0], kept[1], kept[2]))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        signal = acquisition.signal
        for axis, kept in enumerate(self.kept, start=1):
            if kept < 1:
                spectrum = torch.fft.rfft(signal, dim=axis)
                frequency = torch.fft.rfftfreq(signal.shape[axis], device=signal.device)
                spectrum *= (frequency <= kept / 2).reshape([-1 if dim == axis else 1 for dim in range(4)])
                signal = torch.fft.irfft(spectrum, n=signal.shape[axis], dim=axis)
        return acquisition.with_signal(signal if signal is acquisition.signal else signal.abs())
