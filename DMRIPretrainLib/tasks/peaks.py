"""Peaks of many fODFs at once."""

import numpy as np
import torch

from ..qspace.direction_grid import DirectionGrid, direction_grid
from ..qspace.harmonics import evaluation_matrix, order_of

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
#: How far a maximum may lie from its direction, in radians: 7 degrees, where neighbours are 8 away.
_REACH = 0.12
_CANDIDATES = 6
_VOXELS_AT_ONCE = 4096


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
    grid = direction_grid()
    matrix = torch.tensor(evaluation_matrix(grid.directions.numpy(), order), dtype=torch.float32)
    peaks = np.zeros((len(coefficients), MAXIMUM_PEAKS, 3), dtype=np.float32)
    for start in range(0, len(coefficients), _VOXELS_AT_ONCE):
        block = torch.as_tensor(coefficients[start : start + _VOXELS_AT_ONCE], dtype=torch.float32)
        expected = np.zeros(len(block)) if counts is None else counts[start : start + len(block)]
        found = _block_peaks(matrix @ block.T, grid, torch.as_tensor(expected, dtype=torch.int64))
        peaks[start : start + len(block)] = found.numpy()
    return peaks


def _block_peaks(values: torch.Tensor, grid: DirectionGrid, expected: torch.Tensor) -> torch.Tensor:
    """(V, 3, 3) peaks of (D, V) values, (V,) of them expected: directions first, so that neighbours are whole rows."""
    highest = values.amax(dim=0)
    usual = (RELATIVE_THRESHOLD * highest).clamp(min=ABSOLUTE_THRESHOLD)
    known = (EXPECTED_RELATIVE_THRESHOLD * highest).clamp(min=EXPECTED_ABSOLUTE_THRESHOLD)
    floor = torch.where(expected > 0, known, usual).expand_as(values).clone()
    for column in range(1, _NEIGHBOURS + 1):
        torch.maximum(floor, values[grid.fit_points[:, column]], out=floor)
    maxima = torch.where(values > floor, values, 0.0)
    heights, vertices = (tensor.T for tensor in maxima.topk(_CANDIDATES, dim=0))
    kept = _separate(heights, grid.directions[vertices])
    most = torch.where(expected > 0, expected, MAXIMUM_PEAKS)
    kept &= kept.cumsum(dim=1) <= most[:, None]
    peaks = torch.zeros(values.shape[1], _CANDIDATES, 3)
    voxel, candidate = torch.nonzero(kept, as_tuple=True)
    vertex = vertices[voxel, candidate]
    local = values[:, voxel].gather(0, grid.fit_points[vertex].T).T
    direction, height = grid.refine(local, vertex, _REACH)
    peaks[voxel, candidate] = direction * height[:, None]
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
