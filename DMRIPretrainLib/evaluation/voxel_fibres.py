"""Number and directions of the fibre populations of voxels whose truth is known."""

from typing import Any

import numpy as np

from .crossings import crossing_metrics
from .orientation import axis_angles, match_peaks


def fibre_metrics(
    counts: np.ndarray,
    peaks: np.ndarray,
    true_counts: np.ndarray,
    true_peaks: np.ndarray,
    probabilities: np.ndarray | None = None,
) -> dict[str, Any]:
    """Agreement of counts and of directions.

    Args:
        counts: (V,) number of populations; more than 3 count as 3.
        peaks: (V, K, 3) peaks, unit vector times amplitude, strongest first, zero where absent.
        true_counts: (V,) likewise.
        true_peaks: (V, L, 3) likewise, in the same frame.
        probabilities: (V, 4) predicted probability of each number.

    Returns:
        What :func:`~.crossings.crossing_metrics` returns, and in degrees: ``angle_1``, ``angle_2``, ``angle_3``, the
        mean angle between the matched peaks of voxels with that true number where ``counts`` is right, taking as many
        of the strongest peaks as it says; ``unmatched``, the share of true peaks in these voxels for which ``peaks``
        has none; ``dominant_mean`` and ``dominant_median``, the error of the strongest peak where there is a
        fibre; ``dominant_missing``, the share of those voxels without a peak. What is undefined is NaN.
    """
    metrics = crossing_metrics(counts, true_counts, np.ones(len(counts), dtype=bool), probabilities)
    right = counts == true_counts
    listed = peaks * (np.arange(peaks.shape[1]) < counts[:, None])[..., None]
    angles, missed, _ = match_peaks(listed[right], true_peaks[right])
    for number in (1, 2, 3):
        metrics[f"angle_{number}"] = _mean(angles[true_counts[right] == number])
    metrics["unmatched"] = float(missed.sum() / max(1, true_counts[right].sum()))

    fibre = true_counts > 0
    dominant = axis_angles(peaks[fibre, 0], true_peaks[fibre, 0])
    found = dominant[np.isfinite(dominant)]
    metrics["dominant_mean"] = _mean(found)
    metrics["dominant_median"] = float(np.median(found)) if len(found) else float("nan")
    metrics["dominant_missing"] = 1 - len(found) / len(dominant) if len(dominant) else float("nan")
    return metrics


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
