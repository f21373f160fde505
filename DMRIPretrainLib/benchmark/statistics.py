"""How sure a measured mean or difference is."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

_RESAMPLES = 2000
#: Up to this many pairs all 2^n patterns of signs are tried.
_MOST_EXACT = 14
Name = TypeVar("Name")


def bootstrap_interval(values: np.ndarray, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of values that two things make vary: seeds and scans.

    Seeds and scans are drawn anew, independently and with replacement (the crossed bootstrap of Owen, Ann. Appl. Stat.
    1, 2007), since all values of one scan, and all of one seed, go up and down together.

    Args:
        values: (seeds, scans); NaN where there is no value.
        level: of the interval.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN where there are no values.
    """
    if not np.isfinite(values).any():
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    rows, columns = (rng.integers(count, size=(_RESAMPLES, count)) for count in values.shape)
    drawn = values[rows[:, :, None], columns[:, None, :]].reshape(_RESAMPLES, -1)
    means = np.nanmean(drawn[np.isfinite(drawn).any(axis=1)], axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sign_flip_test(differences: np.ndarray, seed: int = 0) -> float:
    """Two-sided p-value of paired differences by flipping their signs (Fisher's randomisation test), of their mean.

    Args:
        differences: (n,) one a pair; NaN are left out.
        seed: of the draws, where there are too many pairs to try all signs.

    Returns:
        The p-value; 1 where nothing differs or there is one pair alone, NaN without any pair.
    """
    from scipy.stats import permutation_test

    found = differences[np.isfinite(differences)]
    if len(found) < 2 or not found.any():
        return 1.0 if len(found) else float("nan")
    resamples = np.inf if len(found) <= _MOST_EXACT else 9999
    test = permutation_test(
        (found,), np.mean, permutation_type="samples", n_resamples=resamples, rng=np.random.default_rng(seed)
    )
    return float(test.pvalue)


def wilcoxon_test(differences: np.ndarray) -> float:
    """Two-sided p-value of paired differences by Wilcoxon's signed ranks; NaN are left out.

    Returns:
        The p-value; 1 where nothing differs, NaN without any pair.
    """
    from scipy.stats import wilcoxon

    found = differences[np.isfinite(differences)]
    if not len(found) or not found.any():
        return 1.0 if len(found) else float("nan")
    return float(wilcoxon(found).pvalue)


def holm(pvalues: Mapping[Name, float]) -> dict[Name, float]:
    """P-values of one family of tests, adjusted by Holm's step-down method (Scand. J. Stat. 6, 1979); NaN stay NaN."""
    known = sorted((p, name) for name, p in pvalues.items() if np.isfinite(p))
    adjusted, largest = dict(pvalues), 0.0
    for rank, (p, name) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[name] = largest
    return adjusted


def spread(values: np.ndarray) -> float:
    """Standard deviation over seeds (n - 1); NaN with less than two values."""
    found = values[np.isfinite(values)]
    return float(found.std(ddof=1)) if len(found) > 1 else float("nan")
