from dataclasses import replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.susceptibility import LARGEST_DISPLACEMENT_MM, Susceptibility


@pytest.fixture
def field():
    return Susceptibility(displacement_mm=6.0, centres=((0.0, 8.0, -12.0),), radii=(14.0,), polarity=1)


@pytest.mark.parametrize("phase_axis", [0, 1])
def test_both_polarities_keep_the_signal_along_phase_encoding(phase_axis, field, make_acquisition):
    clean = make_acquisition(shape=(32, 32, 20), voxel_size=(2.0, 2.0, 2.0), phase_axis=phase_axis)
    for polarity in (1, -1):
        distorted = replace(field, polarity=polarity)(clean).signal
        assert (distorted - clean.signal).abs().max() > 100
        along = phase_axis + 1
        torch.testing.assert_close(distorted.sum(dim=along), clean.signal.sum(dim=along), rtol=1e-3, atol=0.5)


def test_opposite_polarities_displace_oppositely(make_acquisition):
    signal = torch.zeros(1, 9, 41, 9)
    signal[:, :, 20] = 100.0
    clean = make_acquisition(signal, voxel_size=(4.0, 2.0, 4.0))
    gentle = Susceptibility(displacement_mm=4.0, centres=((0.0, 5.0, -12.0),), radii=(30.0,))
    place = ((torch.arange(41) - 20) * 2.0)[:, None]
    up, down = ((replace(gentle, polarity=polarity)(clean).signal[0] * place).sum(dim=1) / 100 for polarity in (1, -1))
    # A compressed voxel falls into one voxel, whose centre is elsewhere: up to 0.15 voxels here.
    torch.testing.assert_close(up, gentle.displacement_map(clean)[:, 20], rtol=0, atol=0.3)
    torch.testing.assert_close(down, -up, rtol=0, atol=0.3)
    assert up.abs().max() > 3
    assert up.min() < -1  # both ways in one field


def test_far_away_the_field_is_that_of_a_dipole(make_acquisition):
    clean = make_acquisition(torch.ones(1, 81, 81, 81), voxel_size=(2.0, 2.0, 2.0))
    field = Susceptibility(5.0, ((0.0, 0.0, 0.0),), (6.0,)).displacement_map(clean)
    assert field.abs().max().item() == pytest.approx(5.0)
    near, far = field[40, 40, 60].item(), field[40, 40, 80].item()  # 40 and 80 mm along B0
    assert near / far == pytest.approx(8, rel=0.08)
    assert field[60, 40, 40].item() / near == pytest.approx(-0.5, rel=1e-3)
    magic = field[40 + 28, 40, 40 + 20].item()  # tan² of the magic angle is 2
    assert abs(magic) < 0.02 * near


def test_the_brain_is_displaced_by_no_more_than_the_limit_and_at_its_base(make_acquisition):
    clean = make_acquisition(shape=(32, 32, 32), voxel_size=(5.0, 5.0, 5.0))
    for seed in range(20):
        drawn = Susceptibility.draw(clean, torch.Generator().manual_seed(seed))
        inside = drawn.displacement_map(clean)[clean.mask].abs().max().item()
        assert inside == pytest.approx(drawn.displacement_mm, rel=1e-4)
        assert LARGEST_DISPLACEMENT_MM[0] <= inside <= LARGEST_DISPLACEMENT_MM[1] + 1e-4
        assert np.all(np.array(drawn.centres)[:, 2] < 0)


def test_weighted_and_other_volumes_are_distorted_alike(field, make_acquisition):
    clean = make_acquisition()
    distorted = field(clean).signal
    torch.testing.assert_close(distorted[5] / distorted[5].sum(), distorted[0] / distorted[0].sum())
