from dataclasses import replace

import numpy as np
import pytest

from DMRIPretrainLib.evaluation.segmentation import dice_scores
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.reference.tissue import tissue_labels


@pytest.mark.parametrize(("shell", "least"), [((1000, 64), 0.85), ((1500, 20), 0.85), ((1000, 12), 0.8)])
def test_tissue_of_a_simulated_brain_is_found(shell, least):
    brain = simulate_brain((40, 46, 38), seed=1)
    scan = simulate_signal(brain, make_gradient_table([shell], b0_count=4, seed=2), snr=20, seed=3)
    labels = tissue_labels(scan)
    dice = dice_scores(labels.segmentation, brain.segmentation.numpy(), (1, 2, 3))
    assert min(dice.values()) > least
    np.testing.assert_allclose(labels.probabilities.sum(axis=-1), 1, atol=1e-5)
    assert np.mean(labels.probabilities.argmax(axis=-1) == labels.segmentation) > 0.95
    assert np.all(labels.probabilities[~scan.mask][:, 0] == 1)
    assert np.all(labels.segmentation[~scan.mask] == 0)
    voxel = np.linalg.det(brain.affine) / 1000
    assert labels.recipe["volumes [ml]"]["WM"] == pytest.approx((labels.segmentation == 3).sum() * voxel, rel=0.01)

    bias = np.exp(np.linspace(-0.7, 0.7, scan.shape[0]))[:, None, None, None]
    again = tissue_labels(replace(scan, signal=scan.signal * bias))
    assert np.mean(again.segmentation == labels.segmentation) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", ["toshiba", "prisma", "elition"])
def test_volumes_of_real_brains_are_plausible(shared_scan_path, name):
    from DMRIPretrainLib.scans.load import load_scan

    volumes = tissue_labels(load_scan(shared_scan_path(name))).recipe["volumes [ml]"]
    assert 0.5 < volumes["WM"] / volumes["GM"] < 1.3
    assert 0.05 < volumes["CSF"] / sum(volumes.values()) < 0.3
