"""Fibre bundles: tubes along curves, and what they put at a position."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline

Curve = Sequence[tuple[float, float, float]]

#: Distance between neighbouring points of a curve, mm.
_STEP = 1.5
#: Weights below this one are zero; they would be those of positions beyond ``_REACH`` radii.
_LEAST_WEIGHT = 0.05
_REACH = 1.32
#: Points of a curve whose surroundings are searched together.
_CHUNK = 16


@dataclass(frozen=True)
class Bundle:
    """A bundle of curves.

    Attributes:
        points: (M, 3) positions along the curves, mm.
        tangents: (M, 3) unit vectors in the same frame.
        radius: distance in mm at which the weight of the bundle has fallen to exp(-1).
        weight: of its core.
    """

    points: torch.Tensor
    tangents: torch.Tensor
    radius: float
    weight: float = 1.0

    @classmethod
    def along(cls, curves: Sequence[Curve], radius: float, weight: float = 1.0) -> "Bundle":
        """Smooth curves through control points, in mm."""
        points, tangents = [], []
        for controls in curves:
            places = np.asarray(controls, dtype=float)
            spline = CubicSpline(np.arange(len(places)), places)
            length = np.linalg.norm(np.diff(spline(np.linspace(0, len(places) - 1, 100)), axis=0), axis=1).sum()
            steps = np.linspace(0, len(places) - 1, max(2, int(length / _STEP)))
            tangent = spline(steps, 1)
            points.append(spline(steps))
            tangents.append(tangent / np.linalg.norm(tangent, axis=1, keepdims=True))
        return cls(_tensor(points), _tensor(tangents), radius, weight)

    def to(self, device: torch.device) -> "Bundle":
        """The same bundle on a device."""
        return Bundle(self.points.to(device), self.tangents.to(device), self.radius, self.weight)

    def at(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(V,) weights and (V, 3) directions of the bundle at (V, 3) positions."""
        places, distance, nearest = self.nearest(positions, _REACH * self.radius)
        values = self.weight * torch.exp(-((distance / self.radius) ** 4))
        weights = positions.new_zeros(len(positions))
        weights[places] = values * (values >= _LEAST_WEIGHT * self.weight)
        directions = torch.zeros_like(positions)
        directions[places] = self.tangents[nearest]
        return weights, directions

    def nearest(self, positions: torch.Tensor, reach: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The point of the curves that is nearest to each position, where one is within reach.

        Args:
            positions: (V, 3), mm.
            reach: greatest distance of interest, mm.

        Returns:
            (N,) indices of the positions within reach, ascending; (N,) their distance in mm; (N,) indices of points.
        """
        around = _inside_box(positions, self.points, reach).nonzero()[:, 0]
        local = positions[around]
        distance = torch.full((len(local),), torch.inf, device=positions.device)
        index = torch.zeros(len(local), dtype=torch.long, device=positions.device)
        for first in range(0, len(self.points), _CHUNK):
            points = self.points[first : first + _CHUNK]
            near = _inside_box(local, points, reach).nonzero()[:, 0]
            closest, which = torch.cdist(local[near], points, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
            closer = closest < distance[near]
            distance[near[closer]] = closest[closer]
            index[near[closer]] = first + which[closer]
        found = distance <= reach
        return around[found], distance[found], index[found]


def _inside_box(positions: torch.Tensor, points: torch.Tensor, margin: float) -> torch.Tensor:
    lowest, highest = points.min(dim=0).values - margin, points.max(dim=0).values + margin
    inside = (positions[:, 0] > lowest[0]) & (positions[:, 0] < highest[0])
    for axis in (1, 2):
        inside &= (positions[:, axis] > lowest[axis]) & (positions[:, axis] < highest[axis])
    return inside


def _tensor(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts)).float()
