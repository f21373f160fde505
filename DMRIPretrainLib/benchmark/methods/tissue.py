"""Tissue by DIPY's classifiers."""

import importlib.util
import warnings

import numpy as np

from ...scans.gradient_table import GradientTable
from ...tasks.reference.tissue import GREY, WHITE, quiet_dipy, tissue_labels
from .csd import dipy_table
from .method import Found, Method, Question, weighted_shells
from .shell import shell_of

#: Smoothing of the Markov random field in DIPY's example.
_BETA = 0.1


class TissueMethod(Method):
    """Finds tissue alone."""

    finds_fibres = False
    finds_tissue = True

    def prepare(self) -> None:
        """Import DIPY."""
        import dipy.reconst.shm
        import dipy.segment.tissue  # noqa: F401


class PowerMap(TissueMethod):
    """``TissueClassifierHMRF`` with three classes on the anisotropic power map, which looks like a T1 image."""

    title = "HMRF of the anisotropic power (DIPY)"

    def answer(self, question: Question) -> Found:
        """Classes by rising anisotropic power: CSF, GM, WM."""
        from dipy.core.sphere import Sphere
        from dipy.reconst.shm import anisotropic_power, sf_to_sh
        from dipy.segment.tissue import TissueClassifierHMRF

        scan, mask = shell_of(question).scan, np.asarray(question.scan.mask)
        weighted = ~scan.gradients.is_b0
        order = 4 if weighted.sum() >= 15 else 2
        with warnings.catch_warnings(), quiet_dipy():
            warnings.simplefilter("ignore")
            sphere = Sphere(xyz=scan.gradients.directions[weighted])
            coefficients = sf_to_sh(np.asarray(scan.signal[mask][:, weighted], dtype=float), sphere, sh_order_max=order)
            power = np.nan_to_num(anisotropic_power(coefficients))
            low, high = np.percentile(power, (1, 99))
            # DIPY adds a class for the background, which needs a spread and to lie apart from tissue.
            image = 0.02 * np.random.default_rng(0).random(mask.shape)
            image[mask] = (np.clip((power - low) / max(high - low, 1e-6), 0, 1) + 0.2) / 1.2
            _, classes, _ = TissueClassifierHMRF().classify(image, 3, _BETA)
        return Found(tissue=np.maximum(np.nan_to_num(np.asarray(classes)[question.asked]), 0))


class DirectionalAverage(TissueMethod):
    """``dam_classifier`` (Cheng et al. 2020): how fast the mean over directions falls; WM and GM alone.

    Its threshold is chosen by Otsu's method, since DIPY leaves it to the user.
    """

    title = "DAM (DIPY)"

    def missing(self, table: GradientTable) -> str | None:
        """A second shell, or scikit-learn."""
        if weighted_shells(table) < 2:
            return "needs two shells"
        return None if importlib.util.find_spec("sklearn") else "needs scikit-learn, which is not installed"

    def answer(self, question: Question) -> Found:
        """White and grey matter; there is no CSF, which counts as grey matter."""
        from dipy.segment.threshold import otsu
        from dipy.segment.tissue import compute_directional_average

        scan, mask = question.scan, np.asarray(question.scan.mask)
        table = dipy_table(scan.gradients)
        bvals = np.round(table.bvals, -2)
        signal = np.asarray(scan.signal[mask], dtype=float)
        shells = bvals[:, None] == np.unique(bvals)[None, 1:]
        level = 100.0 / np.median(signal[:, bvals == 0].mean(axis=1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slopes = np.array(
                [
                    compute_directional_average(
                        voxel, bvals, masks=shells, b0_mask=bvals == 0, s0_map=voxel[bvals == 0].mean()
                    )[0]
                    for voxel in level * signal
                ]
            )
        grid = np.zeros(mask.shape, dtype=np.uint8)
        grid[mask] = np.where(slopes <= otsu(slopes), WHITE, GREY)
        return Found(tissue=grid[question.asked])


class FreeWaterHMRF(TissueMethod):
    """What ``label`` does: free water by its attenuation, then DIPY's ``TissueClassifierHMRF`` on the anisotropy."""

    title = "free water, then HMRF (`label`)"

    def answer(self, question: Question) -> Found:
        """CSF, GM, WM."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labels = tissue_labels(question.scan).segmentation
        return Found(tissue=labels[question.asked])
