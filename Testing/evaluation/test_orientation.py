import numpy as np
import pytest

from DMRIPretrainLib.evaluation.orientation import angular_correlation, axis_angles, match_peaks, orientation_metrics
from DMRIPretrainLib.qspace.harmonics import coefficient_count, evaluation_matrix, hemisphere

X, Y, Z, NONE = np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], np.zeros(3)


def tilted(degrees: float) -> np.ndarray:
    """X turned towards Y."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0])


def voxels(*peaks) -> np.ndarray:
    return np.array(peaks, dtype=float).reshape(len(peaks), 1, 1, 3, 3)


@pytest.mark.parametrize("degrees", [0, 1e-3, 10, 45, 89, 90])
def test_axes_have_no_sign_or_length(degrees):
    for sign in (1, -1):
        assert axis_angles(X * 3, sign * tilted(degrees) * 0.2) == pytest.approx(degrees, abs=1e-6)
    assert axis_angles(X, tilted(170)) == pytest.approx(10)


def test_metrics_by_hand():
    reference = voxels([X, NONE, NONE], [X, Y, NONE], [Z, NONE, NONE], [X, Y, Z], [NONE] * 3)
    prediction = voxels([-tilted(10), NONE, NONE], [Y, tilted(20), NONE], [NONE] * 3, [X, Y, NONE], [X, NONE, NONE])
    metrics = orientation_metrics(prediction, reference, np.ones((5, 1, 1), dtype=bool))
    assert metrics["voxels"] == 4  # the last has no fibre in the reference
    assert metrics["dominant_mean"] == pytest.approx((10 + 90 + 0) / 3)
    assert metrics["dominant_median"] == pytest.approx(10)
    assert metrics["dominant_missing"] == pytest.approx(1 / 4)
    assert metrics["matched_mean"] == pytest.approx((10 + 20 + 0 + 0 + 0) / 5)
    assert metrics["missed"] == pytest.approx((0 + 0 + 1 + 1) / 4)
    assert metrics["spurious"] == 0
    swapped = orientation_metrics(reference, prediction, np.ones((5, 1, 1), dtype=bool))
    assert swapped["spurious"] == pytest.approx((0 + 0 + 1 + 0) / 4)


def test_the_assignment_minimises_the_sum_not_each_angle():
    # Greedy pairing of 0 with 10 degrees would leave 80 for the other: 90 in all, against 30 + 40.
    predicted = np.array([[tilted(0), tilted(40), NONE]])
    expected = np.array([[tilted(10), tilted(-30), NONE]])
    errors, missed, spurious = match_peaks(predicted, expected)
    assert np.nansum(errors) == pytest.approx(60)  # 0 to -30 and 40 to 10
    assert missed[0] == spurious[0] == 0


def test_different_numbers_of_slots_are_fine():
    errors, missed, spurious = match_peaks(np.array([[X]]), np.array([[Z, tilted(5), NONE, NONE]]))
    assert np.nansum(errors) == pytest.approx(5)
    assert (missed[0], spurious[0]) == (1, 0)


def test_nothing_to_compare_gives_nan():
    empty = np.zeros((2, 1, 1, 3, 3))
    metrics = orientation_metrics(empty, empty, np.ones((2, 1, 1), dtype=bool))
    assert metrics["voxels"] == 0
    assert np.isnan(metrics["dominant_mean"])
    assert np.isnan(metrics["matched_mean"])


def test_angular_correlation_is_that_of_the_functions_on_the_sphere():
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, 4, coefficient_count(6)))
    values = [coefficients @ evaluation_matrix(hemisphere(), 6).T for coefficients in (first, second)]
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*values, strict=True)]
    np.testing.assert_allclose(angular_correlation(first, second), expected, atol=0.01)
    np.testing.assert_allclose(angular_correlation(first, 2 * first), 1)
    assert np.isnan(angular_correlation(np.eye(28)[0], first[0]))
    # Orders that one lacks are left out.
    assert angular_correlation(first[0], first[0, :15]) == pytest.approx(1)
