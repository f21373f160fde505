"""A first, linear estimate of the fODF from q-space features.

Spherical deconvolution of a single fibre's response is a factor for each order (Funk-Hecke theorem;
Tournier et al. 2004, NeuroImage 23:1176, eq. 4). Here the response is that of a stick with a zeppelin around it
at each shell's own b-value, all shells are combined, and the noise is held down as Wiener's filter does.
It gives networks the fibre directions in a form that turns with the head, for any b-value.
"""

import numpy as np
import torch

from .features import QSpaceFeatures, unscaled_coefficients
from .harmonics import coefficient_orders
from .shells import FEATURE_ORDER

#: Diffusivity along a fibre in s/mm² times 1000 (b is in thousands), and the stick's share of its signal.
_PARALLEL_DIFFUSIVITY = 1.8
_STICK_FRACTION = 0.55
#: Squared noise of a coefficient over that of an fODF coefficient: about 60 directions at SNR 20.
_NOISE_TO_SIGNAL = 0.007

#: Width of the lobe of one fibre: coefficients of order l are damped by exp(-l (l + 1) t).
_LOBE_SMOOTHNESS = 0.012


def lobe(order: int) -> np.ndarray:
    """(K,) factors that turn the coefficients of a delta into those of a smooth lobe of height 1.

    The heat kernel on the sphere, cut at ``order``; its maximum is 1 at order 8.
    """
    orders = coefficient_orders(8)
    damping = np.exp(-_LOBE_SMOOTHNESS * orders * (orders + 1.0))
    return (damping / (np.sum(damping) / (4 * np.pi)))[: len(coefficient_orders(order))]


def fibre_response(bvalue: torch.Tensor) -> torch.Tensor:
    """Zonal factors r_l of a fibre: coefficients of the signal are r_l times those of its fODF.

    Args:
        bvalue: (...) b-values in 1000 s/mm².

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
    """(B, 28, X, Y, Z) fODF of order 6 in the frame of the features.

    A lone fibre peaks at 0.3 (b = 700 s/mm²) to 0.5 (b = 3000): regularisation of the fit and the noise filter
    keep the high orders down.
    """
    per_order = fibre_response(features.conditions[..., 0]) * features.present[..., None]
    index = torch.as_tensor(coefficient_orders(FEATURE_ORDER) // 2, device=per_order.device)
    response = per_order[..., index]
    power = response.square().sum(dim=1) + _NOISE_TO_SIGNAL
    gain = (
        response / power[:, None] * torch.as_tensor(lobe(FEATURE_ORDER), dtype=response.dtype, device=response.device)
    )
    coefficients = unscaled_coefficients(features.shells)
    return torch.einsum("bsk,bskxyz->bkxyz", gain, coefficients)
