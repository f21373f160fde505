"""How sure a prediction is."""

import numpy as np

from ..evaluation.orientation import axis_angles
from ..scans.gradient_table import MINIMUM_DIRECTIONS, GradientTable, count_directions

#: Share of the directions of each shell that a member of the ensemble sees.
_SUBSET_SHARE = 0.8


def normalised_entropy(probabilities: np.ndarray) -> np.ndarray:
    """(X, Y, Z) entropy of (C, X, Y, Z) class probabilities over that of a uniform guess: 0 sure, 1 no idea."""
    safe = np.clip(probabilities, 1e-7, 1.0)
    entropy = -(safe * np.log(safe)).sum(axis=0)
    return (entropy / np.log(len(probabilities))).clip(0.0, 1.0).astype(np.float32)


def direction_subsets(table: GradientTable, count: int, seed: int = 0) -> list[np.ndarray]:
    """Sorted volume indices of ``count`` random subsets: all b0s and 80 % of the directions of every shell.

    Each is a scan that might as well have been acquired, so that the spread of their results says what
    noise and the choice of directions do. Shells keep at least six distinct directions.
    """
    rng = np.random.default_rng(seed)
    return [np.sort(np.concatenate(_subset(table, rng))) for _ in range(count)]


def _subset(table: GradientTable, rng: np.random.Generator) -> list[np.ndarray]:
    chosen = [np.flatnonzero(table.is_b0)]
    for shell in table.shells():
        size = max(MINIMUM_DIRECTIONS, int(np.ceil(_SUBSET_SHARE * len(shell.indices))))
        part = rng.permutation(shell.indices)[:size]
        enough = count_directions(table.directions[part]) >= MINIMUM_DIRECTIONS
        chosen.append(part if enough else shell.indices)
    return chosen


def direction_spread(peaks: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """(X, Y, Z) float32 mean angle in degrees between the dominant peak and that of each member.

    Args:
        peaks: (X, Y, Z, K, 3) peaks of the whole table.
        members: the same of each subset, in the same frame. A member without a peak counts as 90 degrees.

    Returns:
        The spread; zero where there is no peak.
    """
    angles = [np.nan_to_num(axis_angles(peaks[..., 0, :], member[..., 0, :]), nan=90.0) for member in members]
    lost = [np.where(np.any(member[..., 0, :] != 0, axis=-1), 0.0, 90.0) for member in members]
    spread = np.mean([np.maximum(a, b) for a, b in zip(angles, lost, strict=True)], axis=0)
    return np.where(np.any(peaks[..., 0, :] != 0, axis=-1), spread, 0.0).astype(np.float32)
