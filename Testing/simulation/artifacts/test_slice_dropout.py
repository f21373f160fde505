import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.slice_dropout import (
    FACTOR,
    LARGEST_SHARE,
    DroppedSlices,
    SliceDropout,
    interleaved_order,
)


@pytest.mark.parametrize("slice_axis", [0, 2])
def test_the_chosen_slices_alone_lose_signal(slice_axis, make_acquisition):
    clean = make_acquisition(torch.full((4, 8, 8, 8), 100.0), slice_axis=slice_axis)
    events = (DroppedSlices(1, (2, 4), 0.3), DroppedSlices(3, (7,), 0.5), DroppedSlices(3, (7,), 0.5))
    signal = SliceDropout(events)(clean).signal
    expected = torch.ones(4, 8)
    expected[1, [2, 4]], expected[3, 7] = 0.3, 0.25
    others = [axis for axis in (1, 2, 3) if axis != slice_axis + 1]
    torch.testing.assert_close(signal.mean(dim=others), 100 * expected)
    assert signal.std(dim=others).max() < 1e-4


def test_slices_are_excited_one_apart():
    assert interleaved_order(7) == [0, 2, 4, 6, 1, 3, 5]
    assert interleaved_order(1) == [0]


def test_drawn_dropout_hits_neighbours_in_time(make_acquisition):
    clean = make_acquisition(shape=(16, 16, 20))
    shares = []
    for seed in range(100):
        events = SliceDropout.draw(clean, torch.Generator().manual_seed(seed)).events
        shares.append(len(events) / 8)
        for event in events:
            assert event.volume in clean.weighted_volumes
            assert FACTOR[0] <= event.factor <= FACTOR[1]
            times = np.sort([interleaved_order(20).index(slice_) for slice_ in event.slices])
            np.testing.assert_array_equal(np.diff(times), 1)
            assert len(times) <= 5
    assert min(shares) > 0
    assert max(shares) <= LARGEST_SHARE


def test_without_weighted_volumes_nothing_drops(make_acquisition):
    assert SliceDropout.draw(make_acquisition(torch.rand(3, 4, 4, 4)), torch.Generator()).events == ()
