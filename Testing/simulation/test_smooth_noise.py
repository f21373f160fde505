import pytest
import torch

from DMRIPretrainLib.simulation.smooth_noise import HALF_EXTENT, SmoothNoise

AXIS = torch.linspace(-60, 60, 61)


def test_noise_is_standardised_and_smooth():
    noise = SmoothNoise.draw(torch.Generator().manual_seed(0), 8.0, fields=4).on_grid(AXIS, AXIS, AXIS)
    assert noise.shape == (4, 61, 61, 61)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    assert noise.mean().abs() < 0.05
    # Cubic B-splines of variance spacing²/3 convolved with white noise: correlation as of a Gaussian of that width.
    shift = 3  # 6 mm
    correlation = torch.corrcoef(torch.stack([noise[:, shift:].flatten(), noise[:, :-shift].flatten()]))[0, 1]
    assert correlation.item() == pytest.approx(2.718 ** (-(6.0**2) / (4 * 64 / 3)), abs=0.05)


def test_a_field_is_a_function_of_the_position():
    noise = SmoothNoise.draw(torch.Generator().manual_seed(1), 12.0)
    fine = noise.on_grid(AXIS, AXIS[10:20], AXIS)
    assert torch.equal(noise.on_grid(AXIS[::2], AXIS[10:20], AXIS), fine[:, ::2])
    x, y, z = torch.meshgrid(AXIS, AXIS[10:20], AXIS, indexing="ij")
    torch.testing.assert_close(noise.at(x, y, z, fineness=8), fine, atol=0.05, rtol=0)
    far = torch.full((1,), 10 * HALF_EXTENT)
    torch.testing.assert_close(noise.at(far, far, far), noise.at(far / 10, far / 10, far / 10))
