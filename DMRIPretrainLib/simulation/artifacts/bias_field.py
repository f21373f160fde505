"""Smooth shading by the sensitivity of the receive coils."""

import itertools
from dataclasses import dataclass
from typing import Self

import torch

from . import draws
from .artifact import Acquisition
from .coordinates import relative_positions

#: Bound of the coefficients of the polynomial, as in ``torchio.RandomBiasField`` (after Van Leemput et al., IEEE TMI
#: 18, 1999).
LARGEST_COEFFICIENT = 0.5
#: Exponents of x, y and z of the terms of degree 1 to 3.
TERMS = tuple(powers for powers in itertools.product(range(4), repeat=3) if 1 <= sum(powers) <= 3)


@dataclass(frozen=True)
class BiasField:
    """The exponential of a polynomial of the third degree, the same for all volumes.

    Attributes:
        coefficients: one for each of ``TERMS``, for coordinates that run from -1 to 1 from face to face of the grid.
    """

    coefficients: tuple[float, ...]

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``."""
        limit = strength * LARGEST_COEFFICIENT
        return cls(tuple(draws.uniform(generator, -limit, limit) for _ in TERMS))

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        signal = acquisition.signal
        x, y, z = relative_positions(acquisition.shape, signal.device)
        exponent = torch.zeros(acquisition.shape, device=signal.device)
        for factor, (i, j, k) in zip(self.coefficients, TERMS, strict=True):
            exponent += factor * x**i * y**j * z**k
        return acquisition.with_signal(signal * exponent.exp().to(signal.dtype))
