"""Random numbers as plain Python values, from a generator on the CPU."""

import math
from collections.abc import Sequence

import torch

Vector = tuple[float, float, float]


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A number between two others."""
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def log_uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A number between two positive others whose logarithm is evenly spread."""
    return math.exp(uniform(generator, math.log(low), math.log(high)))


def integer(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def sign(generator: torch.Generator) -> int:
    """-1 or 1."""
    return 2 * integer(generator, 0, 1) - 1


def seed(generator: torch.Generator) -> int:
    """A seed for random numbers too many to store."""
    return integer(generator, 0, 2**31 - 1)


def vector(generator: torch.Generator, longest: float) -> Vector:
    """A vector of random direction whose length is evenly spread up to ``longest``."""
    x, y, z = torch.randn(3, generator=generator, dtype=torch.float64).tolist()
    scale = uniform(generator, 0.0, longest) / math.hypot(x, y, z)
    return scale * x, scale * y, scale * z


def some(generator: torch.Generator, candidates: Sequence[int], most: float) -> tuple[int, ...]:
    """At least one of the candidates and at most the share ``most`` of them, ascending; none where ``most`` is 0."""
    if most <= 0 or not candidates:
        return ()
    count = max(1, round(uniform(generator, 0.0, most) * len(candidates)))
    order = torch.randperm(len(candidates), generator=generator)[:count].tolist()
    return tuple(sorted(candidates[index] for index in order))
