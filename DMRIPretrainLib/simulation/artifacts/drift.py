"""Drift of the signal over the series, as the scanner warms up."""

from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition

#: Largest loss from first to last volume (Vos et al., MRM 77, 2017: up to 5 % in a quarter of an hour).
LARGEST_LOSS = 0.05


@dataclass(frozen=True)
class SignalDrift:
    """A loss of signal that is linear in the number of the volume.

    Attributes:
        loss: share of the signal that the last volume has lost.
    """

    loss: float

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``."""
        return cls(draws.uniform(generator, 0.0, strength * LARGEST_LOSS))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        signal = acquisition.signal
        factors = torch.linspace(1.0, 1.0 - self.loss, len(signal), device=signal.device, dtype=signal.dtype)
        return acquisition.with_signal(signal * factors.reshape(-1, 1, 1, 1))
