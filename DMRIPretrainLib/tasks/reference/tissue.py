"""Tissue from a diffusion scan alone: free water by its attenuation, then white from grey matter by anisotropy."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from ...progress import Progress, silent
from ...qspace.harmonics import evaluation_matrix
from ...scans.scan import Scan
from .signals import RelativeSignal, choose_shell, in_grid, relative_signal, tissue_voxels

CSF, GREY, WHITE = 1, 2, 3
#: Diffusivity of free water at body temperature, mm²/s.
WATER_DIFFUSIVITY = 3.0e-3
#: Share of free water in the signal from which a voxel is CSF: half of the volume, since the b0 signal of CSF is
#: about twice that of brain tissue.
CSF_SHARE = 2 / 3
#: Strength of the Markov random field's smoothing.
SMOOTHING = 0.5


@dataclass(frozen=True)
class TissueLabels:
    """Tissue of every voxel.

    Attributes:
        segmentation: (X, Y, Z) uint8, 0 background, 1 CSF, 2 GM, 3 WM.
        probabilities: (X, Y, Z, 4) float32 of the four labels. They sum to 1; where neighbours outvote
            a voxel its segmentation need not be the most probable label.
        recipe: what was done, in words and numbers.
    """

    segmentation: np.ndarray
    probabilities: np.ndarray
    recipe: dict[str, Any]


def tissue_labels(scan: Scan, progress: Progress = silent) -> TissueLabels:
    """Segment CSF, grey and white matter.

    1. The mean signal of a shell over b0 falls linearly from that of tissue to that of free water: the share of free
       water in the signal. Two thirds or more is CSF.
    2. The rest is split in two by DIPY's hidden Markov random field (Zhang et al., IEEE TMI 20, 2001) on
       the anisotropy: the root of the anisotropic power (Dell'Acqua et al., ISMRM 2014) of the signal without free
       water, which stays high where fibres cross, unlike the FA.

    Both use ratios to b0 only, which the bias field of the coils does not change.

    Args:
        scan: with mask; at least one b0 and one shell of six directions.
        progress: told what is being done.

    Raises:
        UserError: if the scan has no b0 or no shell of six directions.
        ValueError: if the scan has no mask.
    """
    progress("tissue: free water and anisotropy", 0.0)
    signal = relative_signal(scan, choose_shell(scan))
    water = free_water_share(signal)
    csf = water >= CSF_SHARE
    anisotropy = anisotropy_index(signal) / np.maximum(1 - water, 1 - CSF_SHARE)
    progress("tissue: Markov random field", 0.3)
    white, white_probability, classifier = _split(anisotropy, ~csf, signal.mask)

    labels = np.where(csf, CSF, np.where(white, WHITE, GREY))
    probabilities = np.zeros((*signal.mask.shape, 4), dtype=np.float32)
    probabilities[~signal.mask, 0] = 1
    csf_probability = expit((water - CSF_SHARE) / 0.1)
    tissue = 1 - csf_probability
    probabilities[signal.mask, 1:] = np.stack(
        [csf_probability, tissue * (1 - white_probability), tissue * white_probability], axis=1
    )
    progress("tissue: done", 1.0)
    millilitres = np.bincount(labels, minlength=4)[1:] * abs(np.linalg.det(scan.affine[:3, :3])) / 1000
    return TissueLabels(
        in_grid(signal.mask, labels, np.uint8),
        probabilities,
        {
            "method": "share of free water from the mean attenuation, then white from grey matter by the root of the "
            f"anisotropic power, split by {classifier}",
            "shell b-value [s/mm²]": round(signal.shell.bvalue),
            "shell directions": len(signal.shell.indices),
            "CSF from this share of free water": CSF_SHARE,
            "smoothing of the random field": SMOOTHING,
            "volumes [ml]": dict(zip(("CSF", "GM", "WM"), np.round(millilitres, 1), strict=True)),
        },
    )


def free_water_share(signal: RelativeSignal) -> np.ndarray:
    """(V,) share of free water in the b0 signal, 0 to 1, from the mean over directions of signal over b0."""
    mean = signal.values[:, 1:].mean(axis=1)
    tissue = float(np.median(mean[tissue_voxels(signal)]))
    water = float(np.exp(-signal.shell.bvalue * WATER_DIFFUSIVITY))
    return np.clip((tissue - mean) / max(tissue - water, 1e-3), 0, 1)


def anisotropy_index(signal: RelativeSignal) -> np.ndarray:
    """(V,) standard deviation over the sphere of a smooth fit to signal over b0: the root of its anisotropic power."""
    order = 4 if signal.distinct_directions >= 20 else 2
    matrix = evaluation_matrix(signal.table.bvecs[1:], order)
    coefficients = signal.values[:, 1:] @ np.linalg.pinv(matrix).T
    return np.sqrt(np.sum(coefficients[:, 1:] ** 2, axis=1) / (4 * np.pi))


def _split(anisotropy: np.ndarray, tissue: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Which of (V,) voxels are white matter, how probably, and what decided."""
    from dipy.segment.threshold import otsu
    from dipy.segment.tissue import TissueClassifierHMRF

    if not tissue.any():
        return np.zeros_like(tissue), np.zeros(len(tissue)), "nothing, since all is CSF"
    index = np.minimum(anisotropy / max(float(np.percentile(anisotropy[tissue], 95)), 1e-6), 1.0)
    # DIPY adds a class for the background, which needs a spread and to lie apart from tissue.
    image = 0.02 * np.random.default_rng(0).random(mask.shape)
    image[mask] = np.where(tissue, (index + 0.2) / 1.2, image[mask])
    with warnings.catch_warnings(), quiet_dipy():
        warnings.simplefilter("ignore")
        _, classes, probabilities = TissueClassifierHMRF().classify(image, 2, SMOOTHING)
    white = np.asarray(classes)[mask] == 2
    probability = np.asarray(probabilities)[mask][:, 1]
    share = np.mean(white[tissue])
    if np.isfinite(probability).all() and 0.02 < share < 0.98:
        return white & tissue, probability, "a hidden Markov random field (DIPY)"
    threshold = float(otsu(index[tissue]))  # the random field fails on some tiny volumes
    return tissue & (index > threshold), expit((index - threshold) / 0.1), "Otsu's threshold"


@contextmanager
def quiet_dipy() -> Iterator[None]:
    """Let DIPY say nothing below a warning."""
    logger = logging.getLogger("dipy")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
