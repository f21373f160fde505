import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.resolution import LARGEST_IN_PLANE_MM, LARGEST_SLICE_MM, LowResolution


def test_large_voxels_hold_the_mean_of_small_ones(make_acquisition):
    signal = torch.rand(2, 4, 5, 9)
    coarse = LowResolution((1.0, 1.0, 3.0))(make_acquisition(signal, voxel_size=(1.0, 1.0, 1.0))).signal
    means = signal.reshape(2, 4, 5, 3, 3).mean(dim=-1)
    torch.testing.assert_close(coarse[..., [1, 4, 7]], means)  # where centres of large and small voxels meet
    torch.testing.assert_close(coarse[..., 2], (2 * means[..., 0] + means[..., 1]) / 3)


@pytest.mark.parametrize("thickness", [3.0, 4.4, 5.0])
def test_a_thin_layer_becomes_as_wide_as_a_slice(thickness, make_acquisition):
    """Averaging and interpolating widen a layer to 1.27 slices (full width at half maximum), averaged over places."""
    widths, size = [], 0.25
    for place in range(60, 80):
        signal = torch.zeros(1, 1, 1, 160)
        signal[..., place] = 100.0
        coarse = LowResolution((size, size, thickness))(make_acquisition(signal, voxel_size=(size,) * 3)).signal
        profile = coarse.flatten()
        widths.append((profile > profile.max() / 2).sum().item() * size)
        assert profile.sum().item() == pytest.approx(100, rel=0.1)
    assert 1.0 * thickness <= sum(widths) / len(widths) <= 1.4 * thickness


def test_constants_and_axes_that_are_coarse_already_stay(make_acquisition):
    flat = make_acquisition(torch.full((1, 7, 8, 9), 3.0), voxel_size=(2.0, 2.0, 3.0))
    torch.testing.assert_close(LowResolution((2.9, 2.9, 4.7))(flat).signal, flat.signal)
    clean = make_acquisition(voxel_size=(2.0, 2.0, 3.0))
    assert torch.equal(LowResolution((1.0, 2.0, 3.0))(clean).signal, clean.signal)
    along_x = LowResolution((4.0, 2.0, 3.0))(clean).signal
    assert not torch.equal(along_x, clean.signal)


def test_slices_get_thick_and_pixels_stay_square(make_acquisition):
    clean = make_acquisition(voxel_size=(1.5, 1.5, 2.0))
    for seed in range(30):
        x, y, z = LowResolution.draw(clean, torch.Generator().manual_seed(seed)).voxel_size
        assert x == y
        assert 1.5 <= x <= LARGEST_IN_PLANE_MM
        assert 2 <= z <= LARGEST_SLICE_MM
    already = make_acquisition(voxel_size=(4.0, 4.0, 6.0))
    assert LowResolution.draw(already, torch.Generator()).voxel_size == (4.0, 4.0, 6.0)
