"""Patches of unlabelled scans, and of a mixture of sources."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from ..errors import UserError
from ..pretext.recipe import RawPatch
from ..progress import Progress, silent
from ..qspace.prepare import prepare_scan
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..scans.scan_files import ScanFiles
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from .augmentation import Augmentation, draw_symmetry
from .cube import Cube, turn_volume
from .held_scan import HeldScan, Shelf
from .pretraining import PatchSource

_log = logging.getLogger(__name__)


class ScanSource:
    """Draws patches of unlabelled scans, centred anywhere in their brains, turned at random.

    All scans are read when it is made. On a GPU patches never leave the device; 50 scans of 100 x 100 x 100 voxels and
    70 volumes take 7 GB there. Scans beyond the budget are cut from temporary files, see :class:`Shelf`.

    Args:
        files: the scans; those that cannot be used are left out with a warning.
        size: edge of a patch in voxels.
        device: where patches are wanted.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        progress: told which scan is read.
        turn: probability of a random one of the 48 rotations and flips of a cube; unless it is 0, half of the other
            patches are mirrored left to right.
        budget: bytes that scans may take on the device; by default half of the memory of the machine, or of what the
            GPU has free.

    Raises:
        UserError: if no scan can be used.
    """

    def __init__(
        self,
        files: Sequence[ScanFiles],
        size: int,
        device: torch.device | str = "cpu",
        b0_threshold: float = DEFAULT_B0_THRESHOLD,
        progress: Progress = silent,
        *,
        turn: float = Augmentation.turn,
        budget: int | None = None,
    ) -> None:
        self._size = size
        self._augmentation = Augmentation(turn=turn)
        self._scans = _read(files, Shelf(torch.device(device), budget), b0_threshold, progress, self)

    @property
    def names(self) -> list[str]:
        """Names of the scans in use."""
        return [scan.name for scan in self._scans]

    def draw(self, generator: torch.Generator) -> RawPatch:
        """A patch; equal states of the generator, which is on the CPU, give equal patches."""
        rng = np.random.default_rng(draws.seed(generator))
        scan = self._scans[rng.integers(len(self._scans))]
        shape = tuple(scan.mask.shape)
        centre = np.unravel_index(scan.inside[rng.integers(len(scan.inside))], shape)
        cube = Cube.around(tuple(map(int, centre)), shape, self._size)
        return RawPatch(cut_turned(scan, cube, draw_symmetry(self._augmentation, rng)), scan.b0_median)


class MixedSource:
    """Draws each patch from one of several sources.

    Args:
        sources: each with its share of the patches; shares need not sum to one.
    """

    def __init__(self, sources: Sequence[tuple[PatchSource, float]]) -> None:
        shares = np.array([share for _, share in sources])
        if not np.all(shares >= 0) or not shares.sum() > 0:
            raise ValueError(f"expected shares from 0 on, at least one of them above, found {shares.tolist()}")
        self._sources = [source for source, _ in sources]
        self._limits = np.cumsum(shares) / shares.sum()

    def draw(self, generator: torch.Generator) -> RawPatch:
        """A patch; equal states of the generator, which is on the CPU, give equal patches."""
        number = np.searchsorted(self._limits, draws.uniform(generator, 0, 1), side="right")
        return self._sources[number].draw(generator)


def cut_turned(scan: HeldScan, cube: Cube, matrix: np.ndarray) -> Acquisition:
    """The part of a scan in a cube, turned by a signed permutation matrix (3, 3) of the grid frame.

    Gradients, voxel size and the axes of phase encoding and of the slices are turned along.
    """
    x, y, z = (np.abs(matrix) @ scan.voxel_size).tolist()
    source = np.abs(matrix).argmax(axis=1).tolist()
    return Acquisition(
        turn_volume(scan.cut(cube), matrix),
        scan.table.transformed(matrix),
        (x, y, z),
        turn_volume(cube.cut(scan.mask), matrix),
        phase_axis=source.index(Acquisition.phase_axis),
        slice_axis=source.index(Acquisition.slice_axis),
    )


def _read(
    files: Sequence[ScanFiles], shelf: Shelf, b0_threshold: float, progress: Progress, owner: object
) -> list[HeldScan]:
    """The scans that can be used; their temporary files go with the owner."""
    scans, failures = [], []
    for number, item in enumerate(files):
        progress(f"reading {item.name}", number / len(files))
        try:
            scans.append(shelf.hold(prepare_scan(item.load(b0_threshold)), item.name))
        except UserError as error:
            _log.warning("left out: %s", error)
            failures.append(str(error))
    shelf.delete_with(owner)
    if not scans:
        reason = f"; the first one: {failures[0]}" if failures else ""
        raise UserError(f"expected at least one scan that can be used, found none of {len(files)}{reason}")
    return scans
