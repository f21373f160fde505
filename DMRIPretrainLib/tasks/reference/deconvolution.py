"""Constrained spherical deconvolution with DIPY, scaled such that a lone fibre population has amplitude 1."""

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from ...progress import Progress, silent
from ...qspace.harmonics import evaluation_matrix
from ..peaks import find_peaks
from .signals import RelativeSignal, tissue_voxels

RESPONSE_FA = 0.7
RESPONSE_VOXELS = 300
#: Voxels of pure noise in isotropic tissue, of which this percentage stays below ``noise_amplitude``.
NOISE_VOXELS = 1000
NOISE_PERCENTILE = 95.0

_VOXELS_AT_ONCE = 2000


class Deconvolution:
    """Single-shell CSD (Tournier et al., NeuroImage 35, 2007) of the signal relative to b0.

    Args:
        signal: one shell of a scan.
        order: of the spherical harmonics.

    Attributes:
        response_voxels: (V,) bool, where the response was estimated.
        response: (3,) eigenvalues of the response in mm²/s.
    """

    def __init__(self, signal: RelativeSignal, order: int) -> None:
        from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel, response_from_mask_ssst

        self._signal = signal
        self._order = order
        self.response_voxels = single_fibre_voxels(signal)
        response, _ = response_from_mask_ssst(signal.table, signal.values, self.response_voxels)
        self.response: np.ndarray = response[0]
        self._model = ConstrainedSphericalDeconvModel(signal.table, (self.response, 1.0), sh_order_max=order)

    def coefficients(self, values: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """(V, K) float32 fODF coefficients of (V, N) signals: library's basis, world frame, lone fibre 1."""
        return self._fit(values, progress) / self._unit

    def _fit(self, values: np.ndarray, progress: Progress = silent) -> np.ndarray:
        from dipy.reconst.shm import convert_sh_descoteaux_tournier

        blocks = []
        with warnings.catch_warnings():
            # A few noisy voxels reach the limit of iterations; their last iterate is as good as any.
            warnings.simplefilter("ignore")
            for start in range(0, len(values), _VOXELS_AT_ONCE):
                progress("spherical deconvolution", start / len(values))
                block = [self._model.fit(voxel).shm_coeff for voxel in values[start : start + _VOXELS_AT_ONCE]]
                blocks.append(convert_sh_descoteaux_tournier(np.asarray(block)))
        progress("spherical deconvolution", 1.0)
        return np.concatenate(blocks).astype(np.float32)

    @cached_property
    def _unit(self) -> float:
        """Median peak amplitude of the response itself, in 100 directions."""
        from dipy.data import get_sphere
        from dipy.sims.voxel import all_tensor_evecs, single_tensor

        directions = get_sphere(name="repulsion100").vertices
        signals: list[Any] = [
            single_tensor(self._signal.table, S0=1.0, evals=self.response, evecs=all_tensor_evecs(direction), snr=None)
            for direction in directions
        ]
        return float(np.median(_strongest(self._fit(np.asarray(signals)))))

    @cached_property
    def noise_amplitude(self) -> float:
        """What the strongest peak of isotropic tissue exceeds in one voxel of twenty, by noise alone.

        From 1000 simulated voxels with the median diffusivity and noise of the scan's tissue.
        """
        signal = self._signal
        tissue = tissue_voxels(signal)
        attenuation = np.exp(-signal.table.bvals[1:] * np.median(signal.diffusivity[tissue]))
        deviation = noise_deviation(signal.values[tissue, 1:], signal.table.bvecs[1:], self._order)
        noise = deviation * np.random.default_rng(0).standard_normal((2, NOISE_VOXELS, len(attenuation)))
        values = np.ones((NOISE_VOXELS, len(attenuation) + 1))
        values[:, 1:] = np.hypot(attenuation + noise[0], noise[1])
        return float(np.percentile(_strongest(self.coefficients(values)), NOISE_PERCENTILE))


def _strongest(coefficients: np.ndarray) -> np.ndarray:
    return np.linalg.norm(find_peaks(coefficients)[:, 0], axis=1)


def single_fibre_voxels(signal: RelativeSignal) -> np.ndarray:
    """(V,) bool: voxels of one fibre population, to estimate the response from.

    Fractional anisotropy above 0.7, or the 300 highest where fewer reach it, among interior voxels with the mean
    diffusivity of tissue: high anisotropy beside free water, as in the fornix, would make the response too long.
    """
    tissue = tissue_voxels(signal)
    candidates = signal.interior & tissue if (signal.interior & tissue).any() else tissue
    single = candidates & (signal.fa > RESPONSE_FA)
    if single.sum() < RESPONSE_VOXELS:
        # In a small volume a tenth of the voxels has to do.
        count = min(RESPONSE_VOXELS, max(1, int(candidates.sum()) // 10))
        single = candidates & (signal.fa >= np.sort(signal.fa[candidates])[-count])
    return single


def noise_deviation(values: np.ndarray, directions: np.ndarray, order: int) -> float:
    """Standard deviation of the noise: median residual of a spherical harmonics fit.

    Args:
        values: (V, M) signals.
        directions: (M, 3) unit vectors.
        order: of the fit; it is lowered until directions are left over.
    """
    matrix = evaluation_matrix(directions, order)
    if matrix.shape[1] >= len(directions):
        return noise_deviation(values, directions, order - 2)
    residual = values - values @ np.linalg.pinv(matrix).T @ matrix.T
    return float(np.sqrt(np.median(np.sum(residual**2, axis=1) / (len(directions) - matrix.shape[1]))))
