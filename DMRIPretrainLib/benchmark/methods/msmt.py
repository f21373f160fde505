"""Multi-shell multi-tissue CSD of DIPY."""

import importlib.util
import warnings

import numpy as np

from ...scans.gradient_table import GradientTable
from ...tasks.peaks import find_peaks
from .csd import dipy_table, usual_order
from .method import Found, Method, Question, strongest_apart, weighted_shells

_RELATIVE, _SEPARATION = 0.25, 25.0
#: Spread of b-values of one shell, in s/mm².
_TOLERANCE = 60


class DipyMSMT(Method):
    """DIPY's ``MultiShellDeconvModel`` (Jeurissen et al., NeuroImage 103, 2014), responses of ``auto_response_msmt``.

    DIPY solves it with CVXPY, which is not among its requirements.
    """

    title = "MSMT-CSD (DIPY)"
    finds_tissue = True

    def missing(self, table: GradientTable) -> str | None:
        """CVXPY, or a second shell."""
        if weighted_shells(table) < 2:
            return "needs two shells"
        return None if importlib.util.find_spec("cvxpy") else "needs CVXPY, which is not installed"

    def prepare(self) -> None:
        """Import DIPY and CVXPY."""
        import dipy.reconst.mcsd  # noqa: F401

    def answer(self, question: Question) -> Found:
        """Peaks above a quarter of the strongest, 25 degrees apart; the tissue with the largest share."""
        from dipy.reconst.mcsd import MultiShellDeconvModel, auto_response_msmt, multi_shell_fiber_response
        from dipy.reconst.shm import convert_sh_descoteaux_tournier

        scan = question.scan
        table, mask = dipy_table(scan.gradients), np.asarray(scan.mask)
        order = usual_order(max(len(shell.indices) for shell in scan.gradients.shells()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = np.asarray(scan.signal, dtype=float) * mask[..., None]
            white, grey, csf = auto_response_msmt(
                table, whole, tol=_TOLERANCE, roi_radii=tuple(size // 2 for size in mask.shape)
            )
            bvals = np.array([0.0, *(shell.bvalue for shell in scan.gradients.shells())])
            response = multi_shell_fiber_response(order, bvals, white, grey, csf, tol=_TOLERANCE)
            model = MultiShellDeconvModel(table, response, sh_order_max=order, tol=_TOLERANCE)
            fit = model.fit(whole[question.asked], verbose=False)
        coefficients = convert_sh_descoteaux_tournier(np.nan_to_num(fit.shm_coeff))
        strongest = np.maximum(np.abs(coefficients).max(axis=1, keepdims=True), 1e-6)
        peaks = strongest_apart(find_peaks(coefficients / strongest), _RELATIVE, _SEPARATION)
        shares = np.nan_to_num(fit.volume_fractions)  # CSF, GM, WM
        return Found(np.any(peaks, axis=-1).sum(axis=-1), peaks, 1 + shares.argmax(axis=-1))
