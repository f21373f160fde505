"""Voxels whose fibres are known, and what a method says of them."""

from dataclasses import dataclass

import numpy as np

from ...scans.gradient_table import GradientTable

MOST_FIBRES = 3


@dataclass(frozen=True)
class VoxelSet:
    """Voxels without noise, and the truth.

    Attributes:
        gradients: what was acquired, directions in the world frame.
        clean: (V, N) signal without noise over the b0 signal of the tissue that the SNR refers to.
        counts: (V,) number of fibre populations, 0 to 3.
        peaks: (V, 3, 3) unit vector times share, world frame, strongest first, zero where absent.
    """

    gradients: GradientTable
    clean: np.ndarray
    counts: np.ndarray
    peaks: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)

    def subset(self, voxels: np.ndarray | slice) -> "VoxelSet":
        """Some of the voxels, in this order, possibly repeated."""
        return VoxelSet(self.gradients, self.clean[voxels], self.counts[voxels], self.peaks[voxels])


@dataclass(frozen=True)
class Answer:
    """What a method says of voxels.

    Attributes:
        counts: (V,) number of fibre populations.
        peaks: (V, 3, 3) unit vector times amplitude, world frame, strongest first, zero where absent.
        probabilities: (V, 4) of each number, where the method has them.
        fodf: (V, K) coefficients in the world frame, where the method has them.
    """

    counts: np.ndarray
    peaks: np.ndarray
    probabilities: np.ndarray | None = None
    fodf: np.ndarray | None = None

    def subset(self, voxels: np.ndarray | slice) -> "Answer":
        """The answer for some of the voxels."""
        probabilities, fodf = (None if part is None else part[voxels] for part in (self.probabilities, self.fodf))
        return Answer(self.counts[voxels], self.peaks[voxels], probabilities, fodf)


def add_rician_noise(clean: np.ndarray, snr: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a signal with noise of standard deviation 1 / ``snr`` in either channel; float32."""
    noise = rng.standard_normal((2, *clean.shape), dtype=np.float32) / np.float32(snr)
    return np.hypot(clean + noise[0], noise[1], dtype=np.float32)


def count_peaks(peaks: np.ndarray) -> np.ndarray:
    """(V,) number of (V, K, 3) peaks that are not zero."""
    return np.any(peaks, axis=-1).sum(axis=-1)
