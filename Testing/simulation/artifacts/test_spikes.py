import math

import numpy as np
import torch

from DMRIPretrainLib.simulation.artifacts.spikes import AMPLITUDE, Spike, Spikes


def test_a_spike_is_one_sample_of_k_space_of_one_slice(make_acquisition):
    clean = make_acquisition()
    spike = Spike(volume=3, slice_position=5 / 11, frequency=(3 / 8, -4 / 9), amplitude=0.8, phase=0.3)
    corrupted = Spikes((spike,))(clean).signal

    k_space = np.fft.fft2(clean.signal[3, :, :, 5].numpy())
    centre = (np.array([16, 18]) - 1) / 2  # the phase of the wave is counted from the centre of the slice
    angle = spike.phase - 2 * np.pi * (3 / 16 * centre[0] - 4 / 18 * centre[1])
    k_space[3, -4] += 0.8 * k_space[0, 0] * np.exp(1j * angle)
    np.testing.assert_allclose(corrupted[3, :, :, 5], np.abs(np.fft.ifft2(k_space)), rtol=1e-4, atol=0.05)

    others = torch.ones(clean.signal.shape, dtype=torch.bool)
    others[3, :, :, 5] = False
    assert torch.equal(corrupted[others], clean.signal[others])


def test_two_spikes_in_a_slice_add_up(make_acquisition):
    clean = make_acquisition()
    one = Spike(0, 0.5, (0.5, 0.0), 0.5, 0.0)
    opposite = Spike(0, 0.5, (0.5, 0.0), 0.5, math.pi)
    torch.testing.assert_close(Spikes((one, opposite))(clean).signal, clean.signal, rtol=1e-5, atol=1e-2)


def test_readout_and_phase_encoding_are_told_apart(make_acquisition):
    for phase_axis in (0, 1):
        clean = make_acquisition(torch.full((1, 16, 16, 3), 100.0), phase_axis=phase_axis)
        striped = Spikes((Spike(0, 0.5, (0.0, 0.5), 0.5, 0.0),))(clean).signal[0, :, :, 1]
        assert striped.std(dim=phase_axis).min() > 10
        assert striped.std(dim=1 - phase_axis).max() < 1e-3


def test_few_volumes_have_spikes(make_acquisition):
    clean = make_acquisition(torch.rand(100, 4, 4, 4))
    shares = []
    for seed in range(50):
        spikes = Spikes.draw(clean, torch.Generator().manual_seed(seed)).spikes
        shares.append(len({spike.volume for spike in spikes}))
        assert all(AMPLITUDE[0] <= spike.amplitude <= AMPLITUDE[1] for spike in spikes)
    assert min(shares) == 1
    assert max(shares) == 5
