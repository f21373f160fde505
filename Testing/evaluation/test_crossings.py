import numpy as np
import pytest

from DMRIPretrainLib.evaluation.crossings import auroc, calibration_error, crossing_metrics

REFERENCE = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 1]).reshape(10, 1, 1)
PREDICTION = np.array([0, 1, 1, 1, 2, 2, 1, 3, 2, 3]).reshape(10, 1, 1)
MASK = np.arange(10).reshape(10, 1, 1) < 9


def test_counts_by_hand():
    metrics = crossing_metrics(PREDICTION, REFERENCE, MASK)
    assert metrics["voxels"] == 9
    assert metrics["confusion"] == [[1, 1, 0, 0], [0, 2, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    expected = [2 / 3, 4 / 7, 2 / 5, 2 / 3]
    np.testing.assert_allclose(metrics["f1"], expected)
    assert metrics["macro_f1"] == pytest.approx(np.mean(expected))
    assert metrics["accuracy"] == pytest.approx(5 / 9)
    assert metrics["crossing_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert metrics["overestimated"] == pytest.approx(2 / 9)
    assert metrics["underestimated"] == pytest.approx(2 / 9)
    assert "crossing_auroc" not in metrics


def test_a_number_that_nobody_has_does_not_count():
    ones = np.ones((3, 1, 1), dtype=int)
    metrics = crossing_metrics(ones, ones, ones > 0)
    assert metrics["macro_f1"] == 1
    assert np.isnan(metrics["f1"][3])
    assert np.isnan(metrics["crossing_f1"])


def test_a_number_that_only_the_prediction_has_does_not_enter_the_mean():
    reference, prediction = np.ones((4, 1, 1), dtype=int), np.array([1, 1, 1, 0]).reshape(4, 1, 1)
    metrics = crossing_metrics(prediction, reference, reference > 0)
    assert metrics["macro_f1"] == pytest.approx(6 / 7)
    assert metrics["f1"][0] == 0


def test_an_empty_mask_gives_nan():
    metrics = crossing_metrics(PREDICTION, REFERENCE, np.zeros_like(MASK), np.zeros((10, 1, 1, 4)))
    assert metrics["voxels"] == 0
    assert np.isnan(metrics["macro_f1"])
    assert np.isnan(metrics["calibration_error"])


def test_more_than_three_count_as_three():
    many = np.full((2, 1, 1), 5)
    assert crossing_metrics(many, np.full((2, 1, 1), 3), many > 0)["accuracy"] == 1


def test_auroc_by_hand_with_a_tie():
    positive = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.4, 0.4, 0.1]), positive) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert np.isnan(auroc(np.array([0.1, 0.2]), np.array([True, True])))


def test_crossing_auroc_uses_two_and_three():
    probabilities = np.zeros((10, 1, 1, 4))
    probabilities[np.arange(10), 0, 0, REFERENCE.ravel()] = 1
    metrics = crossing_metrics(PREDICTION, REFERENCE, MASK, probabilities)
    assert metrics["crossing_auroc"] == 1
    assert metrics["calibration_error"] == 0


def test_calibration_error_by_hand():
    # Confidence 0.7, right in half of the voxels; confidence 1, always right.
    probabilities = np.array([[0.7, 0.3, 0, 0], [0.7, 0.3, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]])
    assert calibration_error(probabilities, np.array([0, 1, 2, 2])) == pytest.approx(0.5 * 0.2)
