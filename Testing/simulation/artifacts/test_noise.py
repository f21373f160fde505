import numpy as np
import pytest
import torch
from scipy.special import hyp1f1, poch

from DMRIPretrainLib.simulation.artifacts.noise import B0_SNR, Noise


@pytest.mark.parametrize("coils", [1, 4])
@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0, 3.0])
def test_mean_and_variance_are_those_of_the_noncentral_chi_distribution(signal, coils, make_acquisition):
    """Mean: sqrt(pi / 2) (3/2)_(n-1) / (n-1)! 1F1(-1/2, n, -S² / 2); Rician for n = 1. Second moment: S² + 2n."""
    clean = make_acquisition(torch.full((1, 60, 60, 60), signal))
    noisy = Noise(sigma=1.0, coils=coils, seed=1)(clean).signal.double()
    mean = np.sqrt(np.pi / 2) * poch(1.5, coils - 1) / poch(1, coils - 1) * hyp1f1(-0.5, coils, -(signal**2) / 2)
    variance = signal**2 + 2 * coils - mean**2
    assert noisy.mean().item() == pytest.approx(mean, abs=0.01)
    assert noisy.var().item() == pytest.approx(variance, abs=0.02)


def test_the_floor_of_air_is_rayleigh_distributed(make_acquisition):
    noisy = Noise(sigma=20.0)(make_acquisition(torch.zeros(1, 50, 50, 50))).signal
    assert noisy.mean().item() == pytest.approx(20 * np.sqrt(np.pi / 2), rel=0.01)
    assert noisy.std().item() == pytest.approx(20 * np.sqrt(2 - np.pi / 2), rel=0.01)


def test_the_g_factor_is_a_smooth_map_of_the_noise(make_acquisition):
    clean = make_acquisition(torch.full((400, 9, 9, 9), 1000.0))
    noise = Noise(sigma=10.0, g_factor=2.0, g_centre=(0.0, 0.0, 0.0))
    measured = noise(clean).signal.std(dim=0)
    assert measured[4, 4, 4].item() == pytest.approx(20, rel=0.12)
    assert measured[0, 0, 0].item() == pytest.approx(10 * (1 + np.exp(-3 * (8 / 9) ** 2 / 0.72)), rel=0.12)
    torch.testing.assert_close(measured, noise.sigma_map(clean), rtol=0.25, atol=0)


def test_the_snr_is_that_of_b0_in_the_mask(make_acquisition):
    clean = make_acquisition()
    drawn = [Noise.draw(clean, torch.Generator().manual_seed(seed)) for seed in range(200)]
    largest = [noise.sigma * noise.g_factor * np.sqrt(noise.coils) for noise in drawn]
    snr = clean.b0_level() / np.array(largest)
    assert B0_SNR[0] <= snr.min() < 5.5
    assert 45 < snr.max() <= B0_SNR[1]
    assert np.median(snr) == pytest.approx(np.sqrt(5 * 50), rel=0.15)  # log-uniform
    assert {noise.coils for noise in drawn} == set(range(1, 9))


def test_the_floor_is_never_above_a_third_of_b0(make_acquisition):
    clean = make_acquisition()
    air = clean.with_signal(torch.zeros_like(clean.signal))
    for seed in range(30):
        noise = Noise.draw(clean, torch.Generator().manual_seed(seed))
        assert noise(air).signal.mean() < 0.33 * clean.b0_level()


def test_volumes_have_noise_of_their_own(make_acquisition):
    noisy = Noise(sigma=1.0)(make_acquisition(torch.full((2, 20, 20, 20), 100.0))).signal - 100
    correlation = np.corrcoef(noisy.reshape(2, -1).numpy())[0, 1]
    assert abs(correlation) < 0.05
