"""How well fibre orientations agree. Directions are axes: v and -v are the same."""

import itertools

import numpy as np

#: Cost in degrees of pairing a peak with nothing, above that of any real pairing: as many as possible are paired.
_UNPAIRED = 1000.0


def orientation_metrics(prediction: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Angular errors of peaks, over the voxels of a mask in which the reference has a fibre.

    Args:
        prediction: (X, Y, Z, K, 3) peaks, unit vector times amplitude, strongest first, zero where absent.
        reference: (X, Y, Z, L, 3) peaks, likewise, in the same frame.
        mask: (X, Y, Z) bool, where to compare.

    Returns:
        ``voxels``; ``dominant_mean``, ``dominant_median``, ``dominant_p95``: error of the strongest peak in degrees,
        where the prediction has one; ``dominant_missing``: share of voxels where it has none; ``matched_mean``: error
        in degrees over the pairs of the best assignment of predicted to reference peaks; ``missed`` and ``spurious``:
        peaks without a partner per voxel. Errors are NaN where there is nothing to compare.
    """
    fibre = mask & (np.linalg.norm(reference[..., 0, :], axis=-1) > 0)
    predicted, expected = prediction[fibre], reference[fibre]
    found = np.linalg.norm(predicted[:, 0], axis=-1) > 0
    dominant = axis_angles(predicted[found, 0], expected[found, 0])
    errors, missed, spurious = match_peaks(predicted, expected)
    voxels = len(expected)
    return {
        "voxels": voxels,
        "dominant_mean": float(dominant.mean()) if len(dominant) else float("nan"),
        "dominant_median": float(np.median(dominant)) if len(dominant) else float("nan"),
        "dominant_p95": float(np.percentile(dominant, 95)) if len(dominant) else float("nan"),
        "dominant_missing": float(np.mean(~found)) if voxels else float("nan"),
        "matched_mean": float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan"),
        "missed": float(missed.mean()) if voxels else float("nan"),
        "spurious": float(spurious.mean()) if voxels else float("nan"),
    }


def axis_angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) angles in degrees, 0 to 90, between the axes of (..., 3) vectors of any length; NaN for zero vectors."""
    # atan2 is exact for small angles, where arccos of a rounded cosine is not.
    dot = np.abs(np.sum(np.asarray(first, dtype=float) * second, axis=-1))
    cross = np.linalg.norm(np.cross(np.asarray(first, dtype=float), second), axis=-1)
    return np.where((dot > 0) | (cross > 0), np.degrees(np.arctan2(cross, dot)), np.nan)


def match_peaks(predicted: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair peaks such that as many as possible are paired and the sum of the angles is least.

    Args:
        predicted: (V, K, 3) peaks, zero where absent.
        expected: (V, L, 3) peaks, zero where absent.

    Returns:
        (V, max(K, L)) angles in degrees, NaN where there is no pair; (V,) numbers of expected peaks without a
        partner; (V,) numbers of predicted peaks without one.
    """
    slots = max(predicted.shape[1], expected.shape[1])
    predicted, expected = _padded(predicted, slots), _padded(expected, slots)
    has_predicted, has_expected = (np.linalg.norm(peaks, axis=-1) > 0 for peaks in (predicted, expected))
    angles = axis_angles(predicted[:, :, None], expected[:, None, :])
    lonely = has_predicted[:, :, None] != has_expected[:, None, :]
    cost = np.where(lonely, _UNPAIRED, np.nan_to_num(angles))

    orders = np.array(list(itertools.permutations(range(slots))))
    slot = np.arange(slots)
    totals = np.stack([cost[:, slot, order].sum(axis=1) for order in orders], axis=1)
    best = orders[np.argmin(totals, axis=1)]
    errors = np.take_along_axis(angles, best[..., None], axis=2)[..., 0]
    paired = np.isfinite(errors).sum(axis=1)
    return errors, has_expected.sum(axis=1) - paired, has_predicted.sum(axis=1) - paired


def _padded(peaks: np.ndarray, slots: int) -> np.ndarray:
    return np.pad(peaks, ((0, 0), (0, slots - peaks.shape[1]), (0, 0)))


def angular_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) angular correlation coefficient of fODFs (Anderson, MRM 54, 2005), -1 to 1.

    Args:
        first: (..., K) coefficients in an orthonormal basis of even spherical harmonics.
        second: (..., L) coefficients in the same basis and frame; the lower order of the two counts.

    Returns:
        The correlation of the two functions over the sphere, without their means; NaN where one is isotropic.
    """
    common = min(first.shape[-1], second.shape[-1])
    u, v = (np.asarray(values[..., 1:common], dtype=float) for values in (first, second))
    norm = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    return np.divide(np.sum(u * v, axis=-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)
