"""The diffusion tensor: one direction at most."""

import numpy as np

from .csd import dipy_table, relative_signal
from .method import Found, Method, Question
from .shell import shell_of

#: Below this fractional anisotropy there is no fibre.
LEAST_FA = 0.15


class Tensor(Method):
    """DIPY's tensor by weighted least squares; one fibre where the fractional anisotropy is at least 0.15."""

    title = "DTI (DIPY)"

    def prepare(self) -> None:
        """Import DIPY."""
        import dipy.reconst.dti  # noqa: F401

    def answer(self, question: Question) -> Found:
        """First eigenvectors, as long as the anisotropy."""
        from dipy.reconst.dti import TensorModel

        shell = shell_of(question)
        table = shell.scan.gradients
        fit = TensorModel(dipy_table(table), fit_method="WLS").fit(relative_signal(table, shell.signal))
        peaks = np.zeros((len(shell.signal), 3, 3))
        peaks[:, 0] = fit.evecs[..., 0] * fit.fa[:, None]
        return Found((fit.fa >= LEAST_FA).astype(int), peaks)
