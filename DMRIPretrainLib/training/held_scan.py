"""Scans kept where patches can be cut from them quickly: in memory, on a GPU, or in files mapped into memory."""

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import UserError
from ..qspace.prepare import PreparedScan
from ..scans.gradient_table import GradientTable
from .cube import Cube

#: Share of the memory of the machine, or of what is free on a GPU, that scans may take.
_MEMORY_SHARE = 0.5
#: Where the machine does not tell how much memory it has.
_ASSUMED_MEMORY = 8 * 2**30


@dataclass(frozen=True)
class HeldScan:
    """A scan in RAS voxel order that patches are cut from.

    Attributes:
        name: for messages.
        signal: (N, X, Y, Z) signal over the median b0; or a file (``.npy``) with it.
        table: gradient table in the grid frame.
        voxel_size: (3,) edge lengths in mm.
        mask: (X, Y, Z) bool, on the device where patches are wanted.
        inside: (V,) flat indices of the voxels of the mask.
        b0_median: median b0 in the mask, in the unit of the scan.
    """

    name: str
    signal: torch.Tensor | Path
    table: GradientTable
    voxel_size: np.ndarray
    mask: torch.Tensor
    inside: np.ndarray
    b0_median: float

    def cut(self, cube: Cube) -> torch.Tensor:
        """(N, P, P, P) float32 copy of the signal in a cube, in the unit of the scan, on the device of the mask."""
        if isinstance(self.signal, Path):
            # Opened anew each time: an open map would be copied whole into every worker that is spawned.
            mapped = np.load(self.signal, mmap_mode="r")
            part = cube.pad(torch.from_numpy(np.array(mapped[(slice(None), *cube.where)])).to(self.mask.device))
        else:
            part = cube.cut(self.signal)
        return part.float() * self.b0_median


class Shelf:
    """Keeps scans on a device while there is room, the others in a temporary folder.

    On a CPU they are float32; on a GPU and in files float16, whose rounding (0.05 %) is far below noise. Plain tensors
    and paths are shared by forked and spawned processes without a copy for each. Where temporary files are kept, the
    environment variable ``TMPDIR`` tells.

    Args:
        device: where patches are wanted.
        budget: bytes that scans may take on the device; by default half of the memory of the machine, or of what the
            GPU has free.
    """

    def __init__(self, device: torch.device, budget: int | None = None) -> None:
        self._device = device
        self._dtype = torch.float32 if device.type == "cpu" else torch.float16
        self._room = _memory_for_scans(device) if budget is None else budget
        self._folder: Path | None = None
        self._count = 0

    def hold(self, scan: PreparedScan, name: str) -> HeldScan:
        """Copy a scan to where patches are cut from.

        Raises:
            UserError: if it needs a temporary file and the disk has no room for it.
        """
        needed = scan.signal.size * self._dtype.itemsize
        signal: torch.Tensor | Path
        if needed <= self._room:
            self._room -= needed
            signal = torch.empty((scan.signal.shape[3], *scan.shape), dtype=self._dtype, device=self._device)
            _fill(signal, scan)
        else:
            signal = self._write(scan, name)
        return HeldScan(
            name=name,
            signal=signal,
            table=scan.table,
            voxel_size=np.linalg.norm(scan.affine[:3, :3], axis=0),
            mask=torch.from_numpy(np.ascontiguousarray(scan.mask)).to(self._device),
            inside=np.flatnonzero(scan.mask),
            b0_median=scan.b0_median,
        )

    def delete_with(self, owner: object) -> None:
        """Delete the temporary files when an object goes, or the process that calls this ends."""
        if self._folder is not None:
            weakref.finalize(owner, _delete, self._folder, os.getpid())

    def _write(self, scan: PreparedScan, name: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="dmri-pretrain-"))
        needed, free = 2 * scan.signal.size, shutil.disk_usage(self._folder).free
        if needed > free:
            raise UserError(
                f"{name}: expected {needed / 1e9:.1f} GB free in {self._folder.parent} for a scan that does not fit "
                f"into memory, found {free / 1e9:.1f} GB; make room, or set TMPDIR to another folder"
            )
        path = self._folder / f"{self._count}.npy"
        self._count += 1
        shape = (scan.signal.shape[3], *scan.shape)
        _fill(torch.from_numpy(np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)), scan)
        return path


def _fill(signal: torch.Tensor, scan: PreparedScan) -> None:
    """Write a scan into an (N, X, Y, Z) tensor as signal over the median b0, volume by volume."""
    largest = torch.finfo(signal.dtype).max
    for number, target in enumerate(signal):
        volume = np.ascontiguousarray(scan.signal[..., number], dtype=np.float32)
        target.copy_((torch.from_numpy(volume) / scan.b0_median).clamp_(-largest, largest))


def _memory_for_scans(device: torch.device) -> int:
    """Bytes that scans may take."""
    memory = _ASSUMED_MEMORY
    if device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0]
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(_MEMORY_SHARE * memory)


def _delete(folder: Path, process: int) -> None:
    """Delete a folder, but not from a forked worker that ends."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
