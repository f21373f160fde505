import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.displace import displace


def line(*values):
    return torch.tensor(values).reshape(1, 1, -1, 1)


def test_no_displacement_is_exact():
    signal = torch.rand(2, 5, 6, 7)
    for axis in range(3):
        assert torch.equal(displace(signal, torch.zeros(1, 5, 6, 7), axis), signal)


def test_whole_and_half_voxels():
    signal = line(0.0, 8.0, 4.0, 0.0, 0.0)
    torch.testing.assert_close(displace(signal, torch.full_like(signal, 2.0), 1), line(0.0, 0.0, 0.0, 8.0, 4.0))
    torch.testing.assert_close(displace(signal, torch.full_like(signal, -0.5), 1), line(4.0, 6.0, 2.0, 0.0, 0.0))


@pytest.mark.parametrize("slope", [-0.3, 0.4])
def test_stretching_darkens_by_the_jacobian(slope):
    signal = torch.zeros(1, 1, 101, 1)
    signal[:, :, 30:71] = 100.0
    position = torch.arange(101.0).reshape(1, 1, -1, 1) - 50
    stretched = displace(signal, slope * position, 1)
    torch.testing.assert_close(stretched[0, 0, 45:56, 0], torch.full((11,), 100 / (1 + slope)), rtol=1e-5, atol=0)
    assert stretched.sum().item() == pytest.approx(4100, rel=1e-5)
    width = (stretched > 50 / (1 + slope)).sum().item()
    assert width == pytest.approx(41 * (1 + slope), abs=1)


def test_folded_signal_piles_up_and_none_is_lost():
    signal = torch.zeros(1, 1, 40, 1)
    signal[:, :, 10:30] = 1.0
    fold = -1.7 * (torch.arange(40.0).reshape(1, 1, -1, 1) - 20).clamp(-6, 6)  # reverses the order in the middle
    folded = displace(signal, fold, 1)
    assert folded.sum().item() == pytest.approx(20, rel=1e-5)
    assert folded.max() > 2


def test_what_leaves_the_grid_is_lost():
    signal = line(1.0, 1.0, 1.0, 1.0)
    torch.testing.assert_close(displace(signal, torch.full_like(signal, 50.0), 1), torch.zeros_like(signal))
    torch.testing.assert_close(displace(signal, torch.full_like(signal, -1.0), 1), line(1.0, 1.0, 1.0, 0.0))


def test_every_axis_and_volume_has_its_own_displacement():
    signal = torch.rand(2, 6, 6, 6)
    signal[..., -1] = 0
    shift = torch.stack([torch.zeros(6, 6, 6), torch.ones(6, 6, 6)])
    result = displace(signal, shift, 2)
    torch.testing.assert_close(result[0], signal[0])
    torch.testing.assert_close(result[1, ..., 1:], signal[1, ..., :-1])
