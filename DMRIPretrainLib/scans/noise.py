"""How noisy a scan is."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from .gradient_table import Shell
from .scan import Scan

#: Repeated b0 volumes from which on their spread is used.
_MIN_B0 = 3

#: Voxels that the estimate uses at most, evenly spread over the mask.
_MAX_VOXELS = 20_000

#: The fit may have at most this share of parameters per direction, so that enough residual is left.
_MAX_PARAMETER_SHARE = 0.75


@dataclass(frozen=True)
class ShellNoise:
    """Noise of one shell.

    Attributes:
        bvalue: mean b-value in s/mm².
        sigma: standard deviation of the noise in units of the signal; None with too few directions.
        snr: median over the mask of the mean signal of the shell, divided by ``sigma``.
    """

    bvalue: float
    sigma: float | None
    snr: float | None


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise of a scan.

    Attributes:
        sigma: standard deviation of the noise: the lower one of ``sigma_b0`` and that of the lowest shell, since
            motion, pulsation and misfit can only add; None where neither is known.
        sigma_b0: that by repeated b0 volumes; None for fewer than three.
        snr_b0: median over the mask of the mean b0 signal, divided by ``sigma``.
        shells: one entry a shell, by ascending b-value.
    """

    sigma: float | None
    sigma_b0: float | None
    snr_b0: float | None
    shells: tuple[ShellNoise, ...]


def estimate_noise(scan: Scan, mask: np.ndarray | None = None) -> NoiseEstimate:
    """Estimate the noise of one volume inside the mask.

    For b0 volumes it is the standard deviation over repeats. For a shell it is the residual of a fit with spherical
    harmonics, divided by its degrees of freedom (directions minus parameters), so that a fit of many parameters does
    not look less noisy. Both take the median over voxels and divide by that of the chi-squared distribution, which
    makes them robust against vessels and edges in a minority of the voxels.

    With fewer than 20 directions the fit is of order 2, which cannot follow strongly anisotropic voxels: the estimate
    is then an upper bound. Where the signal is below about three times the noise, magnitude images vary less than the
    noise (Gudbjartsson and Patz, Magn Reson Med 1995). SNR values are of the whole mask; in white matter, which is
    what is often quoted, that of b0 is about a quarter lower.

    Args:
        scan: the scan; any real unit of signal.
        mask: (X, Y, Z) bool; by default the mask of the scan, else all voxels.

    Returns:
        The estimate; the noise is in the units of the signal.
    """
    signal = _masked_signal(scan, mask)
    b0 = signal[:, scan.gradients.is_b0]
    sigma_b0 = None
    if b0.shape[1] >= _MIN_B0:
        sigma_b0 = _sigma(np.sum((b0 - b0.mean(axis=1, keepdims=True)) ** 2, axis=1), b0.shape[1] - 1)
    shells = tuple(
        _shell_noise(shell, signal[:, shell.indices], scan.gradients.directions[shell.indices])
        for shell in scan.gradients.shells()
    )
    lowest = next((shell.sigma for shell in shells if shell.sigma is not None), None)
    sigma = min((value for value in (sigma_b0, lowest) if value is not None), default=None)
    return NoiseEstimate(sigma, sigma_b0, _snr(b0, sigma), shells)


def _masked_signal(scan: Scan, mask: np.ndarray | None) -> np.ndarray:
    """(V, N) float64 signals of at most ``_MAX_VOXELS`` voxels."""
    mask = scan.mask if mask is None else mask
    voxels = np.argwhere(np.ones(scan.shape, dtype=bool) if mask is None else mask)
    voxels = voxels[:: max(1, -(-len(voxels) // _MAX_VOXELS))]
    return np.asarray(scan.signal[tuple(voxels.T)], dtype=float)


def _shell_noise(shell: Shell, signal: np.ndarray, directions: np.ndarray) -> ShellNoise:
    fit = _harmonics(directions)
    if fit is None:
        return ShellNoise(shell.bvalue, None, None)
    basis, _ = np.linalg.qr(fit)
    residual = signal - (signal @ basis) @ basis.T
    sigma = _sigma(np.sum(residual**2, axis=1), basis.shape[0] - basis.shape[1])
    return ShellNoise(shell.bvalue, sigma, _snr(signal, sigma))


def _harmonics(directions: np.ndarray) -> np.ndarray | None:
    """(M, K) even spherical harmonics of the highest order up to 6 that leaves enough degrees of freedom."""
    from dipy.core.geometry import cart2sphere
    from dipy.reconst.shm import real_sh_descoteaux

    _, theta, phi = cart2sphere(*directions.T)
    for order, parameters in ((6, 28), (4, 15), (2, 6), (0, 1)):
        if parameters > _MAX_PARAMETER_SHARE * len(directions):
            continue
        basis = real_sh_descoteaux(order, theta, phi, legacy=False)[0]
        if np.linalg.matrix_rank(basis) == parameters:
            return basis
    return None


def _sigma(squares: np.ndarray, freedom: int) -> float:
    """Standard deviation from (V,) sums of squares with so many degrees of freedom each."""
    return float(np.sqrt(np.median(squares) / special.chdtri(freedom, 0.5)))


def _snr(signal: np.ndarray, sigma: float | None) -> float | None:
    if not sigma or signal.shape[1] == 0:
        return None
    return float(np.median(signal.mean(axis=1)) / sigma)
