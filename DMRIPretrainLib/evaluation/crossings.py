"""How well the number of fibre populations agrees."""

from typing import Any

import numpy as np

CLASSES = 4
_CALIBRATION_BINS = 15


def crossing_metrics(
    prediction: np.ndarray, reference: np.ndarray, mask: np.ndarray, probabilities: np.ndarray | None = None
) -> dict[str, Any]:
    """Agreement of the number of fibre populations inside a mask, such as the white matter.

    Args:
        prediction: (X, Y, Z) number of populations; more than 3 count as 3.
        reference: (X, Y, Z) number of populations, likewise.
        mask: (X, Y, Z) bool, where to compare.
        probabilities: (X, Y, Z, 4) predicted probability of each number.

    Returns:
        ``voxels``; ``confusion`` (4, 4) voxel counts [reference, prediction]; ``accuracy``; ``f1`` of each
        number; ``macro_f1`` (mean over the numbers that the reference has); ``crossing_f1``
        of "two or more"; ``overestimated`` and ``underestimated`` shares of the voxels; with probabilities
        also ``crossing_auroc`` and ``calibration_error``. What is undefined is NaN.
    """
    predicted, expected = (np.minimum(counts[mask].astype(int), CLASSES - 1) for counts in (prediction, reference))
    confusion = confusion_matrix(predicted, expected)
    voxels = confusion.sum()
    f1 = f1_scores(confusion)
    crossing = f1_scores(confusion_matrix((predicted >= 2).astype(int), (expected >= 2).astype(int)))[1]
    metrics: dict[str, Any] = {
        "voxels": int(voxels),
        "confusion": confusion.tolist(),
        "accuracy": _ratio(np.trace(confusion), voxels),
        "f1": f1.tolist(),
        "macro_f1": float(f1[confusion.any(axis=1)].mean()) if voxels else float("nan"),
        "crossing_f1": float(crossing),
        "overestimated": _ratio(np.triu(confusion, 1).sum(), voxels),
        "underestimated": _ratio(np.tril(confusion, -1).sum(), voxels),
    }
    if probabilities is not None:
        inside = probabilities[mask]
        metrics["crossing_auroc"] = auroc(inside[:, 2:].sum(axis=1), expected >= 2)
        metrics["calibration_error"] = calibration_error(inside, expected)
    return metrics


def confusion_matrix(predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(4, 4) voxel counts [expected, predicted] of (V,) classes 0 to 3."""
    return np.bincount(expected * CLASSES + predicted, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def f1_scores(confusion: np.ndarray) -> np.ndarray:
    """(C,) F1 of each class; NaN for a class that occurs in neither."""
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2 * np.diag(confusion), total, out=np.full(len(total), np.nan), where=total > 0)


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of (V,) scores by the rank-sum formula (Hanley and McNeil, Radiology 143, 1982)."""
    from scipy.stats import rankdata  # takes a second to import, which a prediction does without

    positives = np.count_nonzero(positive)
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = rankdata(score)[positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(probabilities: np.ndarray, expected: np.ndarray) -> float:
    """Expected calibration error of (V, C) probabilities, 15 equal bins of confidence (Guo et al., ICML 2017)."""
    if not len(expected):
        return float("nan")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == expected
    bins = np.clip((confidence * _CALIBRATION_BINS).astype(int), 0, _CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=_CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(expected))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
