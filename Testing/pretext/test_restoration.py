import pytest
import torch

from DMRIPretrainLib.pretext.intensity import IntensityCurve
from DMRIPretrainLib.pretext.normalised import denormalise, normalise
from DMRIPretrainLib.pretext.painting import draw_painted, paint
from DMRIPretrainLib.pretext.restoration import corrupt_generically, map_intensity
from DMRIPretrainLib.pretext.shuffling import shuffle_locally


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def normalised(make_patch):
    patch = make_patch()
    return normalise(patch.acquisition, patch.b0_median)


def test_normalised_signals_keep_the_features(make_patch):
    patch = make_patch(((1000, 30), (2000, 20)), sigma=60.0)
    there = normalise(patch.acquisition, patch.b0_median)
    assert there.signal[:, ~there.mask].abs().max() == 0
    assert there.signal[2:].max() <= 1.5
    back = patch.features(denormalise(there, patch.b0_median))
    torch.testing.assert_close(back.shells, patch.features().shells, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(back.b0, patch.features().b0, rtol=1e-4, atol=1e-4)


def test_shuffling_moves_voxels_as_a_whole_and_not_far(normalised):
    # Each voxel holds its own position, times the number of the volume.
    count = normalised.mask.numel()
    number = torch.arange(1, count + 1, dtype=torch.float64).reshape(normalised.mask.shape)
    volumes = torch.arange(1, len(normalised.signal) + 1, dtype=torch.float64).reshape(-1, 1, 1, 1)
    shuffled = shuffle_locally(normalised.with_signal(number * volumes), seeded(1)).signal
    source = shuffled[0].long() - 1
    assert torch.equal(shuffled, (source + 1) * volumes)
    assert torch.equal(source.flatten().sort().values, torch.arange(count))
    place = torch.stack(torch.unravel_index(source, normalised.mask.shape))
    here = torch.stack(torch.unravel_index(torch.arange(count).reshape(source.shape), normalised.mask.shape))
    assert (place - here).abs().max() <= 2  # two rounds in blocks of at most two voxels
    assert (place != here).any(dim=0).float().mean() > 0.4
    assert torch.equal(normalised.mask.flatten()[source], normalised.mask)


def test_paint_is_one_value_for_all_directions(normalised):
    painted = paint(normalised, seeded(2))
    changed = (painted.signal != normalised.signal).any(dim=0) & normalised.mask
    assert 0.1 < changed[normalised.mask].float().mean() < 0.95
    for volumes in (painted.signal[:2], painted.signal[2:]):
        assert torch.equal(volumes[:, changed], volumes[:1, changed].expand(len(volumes), -1))
    paint_of_signal, paint_of_b0 = painted.signal[2][changed], painted.signal[0][changed]
    assert paint_of_signal.mean() == pytest.approx(0.5, abs=0.05)
    assert paint_of_b0.mean() == pytest.approx(1.0, abs=0.1)
    assert paint_of_signal.unique().numel() > 0.9 * changed.sum()


def test_painting_covers_boxes_or_leaves_them():
    shares = torch.tensor([draw_painted((32, 32, 32), seeded(seed)).float().mean().item() for seed in range(200)])
    # Up to five boxes of a third of the edge cover less than a fifth; five of 3/7 to 4/7 leave a quarter or more.
    assert shares.min() > 0
    assert shares.max() < 0.95
    assert (shares > 0.2).float().mean() == pytest.approx(0.8, abs=0.1)


def test_curves_keep_the_order_and_the_ends():
    values = torch.linspace(0, 1.5, 3001)
    furthest = 0.0
    for seed in range(50):
        mapped = IntensityCurve.draw(seeded(seed))(values)
        assert (mapped.diff() >= 0).all()
        assert mapped[0] == 0
        torch.testing.assert_close(mapped[values >= 1], values[values >= 1], rtol=0, atol=1e-6)
        furthest = max(furthest, (mapped - values).abs().max().item())
    assert furthest > 0.4


def test_a_curve_is_that_of_bezier():
    third = (1 / 3, 1 / 3), (2 / 3, 2 / 3)
    values = torch.rand(1000, generator=seeded())
    torch.testing.assert_close(IntensityCurve(*third)(values), values, rtol=0, atol=1e-5)
    # At t = 1/2: x = (3 a + 3 b + 1) / 8.
    curve = IntensityCurve((0.2, 0.9), (0.4, 0.7))
    point = torch.tensor([(3 * 0.2 + 3 * 0.4 + 1) / 8])
    assert curve(point).item() == pytest.approx((3 * 0.9 + 3 * 0.7 + 1) / 8, abs=1e-4)


def test_the_intensity_of_b0_stays(normalised):
    mapped = map_intensity(normalised, IntensityCurve((0.0, 1.0), (0.0, 1.0)))
    assert torch.equal(mapped.signal[:2], normalised.signal[:2])
    assert (mapped.signal[2:][:, normalised.mask] > normalised.signal[2:][:, normalised.mask]).float().mean() > 0.99


def test_equal_volumes_stay_equal(make_alike, spread):
    acquisition = make_alike(torch.rand((16, 16, 16), generator=seeded()) * 0.8 + 0.1)
    for seed in range(10):
        changed = corrupt_generically(acquisition, seeded(seed))
        assert not torch.equal(changed.signal, acquisition.signal)
        assert spread(changed.signal[2:]) == 0
        assert spread(changed.signal[:2]) == 0
