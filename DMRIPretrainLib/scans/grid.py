"""Bring any image to RAS voxel order and back, so that networks see brains the same way round."""

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

from .scan import Scan


@dataclass(frozen=True)
class GridOrientation:
    """The axis order and flips that bring an image to RAS voxel order.

    Attributes:
        original_affine: (4, 4) affine of the image as it is stored.
        shape: (X, Y, Z) of the image as it is stored.
    """

    original_affine: np.ndarray
    shape: tuple[int, int, int]

    @property
    def _to_ras(self) -> np.ndarray:
        return io_orientation(self.original_affine)

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) affine of the image in RAS voxel order."""
        return self.original_affine @ inv_ornt_aff(self._to_ras, self.shape)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Bring (X, Y, Z, ...) from stored to RAS voxel order (a view where possible)."""
        return apply_orientation(image, self._to_ras)

    def undo(self, image: np.ndarray) -> np.ndarray:
        """Bring (X', Y', Z', ...) from RAS voxel order back to the stored one."""
        ras = np.array([[0, 1], [1, 1], [2, 1]])
        return np.ascontiguousarray(apply_orientation(image, ornt_transform(ras, self._to_ras)))


def to_ras_order(scan: Scan) -> tuple[Scan, GridOrientation]:
    """The scan with its voxel axes nearest to right, anterior, superior, and the way back.

    World coordinates and the world-frame gradient table do not change; only the order of voxels
    in memory does.
    """
    orientation = GridOrientation(np.asarray(scan.affine, dtype=float), scan.shape)
    mask = None if scan.mask is None else orientation.apply(scan.mask)
    return replace(scan, signal=orientation.apply(scan.signal), affine=orientation.affine, mask=mask), orientation


def axis_codes(affine: np.ndarray) -> str:
    """Such as ``RAS`` or ``LPS``: where each voxel axis points to."""
    return "".join(nib.aff2axcodes(affine))
