"""Solids by their depth: the distance to the surface in mm, positive inside; and what a voxel holds of them."""

from collections.abc import Sequence

import torch

Point = tuple[float, float, float]
#: World coordinates x, y, z in mm, one tensor each, of one shape.
Positions = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def ellipsoid(positions: Positions, centre: Point, radii: Sequence[float | torch.Tensor]) -> torch.Tensor:
    """Depth in an ellipsoid along the ray from its centre; exact on a sphere."""
    offsets = [coordinate - middle for coordinate, middle in zip(positions, centre, strict=True)]
    relative = _norm(*(offset / radius for offset, radius in zip(offsets, radii, strict=True))).clamp(min=1e-3)
    return (1 / relative - 1) * _norm(*offsets)


def tube(positions: Positions, points: Sequence[Point], radii: Sequence[float]) -> torch.Tensor:
    """Depth in a chain of rounded cones through the points, whose radii change from one to the next."""
    depth = torch.full_like(positions[0], -torch.inf)
    for start, end, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        axis = [b - a for a, b in zip(start, end, strict=True)]
        offsets = [coordinate - a for coordinate, a in zip(positions, start, strict=True)]
        along = sum(offset * step for offset, step in zip(offsets, axis, strict=True))
        along = (along / sum(step**2 for step in axis)).clamp(0, 1)  # type: ignore[union-attr]
        distance = _norm(*(offset - along * step for offset, step in zip(offsets, axis, strict=True)))
        depth = torch.maximum(depth, first + (last - first) * along - distance)
    return depth


def share_inside(depth: torch.Tensor, voxel: float) -> torch.Tensor:
    """Share of a voxel that lies inside a surface, which counts as plane."""
    return (depth / voxel + 0.5).clamp(0, 1)


def share_of_sheet(distance: torch.Tensor, half_thickness: torch.Tensor | float, voxel: float) -> torch.Tensor:
    """Share of a voxel that a sheet takes, given the distance to its middle; it may be thinner than the voxel."""
    half = torch.as_tensor(half_thickness, device=distance.device)
    above = torch.minimum(torch.maximum(distance + voxel / 2, -half), half)
    below = torch.minimum(torch.maximum(distance - voxel / 2, -half), half)
    return (above - below) / voxel


def _norm(*components: torch.Tensor) -> torch.Tensor:
    return torch.sqrt(sum(component**2 for component in components))  # type: ignore[arg-type]
