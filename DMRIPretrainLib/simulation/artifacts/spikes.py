"""Stripes across a slice, from an electric discharge during the readout."""

import math
from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition
from .coordinates import positions_mm

#: Largest share of volumes with spikes.
LARGEST_SHARE = 0.05
#: Spikes in each of these.
SPIKES_A_VOLUME = (1, 2)
#: Spike over the centre of k-space of its slice. ``torchio.RandomSpike`` draws 1 to 3, which hides the anatomy.
AMPLITUDE = (0.3, 1.5)


@dataclass(frozen=True)
class Spike:
    """One sample of k-space with a wrong value.

    Attributes:
        volume: index of the volume.
        slice_position: where the slice is, from 0 (first) to 1 (last).
        frequency: along the readout and the phase-encoding axis, -1 to 1 times the highest.
        amplitude: over the centre of k-space of the slice.
        phase: radians.
    """

    volume: int
    slice_position: float
    frequency: tuple[float, float]
    amplitude: float
    phase: float


@dataclass(frozen=True)
class Spikes:
    """Spikes in k-space, each in one slice of one volume.

    Attributes:
        spikes: all of them.
    """

    spikes: tuple[Spike, ...]

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the strength scales the share of the volumes and the amplitude."""
        spikes = []
        for volume in draws.some(generator, range(len(acquisition.signal)), strength * LARGEST_SHARE):
            for _ in range(draws.integer(generator, *SPIKES_A_VOLUME)):
                frequency = (draws.uniform(generator, -1, 1), draws.uniform(generator, -1, 1))
                amplitude = strength * draws.uniform(generator, *AMPLITUDE)
                position, phase = draws.uniform(generator, 0.2, 0.8), draws.uniform(generator, 0, 2 * math.pi)
                spikes.append(Spike(volume, position, frequency, amplitude, phase))
        return cls(tuple(spikes))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        if not self.spikes:
            return acquisition
        signal, shape = acquisition.signal.clone(), acquisition.shape
        voxels = positions_mm(shape, (1, 1, 1), signal.device)  # a voxel as the unit of length
        corrupted: dict[tuple[int, int], torch.Tensor] = {}
        for spike in self.spikes:
            index = round(spike.slice_position * (shape[acquisition.slice_axis] - 1))
            clean = signal[spike.volume].select(acquisition.slice_axis, index)
            wave = torch.tensor(spike.phase, dtype=signal.dtype, device=signal.device)
            for axis, frequency in zip((acquisition.read_axis, acquisition.phase_axis), spike.frequency, strict=True):
                cycles = round(frequency * (shape[axis] // 2))  # over the field of view: a sample of k-space
                wave = wave + 2 * math.pi * cycles / shape[axis] * voxels[axis].to(signal)
            # A sample of k-space is a plane wave in the slice; its centre, the sum of the slice.
            height = spike.amplitude * clean.mean()
            before = corrupted.get((spike.volume, index), clean)
            corrupted[spike.volume, index] = before + torch.polar(height, wave.select(acquisition.slice_axis, 0))
        for (volume, index), content in corrupted.items():
            signal[volume].select(acquisition.slice_axis, index).copy_(content.abs())
        return acquisition.with_signal(signal)
