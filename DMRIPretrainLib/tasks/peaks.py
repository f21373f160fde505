"""Peaks of many fODFs at once."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from ..qspace.harmonics import evaluation_matrix, hemisphere, order_of

MAXIMUM_PEAKS = 3
#: Peaks nearer to a stronger one than this many degrees are dropped.
MINIMUM_SEPARATION = 25.0
#: Peaks below this share of the strongest one of their voxel are dropped.
RELATIVE_THRESHOLD = 0.25
#: Peaks below this amplitude are dropped; a lone fibre that fills its voxel has amplitude 1.
ABSOLUTE_THRESHOLD = 0.10
#: The same two where the number of peaks is known: an fODF that is unsure of a direction is low there.
EXPECTED_RELATIVE_THRESHOLD = 0.15
EXPECTED_ABSOLUTE_THRESHOLD = 0.05

_NEIGHBOURS = 6
_FIT_NEIGHBOURS = 12
_CANDIDATES = 6
_VOXELS_AT_ONCE = 4096


@dataclass(frozen=True)
class _Sampling:
    """Even directions, their neighbours, and the local quadratic fits around them.

    Attributes:
        directions: (D, 3) unit vectors, one of each antipodal pair.
        neighbours: (D, 6) nearest directions up to sign.
        fit_points: (D, 13) the direction itself and its 12 nearest.
        fits: (D, 6, 13) coefficients (1, u, v, u², uv, v²) in the tangent plane from values at the fit points.
        tangents: (D, 2, 3) axes u and v of the tangent plane.
    """

    directions: torch.Tensor
    neighbours: torch.Tensor
    fit_points: torch.Tensor
    fits: torch.Tensor
    tangents: torch.Tensor


@cache
def _sampling() -> _Sampling:
    directions = hemisphere()
    cosines = directions @ directions.T
    nearest = np.argsort(-np.abs(cosines), axis=1)
    fit_points = nearest[:, : _FIT_NEIGHBOURS + 1]
    helper = np.where(np.abs(directions[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(directions, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    tangents = np.stack([first, np.cross(directions, first)], axis=1)
    signs = np.sign(np.take_along_axis(cosines, fit_points, axis=1))
    points = directions[fit_points] * signs[..., None]
    u, v = np.moveaxis(np.einsum("dnc,dtc->dnt", points, tangents), -1, 0)
    fits = np.linalg.pinv(np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1))
    return _Sampling(
        torch.tensor(directions, dtype=torch.float32),
        torch.tensor(nearest[:, 1 : _NEIGHBOURS + 1]),
        torch.tensor(fit_points.copy()),
        torch.tensor(fits, dtype=torch.float32),
        torch.tensor(tangents, dtype=torch.float32),
    )


def find_peaks(coefficients: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Up to three peaks of each fODF.

    Local maxima on 362 directions, refined by a quadratic fit in the tangent plane, taken greedily from
    the strongest on.

    Args:
        coefficients: (V, K) fODF coefficients in the library's basis.
        counts: (V,) how many peaks to expect: where it is 1 or more, no more than so many are taken, and lower ones
            than otherwise; where it is 0, and without it, the usual thresholds decide.

    Returns:
        (V, 3, 3) float32 unit vector x amplitude, strongest first, zero where there is none, in the frame
        of the coefficients.
    """
    order = order_of(coefficients.shape[1])
    sampling = _sampling()
    matrix = torch.tensor(evaluation_matrix(sampling.directions.numpy(), order), dtype=torch.float32)
    peaks = np.zeros((len(coefficients), MAXIMUM_PEAKS, 3), dtype=np.float32)
    for start in range(0, len(coefficients), _VOXELS_AT_ONCE):
        block = torch.as_tensor(coefficients[start : start + _VOXELS_AT_ONCE], dtype=torch.float32)
        expected = np.zeros(len(block)) if counts is None else counts[start : start + len(block)]
        found = _block_peaks(matrix @ block.T, sampling, torch.as_tensor(expected, dtype=torch.int64))
        peaks[start : start + len(block)] = found.numpy()
    return peaks


def _block_peaks(values: torch.Tensor, sampling: _Sampling, expected: torch.Tensor) -> torch.Tensor:
    """(V, 3, 3) peaks of (D, V) values, (V,) of them expected: directions first, so that neighbours are whole rows."""
    highest = values.amax(dim=0)
    usual = (RELATIVE_THRESHOLD * highest).clamp(min=ABSOLUTE_THRESHOLD)
    known = (EXPECTED_RELATIVE_THRESHOLD * highest).clamp(min=EXPECTED_ABSOLUTE_THRESHOLD)
    floor = torch.where(expected > 0, known, usual).expand_as(values).clone()
    for column in range(_NEIGHBOURS):
        torch.maximum(floor, values[sampling.neighbours[:, column]], out=floor)
    maxima = torch.where(values > floor, values, 0.0)
    heights, vertices = (tensor.T for tensor in maxima.topk(_CANDIDATES, dim=0))
    kept = _separate(heights, sampling.directions[vertices])
    most = torch.where(expected > 0, expected, MAXIMUM_PEAKS)
    kept &= kept.cumsum(dim=1) <= most[:, None]
    peaks = torch.zeros(values.shape[1], _CANDIDATES, 3)
    voxel, candidate = torch.nonzero(kept, as_tuple=True)
    peaks[voxel, candidate] = _refine(values[:, voxel], vertices[voxel, candidate], sampling)
    # Refinement may change the order of peaks of nearly the same height.
    order = torch.argsort(peaks.norm(dim=2), dim=1, descending=True)[:, :MAXIMUM_PEAKS]
    return torch.take_along_dim(peaks, order[..., None], dim=1)


def _separate(heights: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """(V, C) bool: candidates by falling height that are 25 degrees away from every stronger one kept."""
    near = torch.einsum("vic,vjc->vij", directions, directions).abs() > np.cos(np.radians(MINIMUM_SEPARATION))
    kept = heights > 0
    for candidate in range(1, _CANDIDATES):
        clash = (near[:, candidate, :candidate] & kept[:, :candidate]).any(dim=1)
        kept[:, candidate] &= ~clash
    return kept


def _refine(values: torch.Tensor, vertex: torch.Tensor, sampling: _Sampling) -> torch.Tensor:
    """(P, 3) unit vector x amplitude of the maximum of the quadratic fit around (P,) vertices of (D, P) values."""
    local = values.gather(0, sampling.fit_points[vertex].T).T
    constant, gu, gv, uu, uv, vv = torch.einsum("pkn,pn->kp", sampling.fits[vertex], local)
    determinant = 4 * uu * vv - uv * uv
    curved = (determinant > 1e-6) & (uu < 0)
    safe = torch.where(curved, determinant, 1.0)
    u = torch.where(curved, (uv * gv - 2 * vv * gu) / safe, 0.0)
    v = torch.where(curved, (uv * gu - 2 * uu * gv) / safe, 0.0)
    # The maximum lies within the ring of neighbours (8 degrees), or the fit is not to be believed.
    scale = (0.12 / torch.sqrt(u * u + v * v).clamp(min=1e-9)).clamp(max=1.0)
    u, v = u * scale, v * scale
    direction = sampling.directions[vertex] + torch.einsum("tp,ptc->pc", torch.stack([u, v]), sampling.tangents[vertex])
    amplitude = constant + gu * u + gv * v + uu * u * u + uv * u * v + vv * v * v
    amplitude = torch.maximum(amplitude, local[:, 0])
    return direction / direction.norm(dim=1, keepdim=True) * amplitude[:, None]
