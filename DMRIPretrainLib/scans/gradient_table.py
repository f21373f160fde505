"""Which diffusion weighting each volume of a scan has."""

from dataclasses import dataclass, field, replace

import numpy as np

#: Volumes up to this b-value (s/mm²) count as b0: some scanners (HCP 7T) use 60-70 for "b = 0".
DEFAULT_B0_THRESHOLD = 100.0

#: Fewer distinct directions describe neither a tensor nor a shell.
MINIMUM_DIRECTIONS = 6

#: Directions nearer than this (degrees, up to sign) count as one.
_SAME_DIRECTION_ANGLE = 1.0


@dataclass(frozen=True)
class Shell:
    """Volumes that share a b-value.

    Attributes:
        bvalue: mean b-value in s/mm².
        indices: (M,) indices of the volumes in the scan.
    """

    bvalue: float
    indices: np.ndarray


@dataclass(frozen=True)
class GradientTable:
    """The gradient table of a scan, in the world frame.

    Attributes:
        bvals: (N,) b-values in s/mm².
        directions: (N, 3) unit vectors in the world frame (RAS); zero where there is no direction.
        b0_threshold: volumes with a b-value up to this one count as b0.
    """

    bvals: np.ndarray
    directions: np.ndarray
    b0_threshold: float = field(default=DEFAULT_B0_THRESHOLD)

    def __post_init__(self) -> None:
        bvals = np.asarray(self.bvals, dtype=float)
        directions = np.asarray(self.directions, dtype=float)
        if bvals.ndim != 1 or directions.shape != (len(bvals), 3):
            raise ValueError(
                f"expected (N,) b-values and (N, 3) directions, found {bvals.shape} and {directions.shape}"
            )
        object.__setattr__(self, "bvals", bvals)
        object.__setattr__(self, "directions", directions)

    def __len__(self) -> int:
        return len(self.bvals)

    @property
    def is_b0(self) -> np.ndarray:
        """(N,) bool: which volumes are not diffusion weighted."""
        return self.bvals <= self.b0_threshold

    def shells(self) -> tuple[Shell, ...]:
        """Diffusion-weighted shells by ascending b-value.

        Sorted b-values belong together while each is within max(50 s/mm², 5 %) of the running mean
        of its shell.
        """
        shells: list[Shell] = []
        members: list[int] = []
        for index in np.argsort(self.bvals, kind="stable"):
            if self.is_b0[index]:
                continue
            mean = float(np.mean(self.bvals[members])) if members else float(self.bvals[index])
            if abs(self.bvals[index] - mean) > max(50.0, 0.05 * mean):
                shells.append(self._shell(members))
                members = []
            members.append(int(index))
        if members:
            shells.append(self._shell(members))
        return tuple(shells)

    def _shell(self, members: list[int]) -> Shell:
        return Shell(float(np.mean(self.bvals[members])), np.sort(np.array(members)))

    def subset(self, indices: np.ndarray) -> "GradientTable":
        """The table of the volumes ``indices`` alone."""
        return replace(self, bvals=self.bvals[indices], directions=self.directions[indices])

    def transformed(self, matrix: np.ndarray) -> "GradientTable":
        """The table with every direction multiplied by an orthogonal (3, 3) matrix."""
        return replace(self, directions=self.directions @ np.asarray(matrix, dtype=float).T)

    def describe(self) -> str:
        """Such as ``5 b0 + 60 x 1500``."""
        parts = [f"{int(self.is_b0.sum())} b0"]
        parts += [f"{len(shell.indices)} x {round(shell.bvalue)}" for shell in self.shells()]
        return " + ".join(parts)


def count_directions(vectors: np.ndarray) -> int:
    """Number of distinct directions up to sign among (N, 3) vectors; zero and NaN vectors do not count."""
    lengths = np.linalg.norm(vectors, axis=1)
    valid = np.isfinite(lengths) & (lengths > 0)
    units = vectors[valid] / lengths[valid, None]
    same = np.abs(units @ units.T) > np.cos(np.deg2rad(_SAME_DIRECTION_ANGLE))
    return int(np.sum(~np.any(np.tril(same, k=-1), axis=1)))
