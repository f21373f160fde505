"""Windows that cover a box, and the mean of what they answer.

Windows and weights are those of MONAI's ``SlidingWindowInferer`` (Gaussian, zero padding). It is not used for two
reasons: here answers are computed and added up in the voxels of the brain alone, a third of those of all windows; and
importing MONAI takes longer than a small scan does.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

#: Share of a window that overlaps the next one.
OVERLAP = 0.25
#: Standard deviation of the weights over the edge of a window, and the least weight over the largest.
_SPREAD, _LEAST_WEIGHT = 0.125, 1e-3


def window_starts(size: int, window: int) -> list[int]:
    """First voxels along an axis of windows that overlap by a quarter at least; the last one ends with the axis."""
    step, last = max(1, int(window * (1 - OVERLAP))), max(0, size - window)
    return sorted({min(start, last) for start in range(0, last + step, step)})


def window_count(shape: Sequence[int], window: int) -> int:
    """How many windows cover a box of this shape."""
    return int(np.prod([len(window_starts(size, window)) for size in shape]))


def window_weights(window: int) -> torch.Tensor:
    """(W, W, W) float32 weight of each voxel of a window: those near its sides see less around them."""
    distance = torch.arange(window, dtype=torch.float32) - (window - 1) / 2
    along = torch.exp(distance.square() / (-2 * (_SPREAD * window) ** 2))
    weights = along[:, None, None] * along[:, None] * along
    return weights.clamp_(min=max(float(weights.min()), _LEAST_WEIGHT))


class Window(NamedTuple):
    """A window of a box.

    Attributes:
        values: (1, C, W, W, W) of the box.
        inside: (W, W, W) bool, which voxels are in the brain.
        rows: (N,) their places among the voxels of the mask in C order.
        share: (N,) their share in the mean.
    """

    values: torch.Tensor
    inside: torch.Tensor
    rows: torch.Tensor
    share: torch.Tensor


class BrainWindows:
    """Windows that hold voxels of a brain.

    Args:
        mask: (X, Y, Z) bool tensor.
        window: edge of a window; a smaller box is padded evenly with zeros.
    """

    def __init__(self, mask: torch.Tensor, window: int) -> None:
        missing = [max(0, window - size) for size in mask.shape]
        #: For ``torch.nn.functional.pad``: last axis first.
        self._padding = [n for m in reversed(missing) for n in (m // 2, m - m // 2)]
        self._mask = functional.pad(mask, self._padding)
        self._row = (self._mask.flatten().cumsum(0) - 1).view(self._mask.shape)
        self._weights = window_weights(window).to(mask.device)
        starts = [window_starts(size, window) for size in self._mask.shape]
        cubes = [tuple(slice(s, s + window) for s in corner) for corner in itertools.product(*starts)]
        self._cubes = [cube for cube in cubes if self._mask[cube].any()]
        self._total = torch.zeros(int(mask.sum()), device=mask.device)
        for cube in self._cubes:
            inside = self._mask[cube]
            self._total.index_add_(0, self._row[cube][inside], self._weights[inside])

    def __len__(self) -> int:
        return len(self._cubes)

    def cut(self, box: torch.Tensor, at_once: int = 1) -> Iterator[list[Window]]:
        """All windows of a (1, C, X, Y, Z) box, so many at once; there may be fewer at the end."""
        padded = functional.pad(box, self._padding) if any(self._padding) else box
        for first in range(0, len(self._cubes), at_once):
            yield [self._window(padded, cube) for cube in self._cubes[first : first + at_once]]

    def _window(self, padded: torch.Tensor, cube: tuple[slice, ...]) -> Window:
        inside = self._mask[cube]
        rows = self._row[cube][inside]
        return Window(padded[:, :, *cube], inside, rows, self._weights[inside] / self._total[rows])


class WindowMeans:
    """Means over the windows that hold a voxel.

    Args:
        voxels: of the mask.
        device: where to add up.

    Attributes:
        values: (C, V) float32 by name.
    """

    def __init__(self, voxels: int, device: torch.device) -> None:
        self._voxels, self._device = voxels, device
        self.values: dict[str, torch.Tensor] = {}

    def add(self, window: Window, found: Mapping[str, torch.Tensor]) -> None:
        """Add (1, C, N, 1, 1) values of the voxels of a window, by name."""
        for name, values in found.items():
            if name not in self.values:
                self.values[name] = torch.zeros(values.shape[1], self._voxels, device=self._device)
            self.values[name].index_add_(1, window.rows, values[0, :, :, 0, 0].float() * window.share)


def in_box(values: torch.Tensor, mask: np.ndarray, shape: Sequence[int], box: tuple[slice, ...]) -> np.ndarray:
    """(C, X, Y, Z) float32 array that holds (C, V) values in the voxels of a mask and zero elsewhere.

    Args:
        values: of the V voxels of the mask in C order.
        mask: (x, y, z) bool, of the box.
        shape: of the whole grid.
        box: where in the grid the mask lies.
    """
    whole = np.zeros((len(values), *shape), dtype=np.float32)
    whole[(slice(None), *box)][:, mask] = values.cpu().numpy()
    return whole
