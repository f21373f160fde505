"""Voxels put into a volume, so that a network of volumes can be asked about them."""

from dataclasses import dataclass, replace

import numpy as np

from ...inference.predictor import Predictor
from ...qspace.prepare import prepare_scan
from ...scans.scan import Scan
from ...tasks.peaks import find_peaks
from .voxel_set import Answer, VoxelSet, add_rician_noise

#: 2 mm voxels in RAS order: the grid frame is the world frame.
_AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """A volume full of test voxels.

    Attributes:
        scan: all of it is in the mask.
        places: (P, 3) voxels that are scored.
        sources: (P,) which voxel of the set each one is.
        edge: of the block of like voxels around each place.
    """

    scan: Scan
    places: np.ndarray
    sources: np.ndarray
    edge: int

    def subset(self, places: slice) -> "Volume":
        """The same volume, of which only some places are scored."""
        return replace(self, places=self.places[places], sources=self.sources[places])

    def signal(self) -> np.ndarray:
        """(P, N) signal of the scored voxels."""
        return self.scan.signal[tuple(self.places.T)]

    def block_mean(self) -> np.ndarray:
        """(P, N) mean signal of the block around each: what perfect averaging gives."""
        reach = self.edge // 2
        steps = np.arange(-reach, reach + 1)
        offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        total = sum(self.scan.signal[tuple((self.places + offset).T)] for offset in offsets)
        return total / len(offsets)


def arrange(voxels: VoxelSet, snr: float, edge: int, window: int, seed: int) -> Volume:
    """Fill a volume with noisy voxels, all of it, as large as the network's window or as the voxels need.

    Args:
        voxels: each comes at least once; where there is room again and again, with other noise.
        snr: of the b0 signal.
        edge: each voxel of the set fills a block of ``edge`` cubed voxels, with noise of its own in each;
            1 scatters unlike voxels, which leaves nothing to learn from neighbours.
        window: edge of the network's window, whose statistics instance norm takes.
        seed: of order and noise.
    """
    rng = np.random.default_rng(seed)
    blocks = max(int(np.ceil(len(voxels) ** (1 / 3))), window // edge)
    rounds = -(-(blocks**3) // len(voxels))
    order = np.concatenate([rng.permutation(len(voxels)) for _ in range(rounds)])[: blocks**3]
    grid = order.reshape(blocks, blocks, blocks)
    for axis in range(3):
        grid = grid.repeat(edge, axis=axis)
    signal = add_rician_noise(voxels.clean[grid], snr, rng)
    places = np.argwhere(np.ones((blocks,) * 3, dtype=bool)) * edge + edge // 2
    return Volume(Scan(signal, _AFFINE, voxels.gradients, np.ones(grid.shape, dtype=bool)), places, order, edge)


def ask_model(predictor: Predictor, scan: Scan, places: np.ndarray) -> tuple[Answer, dict[str, np.ndarray]]:
    """Counts and peaks of (P, 3) places of a scan in RAS voxel order whose axes are the world's.

    Returns:
        The answer, and the whole output of every head, (C, X, Y, Z) by task.
    """
    output = predictor.probabilities(prepare_scan(scan))
    probabilities = output["crossings"][:, *places.T].T
    fodf = output["orientation"][:, *places.T].T
    counts = probabilities.argmax(axis=1)
    return Answer(counts, find_peaks(fodf, counts), probabilities, fodf), output
