"""How well two segmentations agree."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


def segmentation_metrics(
    prediction: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    voxel_size: Sequence[float],
    labels: Mapping[int, str],
) -> dict[str, dict[str, float]]:
    """Dice, volume error and HD95 of every label.

    Args:
        prediction: (X, Y, Z) labels.
        reference: (X, Y, Z) labels.
        mask: (X, Y, Z) bool, where to compare.
        voxel_size: (3,) edge lengths in mm.
        labels: name of every label to compare, by value; leave out the background.

    Returns:
        For each name ``dice``, ``volume_error_percent`` (positive where the prediction is larger) and
        ``hd95_mm``; NaN where undefined because a label is absent.
    """
    dice = dice_scores(prediction[mask], reference[mask], labels)
    metrics = {}
    for value, name in labels.items():
        predicted, expected = (prediction == value) & mask, (reference == value) & mask
        metrics[name] = {
            "dice": dice[value],
            "volume_error_percent": _volume_error(predicted, expected),
            "hd95_mm": hausdorff_95(predicted, expected, voxel_size),
        }
    return metrics


def dice_scores(prediction: np.ndarray, reference: np.ndarray, values: Iterable[int]) -> dict[int, float]:
    """Dice coefficient (Dice, Ecology 26, 1945) of each label value; NaN where neither has it."""
    scores = {}
    for value in values:
        predicted, expected = prediction == value, reference == value
        total = np.count_nonzero(predicted) + np.count_nonzero(expected)
        scores[value] = 2 * np.count_nonzero(predicted & expected) / total if total else float("nan")
    return scores


def _volume_error(predicted: np.ndarray, expected: np.ndarray) -> float:
    volume = np.count_nonzero(expected)
    return 100.0 * (np.count_nonzero(predicted) - volume) / volume if volume else float("nan")


def hausdorff_95(predicted: np.ndarray, expected: np.ndarray, voxel_size: Sequence[float]) -> float:
    """95th percentile Hausdorff distance in mm between the surfaces of two (X, Y, Z) bool regions.

    The surface are the voxels of a region with a face towards its outside; the larger of the two
    one-sided percentiles counts, as in MONAI. NaN where a region is empty.
    """
    if not predicted.any() or not expected.any():
        return float("nan")
    first, second = (region & ~binary_erosion(region) for region in (predicted, expected))
    return max(_directed_95(first, second, voxel_size), _directed_95(second, first, voxel_size))


def _directed_95(surface: np.ndarray, other: np.ndarray, voxel_size: Sequence[float]) -> float:
    distance = distance_transform_edt(~other, sampling=voxel_size)
    return float(np.percentile(distance[surface], 95))
