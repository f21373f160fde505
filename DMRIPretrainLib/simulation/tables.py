"""Gradient tables with evenly spread directions."""

from collections.abc import Sequence

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


def spread_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) unit vectors, spread as antipodal charges that repel each other.

    The electrostatic scheme of Jones, Horsfield and Simmons (MRM 42, 1999) from a Fibonacci spiral, then a
    random rotation and random signs, so that the directions cover the whole sphere as acquired tables do.
    """
    from dipy.core.sphere import HemiSphere, disperse_charges
    from scipy.spatial.transform import Rotation

    steps = np.arange(count) + 0.5
    z, longitude = steps / count, steps * np.pi * (1 + np.sqrt(5))
    radius = np.sqrt(1 - z**2)
    spiral = np.stack([radius * np.cos(longitude), radius * np.sin(longitude), z], axis=1)
    directions = disperse_charges(HemiSphere(xyz=spiral), 300)[0].vertices if count > 1 else spiral
    signs = rng.choice([-1.0, 1.0], size=(count, 1))
    return Rotation.random(random_state=rng).apply(directions) * signs
