"""How good an answer is where the truth is known."""

from typing import Any

import numpy as np

from ..evaluation.segmentation import dice_scores
from ..evaluation.voxel_fibres import fibre_metrics
from ..tasks.maps import TISSUES
from .known_scan import Truth
from .methods.method import Found


def score(found: Found, truth: Truth) -> dict[str, Any]:
    """Metrics of fibres where they are scored, see ``fibre_metrics``; ``dice`` of tissues, and its mean.

    A missing main direction counts as 90 degrees in ``dominant_all_mean``, so that leaving voxels out wins nothing.
    """
    metrics: dict[str, Any] = {}
    if found.counts is not None and found.peaks is not None:
        where = truth.scored
        probabilities = None if found.probabilities is None else found.probabilities[where]
        counts = found.counts[where].astype(int)
        metrics = fibre_metrics(counts, found.peaks[where], truth.counts[where], truth.peaks[where], probabilities)
        missing = metrics["dominant_missing"]
        met = 0.0 if missing == 1 else (1 - missing) * metrics["dominant_mean"]
        metrics["dominant_all_mean"] = met + 90.0 * missing
    if found.tissue is not None and truth.tissue is not None:
        values = range(1, len(TISSUES))
        scores = dice_scores(found.tissue, truth.tissue, values)
        metrics["dice"] = {TISSUES[value]: scores[value] for value in values}
        metrics["dice_mean"] = float(np.nanmean(list(scores.values())))
    return metrics
