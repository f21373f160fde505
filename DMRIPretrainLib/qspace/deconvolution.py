"""A first, linear estimate of the fODF from q-space features.

Spherical deconvolution of a single fibre's response is a factor for each order (Funk-Hecke theorem;
Tournier et al. 2004, NeuroImage 23:1176, eq. 4). Here the response is that of a stick with a zeppelin around it
at each shell's own b-value, all shells are combined, and the noise is held down as Wiener's filter does.
It gives networks the fibre directions in a form that turns with the head, for any b-value.
"""

import numpy as np
import torch

from .features import QSpaceFeatures, unscaled_coefficients
from .harmonics import coefficient_orders, evaluate
from .neighbours import average_alike
from .shells import FEATURE_ORDER, HIGH_B, HIGH_B_SMOOTHNESS, LOW_B_SMOOTHNESS

#: Diffusivity along a fibre in µm²/ms (b-values here are in ms/µm²), and the share of the stick in its signal.
_PARALLEL_DIFFUSIVITY = 1.8
_STICK_FRACTION = 0.55
#: Squared noise of a coefficient over that of an fODF coefficient: about 30 directions at SNR 15.
_NOISE_TO_SIGNAL = 0.02

#: Spherical harmonics order of fODFs that are answered.
FODF_ORDER = 8
#: Width of the lobe of one fibre: coefficients of order l are damped by exp(-l (l + 1) t).
_LOBE_SMOOTHNESS = 0.012


def lobe(order: int) -> np.ndarray:
    """(K,) factors that turn the coefficients of a delta into those of a smooth lobe of height 1.

    The heat kernel on the sphere, cut at ``order``; its maximum is 1 at order 8.
    """
    orders = coefficient_orders(FODF_ORDER)
    damping = np.exp(-_LOBE_SMOOTHNESS * orders * (orders + 1.0))
    return (damping / (np.sum(damping) / (4 * np.pi)))[: len(coefficient_orders(order))]


def fodf_of_peaks(peaks: torch.Tensor) -> torch.Tensor:
    """The fODF of order 8 of a list of voxels, on any device.

    Args:
        peaks: (V, K, 3) unit vector x amplitude, zero where there is none.

    Returns:
        (V, 45) coefficients in the frame of the peaks.
    """
    shape = torch.as_tensor(lobe(FODF_ORDER), dtype=peaks.dtype, device=peaks.device)
    amplitudes = peaks.square().sum(dim=2).sqrt()
    voxel, peak = torch.nonzero(amplitudes, as_tuple=True)
    amplitude = amplitudes[voxel, peak, None]
    lobes = evaluate(peaks[voxel, peak] / amplitude, FODF_ORDER) * shape * amplitude
    return peaks.new_zeros(len(peaks), len(shape)).index_add_(0, voxel, lobes)


def fibre_response(bvalue: torch.Tensor) -> torch.Tensor:
    """Zonal factors r_l of a fibre: coefficients of the signal are r_l times those of its fODF.

    Args:
        bvalue: (...) b-values in ms/µm² (1000 s/mm²).

    Returns:
        (..., 4) factors of the orders 0, 2, 4 and 6.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    orders = range(0, FEATURE_ORDER + 1, 2)
    legendre = np.stack([np.polynomial.legendre.Legendre.basis(order)(nodes) for order in orders])
    quadrature = torch.as_tensor(2 * np.pi * weights * legendre, dtype=bvalue.dtype, device=bvalue.device)
    squared = torch.as_tensor(nodes**2, dtype=bvalue.dtype, device=bvalue.device)
    b = bvalue[..., None]
    along = torch.exp(-b * _PARALLEL_DIFFUSIVITY * squared)
    # Tortuosity: across the fibre, water outside the stick is hindered by the stick's share (Szafer 1995).
    across = torch.exp(-b * _PARALLEL_DIFFUSIVITY * (1 - _STICK_FRACTION) * (1 - squared))
    signal = along * (_STICK_FRACTION + (1 - _STICK_FRACTION) * across)
    return signal @ quadrature.T


def deconvolve(features: QSpaceFeatures) -> torch.Tensor:
    """(B, 28, X, Y, Z) fODF of order 6 in the frame of the features."""
    factors = _factors(features.conditions, features.present)
    return torch.einsum("bsk,bskxyz->bkxyz", factors, unscaled_coefficients(features.shells))


def linear_fodf(features: QSpaceFeatures) -> torch.Tensor:
    """The same, averaged over neighbours that are alike, where the noise of the features is known.

    The features must be those of a whole block of a scan, since neighbours in the tensor are taken for neighbours;
    see ``average_alike``.
    """
    fodf = deconvolve(features)
    if features.variance is None:
        return fodf
    squares = _factors(features.conditions, features.present).square()
    variance = torch.einsum("bsk,bsk->bk", squares, features.variance)
    # The noise of E is that of the signal over b0.
    return average_alike(fodf, variance, torch.exp(-features.b0[:, 0]))


def fodf_trust(features: QSpaceFeatures) -> torch.Tensor:
    """(B, 4) share of the true fODF's orders 0, 2, 4 and 6 that Wiener's filter leaves in the linear one."""
    power = _response(features.conditions, features.present).square().sum(dim=1)
    return power / (power + _NOISE_TO_SIGNAL)


def _factors(conditions: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """(B, S, 28) what each coefficient of each shell adds to that of the fODF."""
    gains = _gains(conditions, present)
    index = torch.as_tensor(coefficient_orders(FEATURE_ORDER) // 2, device=gains.device)
    return gains[..., index] * torch.as_tensor(lobe(FEATURE_ORDER), dtype=gains.dtype, device=gains.device)


def _gains(conditions: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """(B, S, 4) factor of each order of each shell, from (B, S, 4) conditions and (B, S) presence."""
    orders = torch.arange(0, FEATURE_ORDER + 1, 2, dtype=conditions.dtype, device=conditions.device)
    response = _response(conditions, present)
    # The regularised fit of evenly spread directions shrinks the coefficients of an order by this much.
    strength = torch.where(1000 * conditions[..., :1] <= HIGH_B, LOW_B_SMOOTHNESS, HIGH_B_SMOOTHNESS)
    shrinkage = 1 / (1 + 4 * np.pi * strength * (orders * (orders + 1)).square())
    power = response.square().sum(dim=1, keepdim=True) + _NOISE_TO_SIGNAL
    return response / (shrinkage * power)


def _response(conditions: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """(B, S, 4) response of a fibre in each order that was fitted in each shell, else zero."""
    orders = torch.arange(0, FEATURE_ORDER + 1, 2, dtype=conditions.dtype, device=conditions.device)
    fitted = present[..., None] * (orders < FEATURE_ORDER * conditions[..., 2:3] + 0.5)
    return fibre_response(conditions[..., 0]) * fitted
