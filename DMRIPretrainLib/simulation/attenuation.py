"""Diffusion attenuation of fibre populations, parallel or dispersed."""

from functools import cache, partial

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Legendre
from numpy.polynomial.legendre import leggauss

from .microstructure import Microstructure

#: Legendre polynomials up to this order describe a stick of 2e-3 mm²/s at b = 5000 s/mm² to 1e-5, of 3e-3 to 3e-4.
_ORDER = 20
#: Gauss-Legendre nodes between 0 and 1: enough for the narrowest Watson distribution.
_NODES = 64
#: Up to this orientation dispersion index a population is as good as parallel.
_PARALLEL = 0.005


def fibre_attenuation(cosine: torch.Tensor, bvalue: float, tissue: Microstructure) -> torch.Tensor:
    """Signal of fibre populations over their b0 signal.

    Dispersion is a convolution on the sphere: each Legendre coefficient of the attenuation of parallel fibres is
    multiplied by that of the Watson distribution (Funk-Hecke theorem; Zhang et al., NeuroImage 56, 2011, appendix).

    Args:
        cosine: (F, N) of each population's axis and each gradient direction.
        bvalue: s/mm².
        tissue: its fibre values are numbers, or (F, 1) tensors.

    Returns:
        (F, N) attenuation, 0 to 1 up to rounding.
    """
    dispersion = torch.as_tensor(tissue.dispersion, dtype=cosine.dtype, device=cosine.device)
    if not bool((dispersion > _PARALLEL).any()):
        return parallel_attenuation(cosine.square(), bvalue, tissue)
    nodes, analysis, to_chebyshev = (
        torch.as_tensor(array, dtype=cosine.dtype, device=cosine.device) for array in _legendre()
    )
    attenuation = parallel_attenuation(nodes.square(), bvalue, tissue)
    weights = _watson(dispersion, nodes) @ analysis
    orders = torch.arange(0, _ORDER + 1, 2, dtype=cosine.dtype, device=cosine.device)
    coefficients = (attenuation @ analysis) * (2 * orders + 1) * weights / weights[:, :1]
    # Narrow dips at high b-values swing below zero where the series is cut.
    return _clenshaw(coefficients @ to_chebyshev, 2 * cosine.square() - 1).clamp_(min=0)


def parallel_attenuation(squared_cosine: torch.Tensor, bvalue: float, tissue: Microstructure) -> torch.Tensor:
    """The same without dispersion: a stick and a zeppelin (Panagiotaki et al., NeuroImage 59, 2012)."""
    stick = tissue.stick_fraction
    along = torch.exp(-bvalue * tissue.parallel_diffusivity * squared_cosine)
    across = torch.exp(-bvalue * tissue.zeppelin_diffusivity * (1 - squared_cosine))
    return along * (stick + (1 - stick) * across)


def _watson(dispersion: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """(F, K) density of the Watson distribution at cosines (K,), without its constant."""
    concentration = 1 / torch.tan(torch.pi / 2 * dispersion.clamp(min=_PARALLEL)).reshape(-1, 1)
    return torch.exp(concentration * (nodes.square() - 1))


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (K,), (K, L) integration against even Legendre polynomials, (L, L) change to Chebyshev ones of 2 x² - 1."""
    nodes, weights = leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    orders = range(0, _ORDER + 1, 2)
    analysis = np.stack([weights * Legendre.basis(order)(nodes) for order in orders], axis=1)
    change = np.zeros((len(orders), len(orders)))
    for row, order in enumerate(orders):
        change[row, : order // 2 + 1] = Chebyshev.interpolate(partial(_even_legendre, order), order // 2).coef
    return nodes, analysis, change


def _even_legendre(order: int, t: np.ndarray) -> np.ndarray:
    """The Legendre polynomial of an even order at x, where t is 2 x² - 1."""
    return Legendre.basis(order)(np.sqrt((t + 1) / 2))


def _clenshaw(coefficients: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(F, N) sum of (F, L) Chebyshev coefficients at (F, N) points between -1 and 1 (Clenshaw, 1955)."""
    double = 2 * x
    later = latest = torch.zeros_like(x)
    for index in range(coefficients.shape[1] - 1, 0, -1):
        later, latest = torch.addcmul(coefficients[:, index, None] - latest, double, later), later
    return torch.addcmul(coefficients[:, :1] - latest, x, later)
