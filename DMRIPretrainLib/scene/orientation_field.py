"""Orientations of a whole volume: peaks and fODFs with what belongs to them, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .harmonics import order_of, value_matrix
from .icosphere import icosphere

#: Amplitude that counts as full: this percentile of the strongest peak of a voxel, over the voxels that have one.
FULL_PERCENTILE = 95
_SAMPLED_VOXELS = 20_000


@dataclass(frozen=True)
class OrientationField:
    """Peaks and fODFs on one grid.

    Arrays may be views of memory that others own; they are read where a glyph is drawn and nowhere else, save for the
    amplitude that counts as full, which is found once from a sample of the voxels.

    Attributes:
        affine: (4, 4) voxel indices to RAS mm.
        peaks: (X, Y, Z, K, 3) unit vector times amplitude, strongest first, zero or NaN where there is none; None
            without peaks.
        fodf: (X, Y, Z, C) spherical harmonic coefficients in the basis of ``harmonics``; None without fODFs.
        mask: (X, Y, Z), not zero where glyphs may be drawn; None for everywhere.
        uncertainty: (X, Y, Z) uncertainty of the strongest peak in degrees; None where it is not known.
        rotation: (3, 3) orthogonal matrix from the frame of the directions in the arrays to the world (RAS): the
            identity, unless the volume has been moved after it was made.
    """

    affine: np.ndarray
    peaks: np.ndarray | None = None
    fodf: np.ndarray | None = None
    mask: np.ndarray | None = None
    uncertainty: np.ndarray | None = None
    rotation: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(X, Y, Z) voxels; no voxels at all without peaks and fODFs."""
        array = self.fodf if self.peaks is None else self.peaks
        return (0, 0, 0) if array is None else array.shape[:3]

    @property
    def edge(self) -> float:
        """Length of the shortest edge of a voxel, mm."""
        return float(np.linalg.norm(self.affine[:3, :3], axis=0).min())

    def centres(self, voxels: np.ndarray) -> np.ndarray:
        """(N, 3) centres of (N, 3) voxels, RAS mm."""
        return voxels @ self.affine[:3, :3].T + self.affine[:3, 3]

    def in_mask(self, voxels: np.ndarray) -> np.ndarray:
        """Those of (N, 3) voxels that are in the mask."""
        if self.mask is None:
            return voxels
        return voxels[self.mask[tuple(voxels.T)] != 0]

    def has_peak(self, lower: float) -> np.ndarray:
        """(X, Y, Z) bool: where the strongest peak is above an amplitude. Reads the whole volume."""
        if self.peaks is None:
            return np.zeros(self.shape, dtype=bool)
        strongest = np.nan_to_num(self.peaks[..., 0, :])
        return np.einsum("xyzc,xyzc->xyz", strongest, strongest) > max(lower, 1e-6) ** 2

    def has_fodf(self, voxels: np.ndarray | None = None) -> np.ndarray:
        """(N,) bool: which of (N, 3) voxels have an fODF, by its mean; without voxels (X, Y, Z) of all."""
        if self.fodf is None:
            return np.zeros(self.shape if voxels is None else len(voxels), dtype=bool)
        means = self.fodf[..., 0]
        return (means if voxels is None else means[tuple(voxels.T)]) > 0

    def world_peaks(self, voxels: np.ndarray) -> np.ndarray:
        """(N, K, 3) float32 peaks of (N, 3) voxels in the world; zero where there is none."""
        if self.peaks is None:
            return np.zeros((len(voxels), 0, 3), dtype=np.float32)
        peaks = np.asarray(self.peaks[tuple(voxels.T)], dtype=np.float32)
        if np.isnan(peaks.sum()):
            peaks = np.nan_to_num(peaks)
        return peaks if self.rotation is None else peaks @ self.rotation.T.astype(np.float32)

    def coefficients(self, voxels: np.ndarray) -> np.ndarray:
        """(N, C) float32 coefficients of (N, 3) voxels, in the frame of the arrays."""
        if self.fodf is None:
            return np.zeros((len(voxels), 1), dtype=np.float32)
        return np.nan_to_num(np.asarray(self.fodf[tuple(voxels.T)], dtype=np.float32))

    @cached_property
    def full_peak(self) -> float:
        """Amplitude of a peak of full length."""
        return self._full(lambda voxels: np.linalg.norm(self.world_peaks(voxels), axis=2).max(axis=1, initial=0))

    @cached_property
    def full_fodf(self) -> float:
        """Largest value of an fODF of full size."""

        def largest(voxels: np.ndarray) -> np.ndarray:
            coefficients = self.coefficients(voxels)
            matrix = value_matrix(icosphere(2)[0], order_of(coefficients.shape[1]))
            return (coefficients @ matrix.T.astype(np.float32)).max(axis=1, initial=0)

        return self._full(largest)

    def _full(self, amplitudes: Callable[[np.ndarray], np.ndarray]) -> float:
        total = int(np.prod(self.shape))
        stride = max(total // _SAMPLED_VOXELS, 1)
        # A stride that shares no factor with the shape does not sample the same columns again and again.
        stride += stride > 1 and stride % 2 == 0
        sample = np.stack(np.unravel_index(np.arange(0, total, stride), self.shape), axis=1)
        values = amplitudes(sample)
        values = values[values > 1e-6]
        return float(np.percentile(values, FULL_PERCENTILE)) if len(values) else 1.0
