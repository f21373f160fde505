import math

import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.ghost import AMPLITUDE, NyquistGhost


@pytest.mark.parametrize("phase_axis", [0, 1])
def test_the_ghost_lies_half_a_field_of_view_away(phase_axis, make_acquisition):
    signal = torch.zeros(1, 16, 16, 3)
    signal[0, 3, 5, 1] = 100.0
    ghosted = NyquistGhost(phase=0.1)(make_acquisition(signal, phase_axis=phase_axis)).signal
    expected = torch.zeros_like(signal)
    expected[0, 3, 5, 1] = 100 * math.cos(0.1)
    ghost = (11, 5) if phase_axis == 0 else (3, 13)
    expected[0, *ghost, 1] = 100 * math.sin(0.1)
    torch.testing.assert_close(ghosted, expected, rtol=1e-5, atol=1e-4)


def test_odd_and_even_lines_of_k_space_have_opposite_phase(make_acquisition):
    """Against k-space by hand; image and ghost are a quarter turn apart, so they add as squares and keep the energy."""
    clean = make_acquisition()
    ghosted = NyquistGhost(phase=-0.15)(clean).signal
    k_space = np.fft.fft(clean.signal.numpy(), axis=2)
    k_space[:, :, 0::2] *= np.exp(-0.15j)
    k_space[:, :, 1::2] *= np.exp(+0.15j)
    np.testing.assert_allclose(ghosted, np.abs(np.fft.ifft(k_space, axis=2)), rtol=1e-4, atol=0.01)
    torch.testing.assert_close((ghosted**2).sum(), (clean.signal**2).sum())


def test_a_delay_changes_the_ghost_along_the_readout(make_acquisition):
    signal = torch.zeros(1, 4, 8, 1)
    signal[:, :, 0] = 100.0
    ghost = NyquistGhost(phase=0.08, slope=0.08)(make_acquisition(signal)).signal[0, :, 4, 0]
    expected = 100 * torch.sin(0.08 + 0.08 * torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(ghost, expected, rtol=1e-4, atol=1e-4)


def test_an_odd_number_of_lines_keeps_energy_and_image(make_acquisition):
    signal = torch.zeros(1, 1, 15, 1)
    signal[0, 0, 4] = 100.0
    ghosted = NyquistGhost(phase=0.1)(make_acquisition(signal)).signal.flatten()
    assert ghosted.argmax() == 4
    ghosted[4] = 0
    assert sorted(ghosted.topk(2).indices.tolist()) == [11, 12]  # 4 + 7.5


def test_the_ghost_is_two_to_fifteen_percent(make_acquisition):
    clean = make_acquisition()
    drawn = [NyquistGhost.draw(clean, torch.Generator().manual_seed(seed)) for seed in range(100)]
    largest = np.sin([abs(ghost.phase) + abs(ghost.slope) for ghost in drawn])
    assert AMPLITUDE[0] <= largest.min()
    assert largest.max() <= AMPLITUDE[1]
    assert largest.max() - largest.min() > 0.1
