import numpy as np
import pytest

from DMRIPretrainLib.evaluation.voxel_fibres import fibre_metrics

X, Y, Z = np.eye(3)
NONE = np.zeros(3)


def turned(degrees: float) -> np.ndarray:
    """X turned towards Y."""
    return np.cos(np.radians(degrees)) * X + np.sin(np.radians(degrees)) * Y


def test_angles_count_only_where_the_number_is_right():
    true_peaks = np.array([[0.9 * X, NONE, NONE], [0.9 * X, NONE, NONE], [0.5 * X, 0.4 * Z, NONE], [NONE] * 3])
    peaks = np.array([[turned(4), NONE, NONE], [turned(30), Z, NONE], [-Z, turned(10), NONE], [Y, NONE, NONE]])
    metrics = fibre_metrics(np.array([1, 2, 2, 0]), peaks, np.array([1, 1, 2, 0]), true_peaks)
    assert metrics["accuracy"] == pytest.approx(3 / 4)
    assert metrics["angle_1"] == pytest.approx(4)
    assert metrics["angle_2"] == pytest.approx((0 + 10) / 2)
    assert np.isnan(metrics["angle_3"])
    assert metrics["unmatched"] == 0
    # The third voxel's strongest peak is that of the weaker population.
    assert metrics["dominant_mean"] == pytest.approx((4 + 30 + 90) / 3)
    assert metrics["dominant_median"] == pytest.approx(30)


def test_no_more_peaks_than_counted_are_matched():
    true_peaks = np.array([[X, NONE, NONE]])
    peaks = np.array([[turned(20), X, NONE]])
    assert fibre_metrics(np.array([1]), peaks, np.array([1]), true_peaks)["angle_1"] == pytest.approx(20)


def test_peaks_that_a_count_promises_but_lacks_are_reported():
    true_peaks = np.array([[X, Z, NONE], [X, NONE, NONE]])
    peaks = np.array([[X, NONE, NONE], [NONE, NONE, NONE]])
    metrics = fibre_metrics(np.array([2, 1]), peaks, np.array([2, 1]), true_peaks)
    assert metrics["unmatched"] == pytest.approx(2 / 3)
    assert metrics["dominant_missing"] == pytest.approx(1 / 2)


def test_probabilities_give_the_calibration_error():
    probabilities = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    peaks = np.array([[X, NONE, NONE], [X, Z, NONE]])
    metrics = fibre_metrics(np.array([1, 1]), peaks, np.array([1, 2]), peaks, probabilities)
    assert metrics["calibration_error"] == pytest.approx(0.5)
