import itertools

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch.nn import functional

from DMRIPretrainLib.inference.windows import OVERLAP, BrainWindows, WindowMeans, in_box, window_count


@pytest.mark.parametrize("at_once", [1, 2, 5])
@pytest.mark.parametrize("shape", [(20, 9, 33), (7, 16, 12), (16, 16, 16)])
def test_the_mean_over_windows_is_that_of_monai(shape, at_once):
    generator = torch.Generator().manual_seed(0)
    box = torch.rand(1, 2, *shape, generator=generator)
    mask = torch.rand(shape, generator=generator) > 0.4

    def answer(window: torch.Tensor) -> torch.Tensor:
        """Depends on the neighbourhood and on the whole window, as a network does."""
        return functional.avg_pool3d(window, 3, stride=1, padding=1) + window.mean(dim=(2, 3, 4), keepdim=True)

    inferer = SlidingWindowInferer(12, overlap=OVERLAP, mode="gaussian", padding_mode="constant")
    expected = inferer(box, answer)[0][:, mask]
    means = WindowMeans(int(mask.sum()), torch.device("cpu"))
    for window in itertools.chain.from_iterable(BrainWindows(mask, 12).cut(box, at_once)):
        means.add(window, {"answer": answer(window.values)[:, :, window.inside][..., None, None]})
    torch.testing.assert_close(means.values["answer"], expected, atol=1e-5, rtol=1e-4)


def test_windows_without_brain_are_left_out():
    mask = torch.zeros(40, 12, 12, dtype=torch.bool)
    mask[:5] = mask[-1:] = True
    windows = BrainWindows(mask, 12)
    assert window_count(mask.shape, 12) == 5
    assert len(windows) == 2
    assert sum(len(window.rows) for (window,) in windows.cut(torch.zeros(1, 1, *mask.shape))) == int(mask.sum())


def test_values_come_back_to_their_voxels():
    whole = np.zeros((6, 5, 4), dtype=bool)
    whole[2:5, 1:4, 1:3] = np.random.default_rng(0).random((3, 3, 2)) > 0.3
    box = (slice(2, 5), slice(1, 4), slice(1, 3))
    values = torch.arange(2.0 * whole.sum()).reshape(2, -1)
    placed = in_box(values, whole[box], whole.shape, box)
    np.testing.assert_array_equal(placed[:, whole], values)
    assert np.count_nonzero(placed[:, ~whole]) == 0
