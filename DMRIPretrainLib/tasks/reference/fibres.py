"""Number and directions of fibre populations from a scan alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...progress import Progress, silent
from ...scans.scan import Scan
from ..orientation import peaks_to_fodf
from ..peaks import MAXIMUM_PEAKS, MINIMUM_SEPARATION, RELATIVE_THRESHOLD, find_peaks
from .deconvolution import NOISE_PERCENTILE, Deconvolution, single_fibre_voxels
from .signals import RelativeSignal, choose_shell, in_grid, relative_signal, supported_order

#: A fibre population counts from this amplitude on; that of a lone population is 1. The truth of simulated
#: brains follows the same rule.
AMPLITUDE_FLOOR = 0.15
#: Smallest fractional anisotropy of a fibre where a tensor is all that the scan allows.
TENSOR_FA = 0.25
#: Mean diffusivity in mm²/s above which most of a voxel is free water.
FREE_WATER_DIFFUSIVITY = 1.8e-3


@dataclass(frozen=True)
class FibreLabels:
    """Fibre populations of every voxel.

    Attributes:
        crossings: (X, Y, Z) uint8 number of populations, 0 to 3.
        peaks: (X, Y, Z, 3, 3) float32 unit vector times amplitude, world frame, strongest first, zero where absent.
            A voxel of one population and nothing else has amplitude 1.
        fod_sh: (X, Y, Z, K) float32 fODF, world frame, even spherical harmonics in the library's basis (DIPY's
            ``tournier07`` with ``legacy=False``, which is MRtrix3's); same scale.
        recipe: what was done, in words and numbers.
    """

    crossings: np.ndarray
    peaks: np.ndarray
    fod_sh: np.ndarray
    recipe: dict[str, Any]


def csd_labels(scan: Scan, progress: Progress = silent) -> FibreLabels:
    """Fibre populations by constrained spherical deconvolution (CSD) of one shell.

    Spherical harmonics are of order 8, 6 or 4 as the number of directions allows. Peaks are at least 25 degrees apart
    and above a quarter of the strongest. Two absolute thresholds keep noise out: no peak counts below 0.15, and
    none at all where the strongest does not exceed what noise makes of isotropic tissue (95th percentile).
    With fewer than 15 directions there is at most one population: the first eigenvector of the tensor.

    Args:
        scan: with mask; at least one b0 and one shell of six directions.
        progress: told how far the deconvolution is.

    Raises:
        UserError: if the scan has no b0 or no shell of six directions.
        ValueError: if the scan has no mask.
    """
    signal = relative_signal(scan, choose_shell(scan))
    order = supported_order(signal.distinct_directions)
    return _deconvolve(signal, order, progress) if order else _tensor_labels(signal)


def _deconvolve(signal: RelativeSignal, order: int, progress: Progress) -> FibreLabels:
    deconvolution = Deconvolution(signal, order)
    coefficients = deconvolution.coefficients(signal.values, progress)
    peaks = significant_peaks(find_peaks(coefficients), deconvolution.noise_amplitude)
    return FibreLabels(
        in_grid(signal.mask, np.any(peaks, axis=-1).sum(axis=-1), np.uint8),
        in_grid(signal.mask, peaks, np.float32),
        in_grid(signal.mask, coefficients, np.float32),
        {
            "method": "single-shell constrained spherical deconvolution (DIPY) of the signal relative to the mean b0",
            **_describe_shell(signal),
            "spherical harmonics order": order,
            "response eigenvalues [mm²/s]": deconvolution.response,
            "response voxels": int(deconvolution.response_voxels.sum()),
            "response mean FA": float(signal.fa[deconvolution.response_voxels].mean()),
            "amplitude of 1": "a voxel whose signal is the response",
            "smallest angle between peaks [deg]": MINIMUM_SEPARATION,
            "smallest amplitude relative to the strongest peak": RELATIVE_THRESHOLD,
            "smallest amplitude": AMPLITUDE_FLOOR,
            "smallest amplitude of the strongest peak": deconvolution.noise_amplitude,
            "smallest amplitude of the strongest peak from": f"percentile {NOISE_PERCENTILE:g} of simulated isotropic "
            "tissue with the scan's noise",
        },
    )


def significant_peaks(peaks: np.ndarray, least_strongest: float) -> np.ndarray:
    """Peaks that stand out from noise.

    Args:
        peaks: (V, 3, 3) unit vector times amplitude by falling amplitude, zero where absent.
        least_strongest: voxels whose strongest peak is below this amplitude lose all peaks.

    Returns:
        (V, 3, 3) the same without peaks below 0.15.
    """
    amplitude = np.linalg.norm(peaks, axis=-1)
    kept = (amplitude >= AMPLITUDE_FLOOR) & (amplitude.max(axis=1, keepdims=True) >= least_strongest)
    return np.where(kept[..., None], peaks, 0)


def _tensor_labels(signal: RelativeSignal) -> FibreLabels:
    reference = float(np.median(signal.fa[single_fibre_voxels(signal)]))
    fibre = (signal.fa > TENSOR_FA) & (signal.diffusivity < FREE_WATER_DIFFUSIVITY)
    peaks = np.zeros((len(fibre), MAXIMUM_PEAKS, 3))
    peaks[:, 0] = signal.principal * np.where(fibre, np.minimum(signal.fa / reference, 1.0), 0.0)[:, None]
    grid = in_grid(signal.mask, peaks, np.float32)
    return FibreLabels(
        in_grid(signal.mask, fibre, np.uint8),
        grid,
        np.moveaxis(peaks_to_fodf(grid), 0, -1),
        {
            "method": "diffusion tensor (DIPY, weighted least squares): at most one fibre population, since fewer "
            "than 15 directions cannot show crossings",
            **_describe_shell(signal),
            "smallest FA of a fibre": TENSOR_FA,
            "largest mean diffusivity of a fibre [mm²/s]": FREE_WATER_DIFFUSIVITY,
            "amplitude of 1": f"an FA of {reference:.2f} or more",
        },
    )


def _describe_shell(signal: RelativeSignal) -> dict[str, Any]:
    return {"shell b-value [s/mm²]": round(signal.shell.bvalue), "shell directions": len(signal.shell.indices)}
