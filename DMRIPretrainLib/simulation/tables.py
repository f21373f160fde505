"""Gradient tables: with evenly spread directions, or drawn as scanners use them."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..scans.gradient_table import GradientTable


def make_gradient_table(shells: Sequence[tuple[float, int]], b0_count: int = 1, seed: int = 0) -> GradientTable:
    """A table of b0 volumes followed by shells of evenly spread directions in a random rotation.

    Args:
        shells: (b-value in s/mm², number of directions) of each shell.
        b0_count: number of volumes without diffusion weighting; they come first.
        seed: of the random rotations.

    Returns:
        The table; its directions are in the world frame.
    """
    rng = np.random.default_rng(seed)
    bvals, directions = [np.zeros(b0_count)], [np.zeros((b0_count, 3))]
    for bvalue, count in shells:
        bvals.append(np.full(count, float(bvalue)))
        directions.append(spread_directions(count, rng))
    return GradientTable(np.concatenate(bvals), np.concatenate(directions))


#: b-values (s/mm²) that protocols like; drawn ones lie around them, or anywhere between the smallest and the largest.
_COMMON_BVALUES = (700.0, 1000.0, 1000.0, 1200.0, 1500.0, 2000.0, 2500.0, 3000.0)
BVALUE_RANGE = (500.0, 3200.0)
#: Directions of a shell.
DIRECTION_RANGE = (6, 90)
_MOST_WEIGHTED = 128


def draw_gradient_table(rng: np.random.Generator) -> GradientTable:
    """A random protocol: one to three shells, few or many directions, even or not, one to eight b0s.

    Returns:
        The table; its directions are in a random frame, so that they may be taken as any.
    """
    count = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    even = rng.random() < 0.5
    shells: list[tuple[float, int]] = []
    while len(shells) < count:
        bvalue = float(rng.choice(_COMMON_BVALUES) * rng.uniform(0.95, 1.05) if even else rng.uniform(*BVALUE_RANGE))
        if all(abs(bvalue - other) > 250 for other, _ in shells):
            fewest, most = np.log(DIRECTION_RANGE[0]), np.log(min(DIRECTION_RANGE[1], _MOST_WEIGHTED // count))
            shells.append((bvalue, int(np.rint(np.exp(rng.uniform(fewest, most))))))
    table = make_gradient_table(sorted(shells), int(rng.integers(1, 9)), seed=int(rng.integers(2**31)))
    if rng.random() < 0.7:
        return table
    # Volumes that were thrown away leave gaps on the sphere.
    kept = [np.flatnonzero(table.is_b0)]
    for shell in table.shells():
        size = len(shell.indices)
        kept.append(rng.permutation(shell.indices)[: max(DIRECTION_RANGE[0], round(size * rng.uniform(0.6, 1.0)))])
    return table.subset(np.sort(np.concatenate(kept)))


def spread_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) unit vectors, spread as antipodal charges that repel each other.

    The electrostatic scheme of Jones, Horsfield and Simmons (MRM 42, 1999) from a Fibonacci spiral, then a
    random rotation and random signs, so that the directions cover the whole sphere as acquired tables do.
    """
    from scipy.spatial.transform import Rotation

    signs = rng.choice([-1.0, 1.0], size=(count, 1))
    return Rotation.random(random_state=rng).apply(_spread(count)) * signs


@lru_cache(maxsize=128)
def _spread(count: int) -> np.ndarray:
    from dipy.core.sphere import HemiSphere, disperse_charges

    steps = np.arange(count) + 0.5
    z, longitude = steps / count, steps * np.pi * (1 + np.sqrt(5))
    radius = np.sqrt(1 - z**2)
    spiral = np.stack([radius * np.cos(longitude), radius * np.sin(longitude), z], axis=1)
    return disperse_charges(HemiSphere(xyz=spiral), 300)[0].vertices if count > 1 else spiral
