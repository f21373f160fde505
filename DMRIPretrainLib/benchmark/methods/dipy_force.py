"""FORCE: the most similar of many simulated voxels."""

import warnings

import numpy as np

from ..voxels.force import label_peaks
from .csd import dipy_table
from .method import Found, Method, Question


class DipyFORCE(Method):
    """DIPY's ``FORCEModel`` (Shah et al. 2025) with its default prior and a library made for the table.

    The library is part of the time, since every table needs its own. Populations are vertices of DIPY's default sphere.
    """

    title = "FORCE (DIPY)"
    finds_tissue = True

    def prepare(self) -> None:
        """Import DIPY."""
        import dipy.reconst.force  # noqa: F401

    def answer(self, question: Question) -> Found:
        """Populations and tissue of the best match."""
        from dipy.reconst.force import FORCEModel

        scan = question.scan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = FORCEModel(dipy_table(scan.gradients))
            model.generate(num_simulations=question.simulations, num_cpus=question.threads, use_cache=False)
            fit = model.fit(np.asarray(scan.signal[question.asked], dtype=np.float32))
        peaks = label_peaks({"labels": fit.label, "odfs": fit.odf, "fraction_array": fit.fracs})
        tissue = 1 + np.stack([fit.csf_fraction, fit.gm_fraction, fit.wm_fraction], axis=-1).argmax(axis=-1)
        return Found(np.any(peaks, axis=-1).sum(axis=-1), peaks, tissue)
