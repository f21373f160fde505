"""The baseline: DIPY's constrained spherical deconvolution with a response that knows the simulator."""

import warnings
from typing import Any

import numpy as np

from ...qspace.harmonics import evaluation_matrix, hemisphere
from ...scans.gradient_table import GradientTable
from ...tasks.peaks import find_peaks
from ..voxels.voxel_set import Answer, count_peaks

#: Voxels of one population with a fractional anisotropy above this make the response, or the tenth highest.
_RESPONSE_FA = 0.7
_ORDERS = ((45, 8), (28, 6), (0, 4))


def usual_order(directions: int) -> int:
    """Largest order with no more coefficients than directions, but at least 4: less than that shows no crossings."""
    return next(order for least, order in _ORDERS if directions >= least)


class CSD:
    """Single-shell CSD of the signal over b0; peaks above 0.25 of the strongest and 25 degrees apart.

    Peaks are found on 362 directions and refined between them, as those of the models are.

    Args:
        gradients: one shell and b0 volumes.
        response: (3,) eigenvalues in mm²/s.
        order: of the spherical harmonics; by default as the number of directions allows.
    """

    def __init__(self, gradients: GradientTable, response: np.ndarray, order: int | None = None) -> None:
        from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel

        self._gradients = gradients
        self.order = usual_order(int((~gradients.is_b0).sum())) if order is None else order
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # more coefficients than directions: the constraint makes up for it
            self._model = ConstrainedSphericalDeconvModel(
                dipy_table(gradients), (np.asarray(response), 1.0), sh_order_max=self.order
            )

    def peaks(self, signal: np.ndarray) -> np.ndarray:
        """(V, 3, 3) unit vector times amplitude over that of the strongest, of (V, N) signals; world frame."""
        from dipy.reconst.shm import convert_sh_descoteaux_tournier

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a few noisy voxels reach the limit of iterations
            fitted = [self._model.fit(voxel).shm_coeff for voxel in relative_signal(self._gradients, signal)]
        coefficients = convert_sh_descoteaux_tournier(np.asarray(fitted))
        strongest = (coefficients @ evaluation_matrix(hemisphere(), self.order).T).max(axis=1, keepdims=True)
        # Thus only the relative threshold of find_peaks works, as in DIPY.
        return find_peaks(coefficients / np.maximum(strongest, 1e-6))

    def answer(self, signal: np.ndarray) -> Answer:
        """Peaks, and their number."""
        peaks = self.peaks(signal)
        return Answer(count_peaks(peaks), peaks)


def with_oracle_gate(answer: Answer, signal: np.ndarray, gradients: GradientTable, counts: np.ndarray) -> Answer:
    """No fibres in the voxels of lowest anisotropy, as many as truly have none.

    An oracle: nobody knows the true share. It favours the baseline.
    """
    empty = np.count_nonzero(counts == 0)
    lowest = np.argsort(generalised_anisotropy(gradients, signal), kind="stable")[:empty]
    gated = answer.counts.copy()
    gated[lowest] = 0
    return Answer(gated, answer.peaks)


def generalised_anisotropy(gradients: GradientTable, signal: np.ndarray) -> np.ndarray:
    """(V,) generalised fractional anisotropy (Tuch, MRM 52, 2004) of the q-ball ODF (order 4) of (V, N) signals."""
    from dipy.reconst.shm import CsaOdfModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CsaOdfModel(dipy_table(gradients), sh_order_max=4).fit(relative_signal(gradients, signal)).gfa


def clean_response(gradients: GradientTable, clean: np.ndarray) -> np.ndarray:
    """(3,) mean tensor eigenvalues of the most anisotropic among (V, N) signals of one population without noise."""
    from dipy.reconst.dti import TensorModel

    fit = TensorModel(dipy_table(gradients), fit_method="WLS").fit(relative_signal(gradients, clean))
    chosen = fit.fa > _RESPONSE_FA
    if chosen.sum() < len(clean) // 10:
        chosen = fit.fa >= np.quantile(fit.fa, 0.9)
    parallel, second, third = fit.evals[chosen].mean(axis=0)
    return np.array([parallel, (second + third) / 2, (second + third) / 2])


def relative_signal(gradients: GradientTable, signal: np.ndarray) -> np.ndarray:
    """(V, N) signal over the mean b0 signal of the voxel, b0 volumes 1."""
    signal = np.asarray(signal, dtype=float)
    b0 = signal[:, gradients.is_b0].mean(axis=1, keepdims=True)
    return np.where(gradients.is_b0, 1.0, np.clip(signal / np.maximum(b0, 1e-6), 1e-4, 2.0))


def dipy_table(gradients: GradientTable) -> Any:
    """The table as DIPY wants it."""
    from dipy.core.gradients import gradient_table

    return gradient_table(gradients.bvals, bvecs=gradients.directions, b0_threshold=gradients.b0_threshold)
