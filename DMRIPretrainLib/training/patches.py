"""Patches of annotated scans, the same for the same seed and number, in whatever order they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from ..networks.voxels import learned_voxels
from ..qspace.features import QSpaceFeatures, QSpaceProjection
from ..tasks.task import Task
from .augmentation import Augmentation, change_bvalue, draw_bvalue_factor, draw_symmetry, draw_volumes
from .cube import Cube, turn_volume
from .loaded_case import LoadedCase


@dataclass
class Patch:
    """A cube cut from a scan, before the q-space fit.

    Attributes:
        signal: (N, P, P, P) signal.
        mask: (P, P, P) bool, brain.
        voxels: (V,) flat indices of the voxels in which the loss is taken; some may come more than once.
        b0_median: median b0 of the whole brain.
        projection: for the table of this patch.
        targets: (T, P, P, P) target of each task.
    """

    signal: torch.Tensor
    mask: torch.Tensor
    voxels: torch.Tensor
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
        cube = Cube.around(self._draw_centre(index, rng), scan.shape, self._size)
        matrix = draw_symmetry(self._augmentation, rng)
        volumes = draw_volumes(scan.table, self._augmentation, rng)
        measured = scan.table.subset(volumes)
        signal = self._signals[index][(slice(None), *cube.where)][volumes]
        signal, table = change_bvalue(signal, measured, draw_bvalue_factor(self._augmentation, rng))
        noise = scan.shell_noise(table, table.bvals.max() / measured.bvals.max())

        def turned(part: np.ndarray) -> torch.Tensor:
            """Pad (..., x, y, z) to a cube and turn it."""
            return turn_volume(cube.pad(torch.from_numpy(np.ascontiguousarray(part))), matrix)

        targets = {
            name: self._tasks[name].move(turned(target[(slice(None), *cube.where)]), matrix)
            for name, target in self._targets[index].items()
        }
        return Patch(
            turned(signal),
            turned(scan.mask[cube.where]),
            _draw_voxels(turned(self._cases[index].region[cube.where]), rng),
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

    def _draw_centre(self, index: int, rng: np.random.Generator) -> tuple[int, int, int]:
        groups = self._centres[index]
        balanced = len(groups) > 1 and rng.random() < 0.5
        group = groups[rng.integers(1, len(groups))] if balanced else groups[0]
        x, y, z = np.unravel_index(group[rng.integers(len(group))], self._cases[index].scan.shape)
        return int(x), int(y), int(z)


def _draw_voxels(region: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Flat indices of voxels of a (P, P, P) bool region, which holds at least the one that the patch is drawn for."""
    inside = region.flatten().nonzero()[:, 0]
    return inside[torch.from_numpy(rng.integers(len(inside), size=learned_voxels(region.numel())))]


class ConsecutiveSampler(Sampler[int]):
    """Numbers of the patches of a run, in order: those of step s are the same however often the run was resumed.

    Of several processes each takes its part of every step.

    Args:
        batch: patches a step, for each process.
        first: the step to begin with.
        steps: the step to end before.
        rank: which of the processes this one is.
        world: how many processes there are.
    """

    def __init__(self, batch: int, first: int, steps: int, rank: int = 0, world: int = 1) -> None:
        self._batch, self._rank, self._world = batch, rank, world
        self._steps = range(first, max(first, steps))

    def __len__(self) -> int:
        return len(self._steps) * self._batch

    def __iter__(self) -> Iterator[int]:
        for step in self._steps:
            start = (step * self._world + self._rank) * self._batch
            yield from range(start, start + self._batch)
