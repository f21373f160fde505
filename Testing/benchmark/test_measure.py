"""Metrics of single scans."""

import numpy as np
import pytest

from DMRIPretrainLib.benchmark.measure import METRICS, KnownScan, scan_metrics
from DMRIPretrainLib.inference.predict import Prediction
from DMRIPretrainLib.tasks.registry import default_head

SHAPE = (6, 6, 6)


@pytest.fixture
def truth() -> KnownScan:
    rng = np.random.default_rng(0)
    segmentation = rng.integers(0, 4, SHAPE)
    crossings = np.where(segmentation == 3, rng.integers(1, 4, SHAPE), 0)
    peaks = np.zeros((*SHAPE, 3, 3))
    for fibre, axis in enumerate(np.eye(3)):
        peaks[crossings > fibre, fibre] = axis / (1 + fibre)
    return KnownScan("sub", None, segmentation, crossings, peaks)


def answers(segmentation, crossings, peaks) -> dict[str, Prediction]:
    found = {"segmentation": segmentation, "crossings": crossings, "orientation": peaks}
    return {task: Prediction(default_head(task), answer, answer, None) for task, answer in found.items()}


def test_the_truth_is_perfect(truth):
    metrics = scan_metrics(answers(truth.segmentation, truth.crossings, truth.peaks), truth)
    assert {name: metrics[name] for name in METRICS} == pytest.approx(
        {name: 1.0 if more else 0.0 for name, more in METRICS.items()}
    )


def test_fibres_count_in_white_matter_alone(truth):
    outside = truth.segmentation != 3
    crossings, peaks = truth.crossings.copy(), truth.peaks.copy()
    crossings[outside], peaks[outside] = 3, [0, 1, 0]
    metrics = scan_metrics(answers(truth.segmentation, crossings, peaks), truth)
    assert metrics["count_macro_f1"] == 1.0
    assert metrics["angle_mean"] == 0.0


def test_errors_are_where_they_are(truth):
    white = truth.segmentation == 3
    ones = np.where(white, 1, 0)
    turned = truth.peaks[..., [1, 2, 0]]
    lost = np.where(truth.segmentation == 1, 2, truth.segmentation)
    metrics = scan_metrics(answers(lost, ones, turned), truth)
    assert (metrics["dice_csf"], metrics["dice_wm"]) == (0.0, 1.0)
    assert 0 < metrics["dice_gm"] < 1
    share = np.mean(truth.crossings[white] == 1)
    assert metrics["count_macro_f1"] == pytest.approx(2 * share / (1 + share) / 3)
    assert metrics["crossing_f1"] == 0.0
    assert np.sum(metrics["confusion"]) == white.sum()
    assert metrics["angle_mean"] == pytest.approx(90.0)
