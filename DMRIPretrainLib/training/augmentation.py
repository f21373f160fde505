"""Random changes of a patch that its labels follow exactly."""

from dataclasses import dataclass, replace

import numpy as np

from ..scans.frames import cube_symmetries
from ..scans.gradient_table import MINIMUM_DIRECTIONS, GradientTable, count_directions

_SYMMETRIES = cube_symmetries()
_LEFT_RIGHT = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Augmentation:
    """How strongly patches are changed; all zero leaves them as they are.

    Attributes:
        turn: probability of a random one of the 48 rotations and flips of a cube; half of the other
            patches are mirrored left to right.
        drop_directions: probability of leaving out directions.
        fewest_directions: smallest share of the directions of a shell that is kept.
        change_bvalue: probability of changing the b-value of all shells.
    """

    turn: float = 0.3
    drop_directions: float = 0.5
    fewest_directions: float = 0.3
    change_bvalue: float = 0.5


def draw_symmetry(augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A signed permutation matrix (3, 3) to turn a patch and its gradients by, grid frame."""
    if rng.random() < augmentation.turn:
        return _SYMMETRIES[rng.integers(len(_SYMMETRIES))]
    mirror = augmentation.turn > 0 and rng.random() < 0.5
    return _LEFT_RIGHT if mirror else np.eye(3)


def draw_volumes(table: GradientTable, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of the volumes to keep: some b0s, and a random part of each shell or of some shells."""
    if rng.random() >= augmentation.drop_directions:
        return np.arange(len(table))
    b0s = np.flatnonzero(table.is_b0)
    kept = [rng.permutation(b0s)[: rng.integers(1, len(b0s) + 1)]]
    shells = [s.indices for s in table.shells() if count_directions(table.directions[s.indices]) >= MINIMUM_DIRECTIONS]
    if not shells:
        return np.arange(len(table))
    if len(shells) > 1:
        shells = [shells[i] for i in rng.permutation(len(shells))[: rng.integers(1, len(shells) + 1)]]
    for indices in shells:
        fewest = max(MINIMUM_DIRECTIONS, int(np.ceil(augmentation.fewest_directions * len(indices))))
        chosen = rng.permutation(indices)[: rng.integers(fewest, len(indices) + 1)]
        enough = count_directions(table.directions[chosen]) >= MINIMUM_DIRECTIONS
        kept.append(chosen if enough else indices)
    return np.sort(np.concatenate(kept))


def draw_bvalue_factor(augmentation: Augmentation, rng: np.random.Generator) -> float:
    """Factor on all b-values, between 0.6 and 1.7, or 1."""
    return float(np.exp(rng.uniform(-0.5, 0.5))) if rng.random() < augmentation.change_bvalue else 1.0


def change_bvalue(signal: np.ndarray, table: GradientTable, factor: float) -> tuple[np.ndarray, GradientTable]:
    """The signal that a scan would have at ``factor`` times its b-values, if diffusion were Gaussian.

    With E = exp(-b D) in each direction, E at factor x b is E to the power of the factor. It teaches a
    network that was shown one protocol what a b-value does. Where a shell would become b0, nothing changes.

    Args:
        signal: (N, X, Y, Z) signal.
        table: its table.
        factor: factor on all b-values.
    """
    weighted = ~table.is_b0
    if factor == 1.0 or np.any(factor * table.bvals[weighted] <= table.b0_threshold):
        return signal, table
    b0 = np.maximum(signal[table.is_b0].mean(axis=0), 1e-6)
    changed = signal.copy()
    changed[weighted] = b0 * np.maximum(signal[weighted] / b0, 0.0) ** factor
    return changed, replace(table, bvals=np.where(weighted, table.bvals * factor, table.bvals))
