"""DIPY's constrained spherical deconvolution with a response from the scan itself."""

import warnings

from ...tasks.reference.deconvolution import Deconvolution
from ...tasks.reference.signals import choose_shell, relative_signal
from .csd import CSD, usual_order
from .method import Found, Method, Question
from .shell import shell_of


class DipyCSD(Method):
    """See ``csd.CSD``; the response is that of the most anisotropic voxels of the brain, as ``label`` takes it."""

    title = "CSD (DIPY)"

    def prepare(self) -> None:
        """Import DIPY."""
        import dipy.reconst.csdeconv
        import dipy.reconst.dti  # noqa: F401

    def answer(self, question: Question) -> Found:
        """Peaks above a quarter of the strongest, 25 degrees apart."""
        shell = shell_of(question)
        order = usual_order(shell.directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = relative_signal(question.scan, choose_shell(question.scan))
            response = Deconvolution(whole, order).response
        found = CSD(shell.scan.gradients, response, order).answer(shell.signal)
        return Found(found.counts, found.peaks)
