"""Movement of the head while a volume is acquired: its slices do not fit together."""

from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition
from .resample import move_rigidly, rotation_matrices
from .slice_dropout import LARGEST_SHARE, interleaved_order

#: A sudden movement is as large as those between volumes.
LARGEST_TRANSLATION_MM = 3.0
LARGEST_ROTATION_DEG = 3.0


@dataclass(frozen=True)
class MovedSlices:
    """Slices of a volume that were acquired after a movement.

    Attributes:
        volume: index of the volume.
        slices: indices along the slice axis.
        translation: (3,) mm along the voxel axes.
        rotation: (3,) rotation vector (axis times angle in degrees) about the centre of the grid, grid frame.
    """

    volume: int
    slices: tuple[int, ...]
    translation: draws.Vector
    rotation: draws.Vector


@dataclass(frozen=True)
class IntraVolumeMotion:
    """Volumes whose slices show two positions of the head; interleaved slices make edges look like combs.

    The gradient table stays: its error within a volume has no remedy in a table.

    Attributes:
        events: what happened, at most one a volume.
    """

    events: tuple[MovedSlices, ...]

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the strength scales the share of the volumes and the movement."""
        order = interleaved_order(acquisition.shape[acquisition.slice_axis])
        events = []
        for volume in draws.some(generator, range(len(acquisition.signal)), strength * LARGEST_SHARE):
            first_moved = draws.integer(generator, 1, max(1, len(order) - 1))
            translation = draws.vector(generator, strength * LARGEST_TRANSLATION_MM)
            rotation = draws.vector(generator, strength * LARGEST_ROTATION_DEG)
            events.append(MovedSlices(volume, tuple(sorted(order[first_moved:])), translation, rotation))
        return cls(tuple(events))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        if not self.events:
            return acquisition
        volumes = [event.volume for event in self.events]
        moved = move_rigidly(
            acquisition.signal[volumes],
            rotation_matrices([event.rotation for event in self.events]),
            [event.translation for event in self.events],
            acquisition.voxel_size,
        )
        signal = acquisition.signal.clone()
        for event, content in zip(self.events, moved, strict=True):
            slices = torch.tensor(event.slices, dtype=torch.long, device=signal.device)
            chosen = content.index_select(acquisition.slice_axis, slices)
            signal[event.volume].index_copy_(acquisition.slice_axis, slices, chosen)
        return acquisition.with_signal(signal)
