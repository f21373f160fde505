"""Intervals and tests, against known truth and against SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from DMRIPretrainLib.benchmark.statistics import bootstrap_interval, holm, sign_flip_test, spread, wilcoxon_test


def test_the_interval_of_independent_values_is_that_of_their_mean():
    values = np.random.default_rng(0).normal(5.0, 2.0, size=(1, 200))
    low, high = bootstrap_interval(values)
    error = stats.sem(values[0])
    assert (low, high) == pytest.approx(stats.norm.interval(0.95, loc=values.mean(), scale=error), abs=0.15 * error)


def test_seeds_that_differ_widen_the_interval_however_many_scans_there_are():
    seeds = np.array([[0.0], [1.0], [2.0]])
    low, high = bootstrap_interval(seeds + np.zeros((3, 500)))
    assert low < 0.4
    assert high > 1.6


def test_missing_values_are_left_out_of_an_interval():
    values = np.array([[1.0, np.nan], [np.nan, np.nan]])
    assert bootstrap_interval(values) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval(np.full((2, 3), np.nan))).all()


def test_sign_flips_are_counted_exactly():
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.25, -0.05])
    means = [np.mean(differences * signs) for signs in itertools.product((1, -1), repeat=6)]
    expected = np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12)
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_ten_pairs_that_agree_are_the_most_that_ten_can_say():
    assert sign_flip_test(np.arange(1.0, 11.0)) == pytest.approx(2 / 2**10)


def test_many_pairs_are_drawn_from_and_agree_with_the_t_test():
    differences = np.random.default_rng(1).normal(0.35, 1.0, size=40)
    assert sign_flip_test(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_under_the_null_hypothesis_one_test_in_twenty_is_significant():
    rng = np.random.default_rng(2)
    pvalues = [sign_flip_test(rng.normal(size=8)) for _ in range(200)]
    assert 0.01 < np.mean(np.array(pvalues) < 0.05) < 0.09


def test_wilcoxon_is_scipys_without_what_is_missing():
    differences = np.array([0.5, 1.5, -0.2, 0.9, np.nan, 2.5, 0.7])
    assert wilcoxon_test(differences) == stats.wilcoxon(differences[np.isfinite(differences)]).pvalue


@pytest.mark.parametrize("test", [sign_flip_test, wilcoxon_test])
def test_where_nothing_differs_or_is_known_there_is_no_evidence(test):
    assert test(np.zeros(5)) == 1.0
    assert test(np.array([0.3, np.nan])) == 1.0
    assert np.isnan(test(np.full(3, np.nan)))


def test_holm_multiplies_by_the_hypotheses_that_are_left_and_never_falls():
    # Wright, Biometrics 48, 1992, and R's p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm").
    assert holm({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.04}) == pytest.approx(
        {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06}
    )
    adjusted = holm({"a": 0.9, "b": 0.5, "none": float("nan")})
    assert (adjusted["a"], adjusted["b"]) == (1.0, 1.0)
    assert np.isnan(adjusted["none"])


def test_the_spread_of_one_seed_is_unknown():
    assert spread(np.array([1.0, 3.0, np.nan])) == pytest.approx(np.sqrt(2))
    assert np.isnan(spread(np.array([1.0])))
