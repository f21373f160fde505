"""Constant solid angle q-ball imaging."""

import warnings

import numpy as np

from .csd import dipy_table, relative_signal, usual_order
from .method import Found, Method, Question, strongest_apart
from .shell import shell_of

#: Smallest peak of an ODF over the strongest: ODFs are broader than fODFs, so that DIPY's usual half is taken.
_RELATIVE = 0.5
_SEPARATION = 25.0
_LARGEST_ORDER = 6


class ConstantSolidAngle(Method):
    """DIPY's ``CsaOdfModel`` (Aganj et al., MRM 64, 2010) of order 6 or less, peaks on 724 directions."""

    title = "CSA (DIPY)"

    def prepare(self) -> None:
        """Import DIPY."""
        import dipy.direction
        import dipy.reconst.shm  # noqa: F401

    def answer(self, question: Question) -> Found:
        """Peaks above half of the strongest, 25 degrees apart."""
        from dipy.data import get_sphere
        from dipy.direction import peaks_from_model
        from dipy.reconst.shm import CsaOdfModel

        shell = shell_of(question)
        table, order = shell.scan.gradients, min(_LARGEST_ORDER, usual_order(shell.directions))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # more coefficients than directions: the smoothness makes up for it
            found = peaks_from_model(
                CsaOdfModel(dipy_table(table), sh_order_max=order),
                relative_signal(table, shell.signal),
                get_sphere(name="repulsion724"),
                _RELATIVE,
                _SEPARATION,
                npeaks=3,
                return_sh=False,
            )
        peaks = strongest_apart(found.peak_dirs * found.peak_values[..., None], 0.0, _SEPARATION)
        return Found(np.any(peaks, axis=-1).sum(axis=-1), peaks)
