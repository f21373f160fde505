"""Averaging of fODFs over neighbours that hold the same fibres.

Fibres go on from voxel to voxel. Where the fODF of a neighbour differs by no more than noise explains, it is another
measurement of the same fibres, and their mean has less noise; where it differs by more, it is left out (a bilateral
filter, Tomasi and Manduchi, ICCV 1998, whose width is the noise itself; on spherical functions as in Becker et al.,
NeuroImage 95, 2014). Every coefficient of an order is treated alike, so that this turns with the head.
"""

import itertools

import torch

#: One of each pair of opposite steps to the 26 neighbours.
_STEPS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
#: Weights fall to 1/e where the squared difference exceeds its expectation by this many standard deviations.
_WIDTH = 2.0
#: Smaller variances are those of coefficients that were not measured.
_LEAST_VARIANCE = 1e-12


def average_alike(fodf: torch.Tensor, variance: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Mean of each fODF and of those of its 26 neighbours that are alike.

    Args:
        fodf: (B, 28, X, Y, Z) coefficients; all are zero outside the brain.
        variance: (B, 28) of the noise of each coefficient where ``noise`` is 1; 0 where it was not measured.
        noise: (B, X, Y, Z) factor on the standard deviation of the noise in each voxel.

    Returns:
        (B, 28, X, Y, Z) coefficients, zero outside the brain. Order 0, which differs between tissues rather than
        fibres, stays as it is; so does everything where there is no noise.
    """
    measured = variance[:, 1:] > _LEAST_VARIANCE
    freedom = measured.sum(dim=1).clamp(min=1)[:, None, None, None].to(fodf.dtype)
    inverse = torch.where(measured, 1 / variance[:, 1:].clamp(min=_LEAST_VARIANCE), 0.0)
    values = fodf[:, 1:]
    square = noise.square()
    # Without noise no difference could be told from it, and all neighbours would seem alike.
    inside = ((fodf[:, 0] != 0) & measured.any(dim=1)[:, None, None, None]).to(fodf.dtype)
    total, weights = values.clone(), torch.ones_like(noise)
    for step in _STEPS:
        here, there = _overlap(step, noise.shape[1:])
        difference = (values[:, :, *here] - values[:, :, *there]).square_()
        distance = torch.einsum("bc,bcxyz->bxyz", inverse, difference) / (square[:, *here] + square[:, *there])
        excess = (distance - freedom).clamp_(min=0) / (_WIDTH * (2 * freedom).sqrt())
        alike = torch.exp(-excess) * inside[:, *here] * inside[:, *there]
        total[:, :, *here] += alike[:, None] * values[:, :, *there]
        total[:, :, *there] += alike[:, None] * values[:, :, *here]
        weights[:, *here] += alike
        weights[:, *there] += alike
    return torch.cat([fodf[:, :1], total / weights[:, None]], dim=1)


def _overlap(step: tuple[int, ...], shape: torch.Size) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Voxels that have a neighbour at a step, and these neighbours."""
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, shape, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, shape, strict=True))
    return here, there
