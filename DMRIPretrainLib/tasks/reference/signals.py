"""What the reference methods share: the shell to use, DIPY's gradient table, and signals relative to b0."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import binary_erosion

from ...errors import UserError
from ...scans.gradient_table import MINIMUM_DIRECTIONS, Shell, count_directions
from ...scans.scan import Scan

#: Above this b-value (s/mm²) noise outweighs what a shell adds to single-shell deconvolution.
HIGHEST_BVALUE = 3200.0
#: White matter and most grey matter without free water have a mean diffusivity between these, in mm²/s.
TISSUE_DIFFUSIVITY = (0.4e-3, 0.95e-3)
#: Spherical harmonics order that a number of directions supports, largest first.
ORDER_BY_DIRECTIONS = ((45, 8), (28, 6), (15, 4))


def supported_order(directions: int) -> int:
    """Largest even order with at most as many coefficients as directions, up to 8; 0 below 15 directions."""
    return next((order for least, order in ORDER_BY_DIRECTIONS if directions >= least), 0)


def choose_shell(scan: Scan) -> Shell:
    """The shell to find fibres in: the order it supports comes first, then the b-value up to 3200 s/mm².

    Distinct directions count: repeated or opposite ones measure the same.

    Raises:
        UserError: if there is no b0 or no shell with six directions.
    """

    def distinct(shell: Shell) -> int:
        return count_directions(scan.gradients.directions[shell.indices])

    shells = [shell for shell in scan.gradients.shells() if distinct(shell) >= MINIMUM_DIRECTIONS]
    if not shells or not scan.gradients.is_b0.any():
        raise UserError(
            f"{scan.path or 'scan'}: expected a b0 and a shell of six directions to make labels from, "
            f"found {scan.gradients.describe()}; choose another scan"
        )
    low_enough = [shell for shell in shells if shell.bvalue <= HIGHEST_BVALUE] or shells[:1]
    return max(low_enough, key=lambda shell: (supported_order(distinct(shell)), shell.bvalue))


@dataclass(frozen=True)
class RelativeSignal:
    """One shell relative to b0, and the tensor fitted to it, in the V voxels of a mask.

    Attributes:
        mask: (X, Y, Z) bool; its V voxels in C order are the rows below.
        values: (V, 1 + M) signal over mean b0: a one for b0, then the directions.
        table: DIPY's gradient table of the 1 + M values, directions in the world frame.
        shell: where the M volumes are in the scan.
        fa: (V,) fractional anisotropy.
        eigenvalues: (V, 3) in mm²/s, descending.
        principal: (V, 3) first eigenvector, world frame.
    """

    mask: np.ndarray
    values: np.ndarray
    table: Any
    shell: Shell
    fa: np.ndarray
    eigenvalues: np.ndarray
    principal: np.ndarray

    @property
    def diffusivity(self) -> np.ndarray:
        """(V,) mean diffusivity in mm²/s."""
        return self.eigenvalues.mean(axis=1)

    @property
    def distinct_directions(self) -> int:
        """Number of distinct directions among the M, up to sign."""
        return count_directions(self.table.bvecs[1:])

    @property
    def interior(self) -> np.ndarray:
        """(V,) bool: voxels two steps inside the mask, or all where the mask is too small for that."""
        inner = binary_erosion(self.mask, iterations=2)[self.mask]
        return inner if np.count_nonzero(inner) >= 300 else np.ones_like(inner)


def relative_signal(scan: Scan, shell: Shell) -> RelativeSignal:
    """Divide a shell by the mean b0 and fit a tensor (weighted least squares).

    The ratio does not depend on the bias field of the coils, which the amplitude of an fODF otherwise would.

    Raises:
        UserError: if there is no b0 signal in the mask.
        ValueError: if the scan has no mask.
    """
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    if scan.mask is None or not scan.mask.any():
        raise ValueError("reference labels need a brain mask")
    b0 = scan.mean_b0()[scan.mask].astype(float)
    median = float(np.median(b0))
    if median <= 0:
        raise UserError(
            f"{scan.path or 'scan'}: expected b0 signal in the mask, found a median of {median:g}; check the mask"
        )
    weighted = np.asarray(scan.signal[..., shell.indices], dtype=float)[scan.mask]
    # Where b0 is next to nothing the ratio means nothing; it then tends to zero.
    ratio = np.clip(weighted / np.maximum(b0, 0.05 * median)[:, None], 1e-4, 2.0)
    values = np.concatenate([np.ones((len(ratio), 1)), ratio], axis=1)
    table = gradient_table(
        np.append(0.0, scan.gradients.bvals[shell.indices]),
        bvecs=np.concatenate([np.zeros((1, 3)), scan.gradients.directions[shell.indices]]),
        b0_threshold=0,
    )
    tensor = TensorModel(table, fit_method="WLS").fit(values)
    return RelativeSignal(scan.mask, values, table, shell, tensor.fa, tensor.evals, tensor.evecs[..., 0])


def tissue_voxels(signal: RelativeSignal) -> np.ndarray:
    """(V,) bool: voxels of white or grey matter with little free water; all, where that leaves none."""
    low, high = TISSUE_DIFFUSIVITY
    # An eigenvalue of next to zero is what a failed fit is clipped to.
    tissue = (signal.diffusivity > low) & (signal.diffusivity < high) & (signal.eigenvalues[:, 2] > 1e-5)
    return tissue if tissue.any() else np.ones_like(tissue)


def in_grid(mask: np.ndarray, values: np.ndarray, dtype: type) -> np.ndarray:
    """(X, Y, Z, ...) array that holds (V, ...) values inside the mask and zero outside."""
    grid = np.zeros((*mask.shape, *values.shape[1:]), dtype=dtype)
    grid[mask] = values
    return grid
