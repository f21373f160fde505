import numpy as np
import pytest

from DMRIPretrainLib.evaluation.segmentation import dice_scores, hausdorff_95, segmentation_metrics


def test_dice_by_hand():
    prediction, reference = np.array([1, 1, 1, 2, 0, 0]), np.array([1, 1, 2, 2, 2, 0])
    scores = dice_scores(prediction, reference, (1, 2, 3))
    assert scores[1] == pytest.approx(4 / 5)
    assert scores[2] == pytest.approx(2 / 4)
    assert np.isnan(scores[3])


def test_distances_are_in_millimetres():
    first, second = np.zeros((2, 12, 6, 6), dtype=bool)
    first[2:5, 1:4, 1:4] = True
    second[4:7, 1:4, 1:4] = True
    assert hausdorff_95(first, second, (1.5, 3, 3)) == pytest.approx(3.0)
    assert hausdorff_95(first, first, (1.5, 3, 3)) == 0
    assert np.isnan(hausdorff_95(first, np.zeros_like(first), (1, 1, 1)))


def test_distance_ignores_a_few_stray_voxels_and_agrees_with_monai():
    monai = pytest.importorskip("monai.metrics.utils")
    generator = np.random.default_rng(0)
    first = np.zeros((20, 20, 20), dtype=bool)
    first[4:15, 4:15, 4:15] = True
    second = np.roll(first, 2, axis=1) ^ (generator.random(first.shape) < 0.001)
    spacing = (1.0, 2.0, 2.5)
    ours = hausdorff_95(first, second, spacing)
    edges = monai.get_mask_edges(first, second)
    theirs = max(
        np.percentile(np.asarray(monai.get_surface_distance(*pair, spacing=spacing)), 95)
        for pair in (edges, edges[::-1])
    )
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_only_the_mask_counts():
    reference = np.ones((4, 4, 4), dtype=int)
    prediction = reference.copy()
    prediction[0] = 2
    prediction[1, 0, 0] = 0
    mask = np.ones((4, 4, 4), dtype=bool)
    mask[0] = False
    metrics = segmentation_metrics(prediction, reference, mask, (1, 1, 1), {1: "one", 2: "two"})
    assert metrics["one"]["dice"] == pytest.approx(2 * 47 / (47 + 48))
    assert metrics["one"]["volume_error_percent"] == pytest.approx(-100 / 48)
    assert np.isnan(metrics["two"]["dice"])
    assert np.isnan(metrics["two"]["volume_error_percent"])
