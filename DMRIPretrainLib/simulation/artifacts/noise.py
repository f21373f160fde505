"""Thermal noise of magnitude images: Rician, or noncentral chi with several coils, and its floor."""

import math
from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition
from .coordinates import relative_positions

#: b0 signal over the standard deviation of the noise where g is largest, log-uniform. Clinical single-shot EPI; the
#: HARDI reconstruction challenge 2013 used 10, 20 and 30. With n coils the standard deviation in each is smaller by
#: the root of n, so that the noise floor stays where it is with one.
B0_SNR = (5.0, 50.0)
#: Coils of a sum-of-squares image: 1 is Rician; adaptive combination stays near it (Dietrich et al., MRI 26, 2008).
COILS = (1, 8)
#: Noise amplification by parallel imaging where it is largest (Pruessmann et al., MRM 42, 1999, SENSE factor 2).
G_FACTOR = (1.0, 2.0)
#: How far that place is from the centre, and how wide the peak is, in halves of the field of view.
G_FACTOR_OFFSET = 0.3
G_FACTOR_WIDTH = 0.6


@dataclass(frozen=True)
class Noise:
    """Magnitude of a signal with complex Gaussian noise in every coil.

    The signal of n coils combined by the root of the sum of squares follows a noncentral chi distribution with 2n
    degrees of freedom (Constantinides et al., MRM 38, 1997), for one coil the Rician one (Gudbjartsson and Patz, MRM
    34, 1995); neither falls below its noise floor.

    Attributes:
        sigma: standard deviation in each of the two channels of each coil, in units of the signal, where g is 1.
        coils: number of coils.
        g_factor: the largest g; g falls off as a Gaussian to 1.
        g_centre: where it is largest, grid frame, -1 to 1 from face to face of the grid.
        seed: of the noise; on another device it gives other noise.
    """

    sigma: float
    coils: int = 1
    g_factor: float = 1.0
    g_centre: draws.Vector = (0.0, 0.0, 0.0)
    seed: int = 0

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the standard deviation is that of the ranges times the strength."""
        coils, g_factor = draws.integer(generator, *COILS), draws.uniform(generator, *G_FACTOR)
        snr = draws.log_uniform(generator, *B0_SNR) * g_factor * math.sqrt(coils)
        return cls(
            sigma=strength * acquisition.b0_level() / snr,
            coils=coils,
            g_factor=g_factor,
            g_centre=draws.vector(generator, G_FACTOR_OFFSET),
            seed=draws.seed(generator),
        )

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        signal = acquisition.signal
        generator = torch.Generator(signal.device).manual_seed(self.seed)
        sigma = self.sigma_map(acquisition).to(signal.dtype)

        def noise() -> torch.Tensor:
            return sigma * torch.randn(signal.shape, generator=generator, device=signal.device, dtype=signal.dtype)

        # Only the length of the vector of all channels counts, so that the signal may as well lie in the first alone.
        squares = (signal + noise()) ** 2
        for _ in range(2 * self.coils - 1):
            squares += noise() ** 2
        return acquisition.with_signal(squares.sqrt())

    def sigma_map(self, acquisition: Acquisition) -> torch.Tensor:
        """(X, Y, Z) standard deviation in each channel."""
        relative = relative_positions(acquisition.shape, acquisition.signal.device)
        square = sum((axis - centre) ** 2 for axis, centre in zip(relative, self.g_centre, strict=True))
        peak = torch.exp(-torch.as_tensor(square) / (2 * G_FACTOR_WIDTH**2))
        return self.sigma * (1 + (self.g_factor - 1) * peak)
