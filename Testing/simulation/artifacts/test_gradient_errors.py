from dataclasses import replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.gradient_errors import GradientErrors
from DMRIPretrainLib.simulation.tables import make_gradient_table


def test_errors_are_spread_as_stated(make_acquisition):
    table = make_gradient_table([(1000, 60), (2000, 60)], b0_count=4)
    clean = make_acquisition(torch.rand(124, 2, 2, 2), table)
    factors, angles = [], []
    for seed in range(20):
        wrong = GradientErrors.draw(clean, torch.Generator().manual_seed(seed))(clean).gradients
        factors.append(wrong.bvals[4:] / table.bvals[4:])
        cosine = np.linalg.norm(np.cross(wrong.directions[4:], table.directions[4:]), axis=1)
        angles.append(np.degrees(np.arcsin(cosine)))
        np.testing.assert_array_equal(wrong.directions[:4], 0)
        np.testing.assert_allclose(np.linalg.norm(wrong.directions[4:], axis=1), 1)
        assert [len(shell.indices) for shell in wrong.shells()] == [60, 60]
    assert 0.97 <= np.min(factors) < 0.972
    assert 1.028 < np.max(factors) <= 1.03
    assert np.std(factors) == pytest.approx(0.06 / np.sqrt(12), rel=0.05)
    assert 0.95 < np.max(angles) <= 1.0
    assert np.mean(angles) == pytest.approx(0.5 * np.pi / 4, rel=0.05)  # the part across of a vector of mean 0.5


def test_a_direction_turns_about_its_vector(make_acquisition):
    table = make_gradient_table([(1000, 6)], b0_count=0)
    table = replace(table, directions=np.tile([1.0, 0, 0], (6, 1)))
    errors = GradientErrors((1.0,) * 6, ((0.0, 0.0, 1.0),) * 6)
    wrong = errors(make_acquisition(torch.rand(6, 2, 2, 2), table)).gradients.directions[0]
    np.testing.assert_allclose(wrong, [np.cos(np.radians(1)), np.sin(np.radians(1)), 0], atol=1e-5)


def test_the_signal_stays_and_an_axis_can_flip(make_acquisition):
    clean = make_acquisition()
    count = len(clean.signal)
    flipped = GradientErrors((1.0,) * count, ((0.0, 0.0, 0.0),) * count, flipped_axis=1)(clean)
    assert flipped.signal is clean.signal
    np.testing.assert_allclose(flipped.gradients.directions, clean.gradients.directions * [1, -1, 1])
    assert GradientErrors.draw(clean, torch.Generator()).flipped_axis is None
