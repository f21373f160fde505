"""Dark slices, from movement during the diffusion weighting."""

from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition

#: Largest share of the weighted volumes with dropout, as in scans of restless subjects (Andersson et al., NeuroImage
#: 141, 2016).
LARGEST_SHARE = 0.3
#: What is left of the signal.
FACTOR = (0.1, 0.9)
#: Largest share of the slices of a volume: a jerk lasts about a second.
LARGEST_SHARE_OF_SLICES = 0.25


@dataclass(frozen=True)
class DroppedSlices:
    """Slices of a volume that lost signal.

    Attributes:
        volume: index of the volume.
        slices: indices along the slice axis.
        factor: what is left of their signal.
    """

    volume: int
    slices: tuple[int, ...]
    factor: float


@dataclass(frozen=True)
class SliceDropout:
    """Dropout in slices that were excited one after the other, which leaves the slices between them as they were.

    Attributes:
        events: what happened; b0 volumes have no diffusion gradients and lose nothing.
    """

    events: tuple[DroppedSlices, ...]

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the strength scales the share of the volumes and the lost signal."""
        order = interleaved_order(acquisition.shape[acquisition.slice_axis])
        events = []
        for volume in draws.some(generator, acquisition.weighted_volumes, strength * LARGEST_SHARE):
            count = draws.integer(generator, 1, max(1, round(LARGEST_SHARE_OF_SLICES * len(order))))
            first = draws.integer(generator, 0, len(order) - count)
            factor = 1 - strength * (1 - draws.uniform(generator, *FACTOR))
            events.append(DroppedSlices(volume, tuple(sorted(order[first : first + count])), factor))
        return cls(tuple(events))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        factors = acquisition.signal.new_ones(len(acquisition.signal), acquisition.shape[acquisition.slice_axis])
        for event in self.events:
            factors[event.volume, list(event.slices)] *= event.factor
        shape = [-1 if axis == acquisition.slice_axis else 1 for axis in range(3)]
        return acquisition.with_signal(acquisition.signal * factors.reshape(len(factors), *shape))


def interleaved_order(count: int) -> list[int]:
    """Slices in the usual order of excitation: 0, 2, 4, ..., then 1, 3, 5, ..."""
    return [*range(0, count, 2), *range(1, count, 2)]
