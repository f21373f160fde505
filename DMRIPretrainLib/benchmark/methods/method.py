"""What a method is asked and what it answers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...scans.gradient_table import GradientTable
from ...scans.scan import Scan


@dataclass(frozen=True)
class Question:
    """A scan, and where an answer is wanted.

    Attributes:
        scan: its mask is the brain, from which a method may learn responses and levels; read from a file beside which
            lie ``.bval``, ``.bvec`` and mask.
        asked: (X, Y, Z) bool, voxels to answer for.
        scratch: folder for intermediate files.
        threads: how many the method may use.
        model: file or name of the model, for the method ``model``; None for the default one.
        simulations: voxels of the library of a method that looks its answers up.
    """

    scan: Scan
    asked: np.ndarray
    scratch: Path
    threads: int = 1
    model: str | None = None
    simulations: int = 30_000


@dataclass(frozen=True)
class Found:
    """Answers for the V voxels that were asked, in C order.

    Attributes:
        counts: (V,) number of fibre populations; None where the method does not find fibres.
        peaks: (V, 3, 3) unit vector times amplitude, world frame, strongest first, zero where absent.
        tissue: (V,) 1 CSF, 2 GM, 3 WM; None where the method does not tell.
        probabilities: (V, 4) of each number of populations; None where the method has none.
    """

    counts: np.ndarray | None = None
    peaks: np.ndarray | None = None
    tissue: np.ndarray | None = None
    probabilities: np.ndarray | None = None


class Method(ABC):
    """One way to find fibres or tissue."""

    #: For people.
    title: str
    finds_fibres: bool = True
    finds_tissue: bool = False

    def missing(self, table: GradientTable) -> str | None:
        """Why the method cannot be used with this table on this computer; None where it can."""
        return None

    @abstractmethod
    def prepare(self) -> None:
        """Load what the method needs, so that its time is that of its work."""

    @abstractmethod
    def answer(self, question: Question) -> Found:
        """Do the work."""


def weighted_shells(table: GradientTable) -> int:
    """Number of shells of six directions or more."""
    return sum(len(shell.indices) >= 6 for shell in table.shells())


def strongest_apart(peaks: np.ndarray, relative: float, separation: float) -> np.ndarray:
    """Peaks that are high enough and far enough from stronger ones.

    Args:
        peaks: (V, K, 3) unit vector times amplitude, in any order; zero or NaN where absent.
        relative: smallest amplitude over that of the strongest.
        separation: smallest angle in degrees.

    Returns:
        (V, K, 3) those that are kept, strongest first, then zeros.
    """
    peaks = np.nan_to_num(peaks)
    order = np.argsort(-np.linalg.norm(peaks, axis=-1), axis=1, kind="stable")
    peaks = np.take_along_axis(peaks, order[..., None], axis=1)
    amplitudes = np.linalg.norm(peaks, axis=-1)
    units = peaks / np.maximum(amplitudes, 1e-12)[..., None]
    kept = (amplitudes > 0) & (amplitudes >= relative * amplitudes[:, :1])
    near = np.abs(np.einsum("vic,vjc->vij", units, units)) > np.cos(np.radians(separation))
    for peak in range(1, peaks.shape[1]):
        kept[:, peak] &= ~(near[:, peak, :peak] & kept[:, :peak]).any(axis=1)
    peaks = peaks * kept[..., None]
    first = np.argsort(~kept, axis=1, kind="stable")
    return np.take_along_axis(peaks, first[..., None], axis=1)
