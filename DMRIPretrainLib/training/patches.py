"""Patches of annotated scans, the same for the same seed and number, in whatever order they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from ..qspace.features import QSpaceFeatures, QSpaceProjection
from ..tasks.task import Task
from .augmentation import Augmentation, change_bvalue, draw_bvalue_factor, draw_symmetry, draw_volumes, turn_array
from .loaded_case import LoadedCase


@dataclass
class Patch:
    """A cube cut from a scan, before the q-space fit.

    Attributes:
        signal: (N, P, P, P) signal.
        mask: (P, P, P) bool, brain.
        region: (P, P, P) 1 where the loss counts.
        b0_median: median b0 of the whole brain.
        projection: for the table of this patch.
        targets: (T, P, P, P) target of each task.
    """

    signal: torch.Tensor
    mask: torch.Tensor
    region: torch.Tensor
    b0_median: float
    projection: QSpaceProjection
    targets: dict[str, torch.Tensor]

    def features(self, device: torch.device) -> QSpaceFeatures:
        """Fit the signal, on the device."""
        return self.projection(self.signal.to(device), self.mask.to(device), self.b0_median)


class PatchDataset(Dataset[Patch]):
    """Endless patches by number.

    Half of the patches are centred anywhere in the brain, the other half on a voxel of a class drawn
    evenly, so that rare labels are seen.

    Args:
        cases: annotated scans.
        tasks: what is learned, by name.
        size: edge of a patch in voxels.
        seed: patch number i of a seed is always the same.
        augmentation: random changes.
    """

    def __init__(
        self, cases: list[LoadedCase], tasks: dict[str, Task], size: int, seed: int, augmentation: Augmentation
    ) -> None:
        self._cases = cases
        self._tasks = tasks
        self._size = size
        self._seed = seed
        self._augmentation = augmentation
        self._signals = [np.ascontiguousarray(np.moveaxis(case.scan.signal, -1, 0), dtype=np.float32) for case in cases]
        self._targets = [{n: task.target(case.labels[n]) for n, task in tasks.items()} for case in cases]
        self._centres = [self._centres_by_class(index) for index in range(len(cases))]

    def __getitem__(self, number: int) -> Patch:
        """The patch of this number."""
        rng = np.random.default_rng([self._seed, number])
        index = int(rng.integers(len(self._cases)))
        scan = self._cases[index].scan
        where, margins = self._place(self._draw_centre(index, rng), scan.shape)
        matrix = draw_symmetry(self._augmentation, rng)
        volumes = draw_volumes(scan.table, self._augmentation, rng)
        measured = scan.table.subset(volumes)
        signal = self._signals[index][(slice(None), *where)][volumes]
        signal, table = change_bvalue(signal, measured, draw_bvalue_factor(self._augmentation, rng))
        noise = scan.shell_noise(table, table.bvals.max() / measured.bvals.max())

        def turned(array: np.ndarray) -> torch.Tensor:
            """Pad (..., x, y, z) to a cube and turn it."""
            leading = array.ndim - 3
            padded = np.moveaxis(np.pad(array, [(0, 0)] * leading + margins), range(leading), range(-leading, 0))
            moved = np.moveaxis(turn_array(padded, matrix), range(-leading, 0), range(leading))
            return torch.from_numpy(np.ascontiguousarray(moved))

        targets = {
            name: self._tasks[name].move(turned(target[(slice(None), *where)]), matrix)
            for name, target in self._targets[index].items()
        }
        return Patch(
            turned(signal),
            turned(scan.mask[where]),
            turned(self._cases[index].region[where].astype(np.float32)),
            scan.b0_median,
            QSpaceProjection(table.transformed(matrix), noise),
            targets,
        )

    def _centres_by_class(self, index: int) -> list[np.ndarray]:
        """Flat indices of the usable voxels: all of them, then those of every class."""
        case = self._cases[index]
        region = np.flatnonzero(case.region)
        groups = [region]
        for name in ("segmentation", "crossings"):
            if name in self._targets[index]:
                classes = self._targets[index][name].ravel()[region]
                groups += [region[classes == value] for value in np.unique(classes)]
                break
        return groups

    def _draw_centre(self, index: int, rng: np.random.Generator) -> np.ndarray:
        groups = self._centres[index]
        balanced = len(groups) > 1 and rng.random() < 0.5
        group = groups[rng.integers(1, len(groups))] if balanced else groups[0]
        return np.array(np.unravel_index(group[rng.integers(len(group))], self._cases[index].scan.shape))

    def _place(
        self, centre: np.ndarray, shape: tuple[int, int, int]
    ) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
        """Where to cut, and how much to pad on both sides of each axis."""
        where, margins = [], []
        for middle, length in zip(centre.tolist(), shape, strict=True):
            size = min(self._size, length)
            start = int(np.clip(middle - size // 2, 0, length - size))
            where.append(slice(start, start + size))
            before = (self._size - size) // 2
            margins.append((before, self._size - size - before))
        return tuple(where), margins


class ConsecutiveSampler(Sampler[int]):
    """Numbers of the patches of one interval between validations; the trainer tells which interval it is."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._interval = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an interval."""
        self._interval = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        start = self._interval * self._length
        return iter(range(start, start + self._length))
