"""A scan made ready for networks: RAS voxel order, grid-frame gradients, b0 level and noise."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import UserError
from ..scans.gradient_table import GradientTable
from ..scans.grid import GridOrientation, to_ras_order
from ..scans.scan import Scan
from .features import QSpaceFeatures, QSpaceProjection
from .shells import usable_shells

_NOISE_VOXELS = 4000


@dataclass(frozen=True)
class PreparedScan:
    """What features are computed from, block by block.

    Attributes:
        signal: (X, Y, Z, N) in RAS voxel order, possibly memory-mapped.
        affine: (4, 4) of that voxel order to RAS mm.
        table: gradient table in the grid frame.
        mask: (X, Y, Z) bool.
        b0_median: median of the mean b0 in the mask, in the unit of the signal.
        noise: (S,) noise of the normalised signal of each usable shell.
        orientation: the way back to the voxel order of the file.
    """

    signal: np.ndarray
    affine: np.ndarray
    table: GradientTable
    mask: np.ndarray
    b0_median: float
    noise: np.ndarray
    orientation: GridOrientation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the grid in voxels."""
        x, y, z = self.mask.shape
        return x, y, z

    def projection(self, volumes: np.ndarray | None = None) -> QSpaceProjection:
        """The projection of the whole table, or of some of its volumes."""
        table = self.table if volumes is None else self.table.subset(volumes)
        return QSpaceProjection(table, self.shell_noise(table))

    def shell_noise(self, table: GradientTable, factor: float = 1.0) -> np.ndarray:
        """(S',) noise of the usable shells of a part of the table: that of the nearest whole shell.

        Args:
            table: part of the table.
            factor: what its b-values were multiplied by.
        """
        whole = factor * np.array([shell.bvalue for shell in usable_shells(self.table)])
        part = np.array([shell.bvalue for shell in usable_shells(table)])
        return self.noise[np.abs(part[:, None] - whole).argmin(axis=1)]

    def block(self, where: tuple[slice, ...], volumes: np.ndarray | None = None) -> torch.Tensor:
        """(N, x, y, z) float32 signal of a block."""
        signal = self.signal[where] if volumes is None else self.signal[where][..., volumes]
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(signal, -1, 0), dtype=np.float32))

    def features(
        self,
        where: tuple[slice, ...],
        projection: QSpaceProjection,
        volumes: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> QSpaceFeatures:
        """Features of a block under the projection that :meth:`projection` made for the same volumes."""
        mask = torch.from_numpy(np.ascontiguousarray(self.mask[where]))
        return projection(self.block(where, volumes).to(device), mask.to(device), self.b0_median)


def prepare_scan(scan: Scan) -> PreparedScan:
    """Bring a scan to RAS voxel order and measure what its features are scaled by.

    Raises:
        UserError: if the scan has no mask, an empty one, or no usable shell.
    """
    if scan.mask is None or not scan.mask.any():
        raise UserError(
            f"{scan.path or 'scan'}: expected a brain mask with voxels in it, found none; give one with --mask"
        )
    turned, orientation = to_ras_order(scan)
    mask = np.asarray(turned.mask, dtype=bool)
    b0_median = float(np.median(turned.mean_b0()[mask]))
    if b0_median <= 0:
        raise UserError(
            f"{scan.path or 'scan'}: expected b0 signal in the mask, found a median of {b0_median:g}; check the mask"
        )
    prepared = PreparedScan(
        turned.signal, turned.affine, turned.grid_gradients(), mask, b0_median, np.zeros(0), orientation
    )
    return replace(prepared, noise=_measure_noise(prepared))


def _measure_noise(prepared: PreparedScan) -> np.ndarray:
    """Noise of each shell from an even sample of the mask, so that a large scan is not read whole."""
    voxels = np.argwhere(prepared.mask)
    voxels = voxels[:: max(1, len(voxels) // _NOISE_VOXELS)]
    signal = np.asarray(prepared.signal[tuple(voxels.T)], dtype=np.float32).T
    block = torch.from_numpy(np.ascontiguousarray(signal))[:, :, None, None]
    everywhere = torch.ones(block.shape[1:], dtype=torch.bool)
    return QSpaceProjection(prepared.table).noise(block, everywhere, prepared.b0_median)
