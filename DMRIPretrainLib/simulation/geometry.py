"""Phantoms from geometry files: fibre tubes along curves, and fluid-filled balls.

The files are those of Phantomas (Caruyer et al., "Phantomas: a flexible software library to simulate diffusion MR
phantoms", ISMRM 2014), such as that of the HARDI reconstruction challenge of 2013: JSON with ``fiber_geometries``, by
name, of ``control_points`` (mm), ``tangents`` and ``radius`` (mm), and ``isotropic_regions``, by name, of ``center``,
``radius`` and, optionally, ``volume_fraction``. Other keys are ignored.
"""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.interpolate import CubicHermiteSpline

from ..errors import UserError
from .bundles import Bundle
from .fibres import merge_populations
from .phantom import Phantom

TANGENTS = ("symmetric", "incoming", "outgoing")
#: Samples of a voxel along each axis.
_SUBDIVISION = 4
_LARGEST_GRID = 256


@dataclass(frozen=True)
class Tube:
    """A bundle of parallel fibres around a curve.

    Attributes:
        name: for messages.
        control_points: (N, 3) what the curve passes through, world frame, mm.
        tangents: how the curve is headed at a control point: as the way from the last one (``incoming``), to the
            next one (``outgoing``) or from the last to the next (``symmetric``).
        radius: of the tube, mm.
    """

    name: str
    control_points: np.ndarray
    tangents: str
    radius: float

    def bundle(self, step: float) -> Bundle:
        """Points along the curve, ``step`` mm apart at most.

        The curve is a cubic Hermite spline over the length of the polygon through the control points. It leaves and
        reaches its ends at right angles to the sphere around the origin on which they lie, the "cortex".
        """
        points = self.control_points
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        knots = np.concatenate([[0.0], np.cumsum(lengths)])
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
        start, stop = {"incoming": (before, points), "outgoing": (points, after), "symmetric": (before, after)}[
            self.tangents
        ]
        slopes = stop - start
        slopes[0] = -points[0] if points[0].any() else points[1]
        slopes[-1] = points[-1] if points[-1].any() else -points[-2]
        norms = np.linalg.norm(slopes, axis=1, keepdims=True)
        curve = CubicHermiteSpline(knots, points, slopes / np.maximum(norms, 1e-12))
        # A cubic with unit slopes at its knots is nowhere faster than about 2 mm per mm of the polygon.
        steps = np.linspace(0, knots[-1], 2 + math.ceil(2 * knots[-1] / step))
        tangents = curve(steps, 1)
        tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-12)
        return Bundle(torch.from_numpy(curve(steps)).float(), torch.from_numpy(tangents).float(), self.radius)


@dataclass(frozen=True)
class Ball:
    """A ball of free water.

    Attributes:
        centre: world frame, mm.
        radius: mm.
        share: of the space inside that the water takes.
    """

    centre: tuple[float, float, float]
    radius: float
    share: float = 1.0


@dataclass(frozen=True)
class Geometry:
    """What a geometry file holds."""

    tubes: tuple[Tube, ...] = ()
    balls: tuple[Ball, ...] = ()


def read_geometry(path: Path) -> Geometry:
    """Read a geometry file.

    Raises:
        UserError: if the file cannot be read, or anything in it is missing or impossible.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: expected a geometry in JSON, found none that can be read ({error})") from error
    tubes = [_tube(path, name, entry) for name, entry in _entries(path, content, "fiber_geometries")]
    balls = [_ball(path, name, entry) for name, entry in _entries(path, content, "isotropic_regions")]
    if not tubes and not balls:
        raise UserError(f"{path}: expected fiber_geometries or isotropic_regions, found neither; check the file")
    return Geometry(tuple(tubes), tuple(balls))


def simulate_geometry(
    geometry: Geometry, voxel_size: float = 2.0, seed: int = 0, device: str | torch.device = "cpu"
) -> Phantom:
    """The phantom of a geometry on a grid of cubic voxels that holds all of it, in RAS order.

    Tubes are white matter, ended at right angles to their curve; where they overlap, each has an equal share. Balls are
    CSF and displace what else is there. The rest of a voxel that holds either is grey matter; all others are
    background. Shares of a voxel are counted in 4 x 4 x 4 samples, each at a random place in its cell.

    Args:
        geometry: tubes and balls.
        voxel_size: edge length in mm.
        seed: of the places of the samples.
        device: where the tensors will be.

    Raises:
        UserError: if the grid would be larger than 256 voxels along an axis.
    """
    bundles = [tube.bundle(tube.radius / 4).to(torch.device(device)) for tube in geometry.tubes]
    shape, affine = _grid(geometry, bundles, voxel_size)
    offsets = _sample_offsets(voxel_size, seed).to(device)
    index = torch.stack(torch.meshgrid(*(torch.arange(n, device=device) for n in shape), indexing="ij"), dim=-1)
    centres = index.reshape(-1, 3) * voxel_size + torch.tensor(affine[:3, 3], dtype=torch.float32, device=device)

    near = torch.zeros(len(centres), dtype=torch.bool, device=device)
    for ball in geometry.balls:
        near |= _distance(centres, ball) <= ball.radius + voxel_size
    for bundle in bundles:
        near[bundle.nearest(centres, bundle.radius + voxel_size)[0]] = True
    fractions, fibres, shares = _voxels(centres[near], offsets, bundles, geometry.balls)

    def on_grid(values: torch.Tensor) -> torch.Tensor:
        grid = values.new_zeros(len(centres), *values.shape[1:])
        grid[near] = values
        return grid.reshape(*shape, *values.shape[1:])

    fractions = on_grid(fractions)
    return Phantom(fractions, on_grid(fibres), on_grid(shares), fractions.sum(dim=-1) > 0, affine)


def _voxels(
    centres: torch.Tensor, offsets: torch.Tensor, bundles: list[Bundle], balls: tuple[Ball, ...]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Fractions (V, 3), fibres (V, 3, 3) and their shares (V, 3) of voxels, all zero where there is nothing."""
    fluid = centres.new_zeros(len(centres), len(offsets))
    for ball in balls:
        fluid = torch.maximum(fluid, ball.share * (_distance(centres[:, None] + offsets, ball) <= ball.radius))
    parts = [_samples_inside(bundle, centres, offsets) for bundle in bundles]
    count = torch.zeros_like(fluid)
    for voxels, inside, _ in parts:
        count[voxels] += inside
    weights = centres.new_zeros(len(centres), max(1, len(parts)))
    directions = centres.new_zeros(*weights.shape, 3)
    for number, (voxels, inside, direction) in enumerate(parts):
        weights[voxels, number] = (inside * (1 - fluid[voxels]) / count[voxels].clamp(min=1)).mean(dim=1)
        directions[voxels, number] = direction
    csf, wm = fluid.mean(dim=1), weights.sum(dim=1)
    something = (csf > 0) | (wm > 0)
    fractions = torch.stack([csf, (1 - csf - wm).clamp(min=0), wm], dim=-1) * something[:, None]
    return fractions, *merge_populations(directions, weights)


def _grid(geometry: Geometry, bundles: list[Bundle], voxel_size: float) -> tuple[tuple[int, int, int], np.ndarray]:
    spheres = [(bundle.points.cpu().numpy(), bundle.radius) for bundle in bundles]
    spheres += [(np.array([ball.centre]), ball.radius) for ball in geometry.balls]
    lowest = np.min([points.min(axis=0) - radius for points, radius in spheres], axis=0)
    highest = np.max([points.max(axis=0) + radius for points, radius in spheres], axis=0)
    counts = np.ceil((highest - lowest) / voxel_size).astype(int) + 2  # a margin of a voxel
    if counts.max() > _LARGEST_GRID:
        raise UserError(
            f"geometry of {highest - lowest} mm: expected at most {_LARGEST_GRID} voxels along an axis, found "
            f"{counts.max()} voxels of {voxel_size:g} mm; choose a larger voxel size"
        )
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = (lowest + highest) / 2 - voxel_size * (counts - 1) / 2
    x, y, z = counts.tolist()
    return (x, y, z), affine


def _sample_offsets(voxel_size: float, seed: int) -> torch.Tensor:
    """(S, 3) places of the samples relative to the centre of their voxel, mm."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.cartesian_prod(*[torch.arange(_SUBDIVISION)] * 3)
    places = (cells + torch.rand(cells.shape, generator=generator)) / _SUBDIVISION
    return (places - 0.5) * voxel_size


def _distance(positions: torch.Tensor, ball: Ball) -> torch.Tensor:
    return torch.linalg.norm(positions - torch.tensor(ball.centre, device=positions.device), dim=-1)


def _samples_inside(
    bundle: Bundle, centres: torch.Tensor, offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Voxels (N,) that a tube touches, which of their samples lie inside (N, S), and its directions there (N, 3)."""
    reach = bundle.radius + float(torch.linalg.norm(offsets, dim=-1).max())
    voxels, _, _ = bundle.nearest(centres, reach)
    samples = (centres[voxels, None] + offsets).reshape(-1, 3)
    places, _, nearest = bundle.nearest(samples, bundle.radius)
    # Beyond the plane of an end the nearest point is that end.
    ahead = torch.sum((samples[places] - bundle.points[nearest]) * bundle.tangents[nearest], dim=-1)
    beyond = ((nearest == 0) & (ahead < 0)) | ((nearest == len(bundle.points) - 1) & (ahead > 0))
    inside = torch.zeros(len(samples), device=samples.device)
    inside[places[~beyond]] = 1.0
    along = torch.zeros_like(samples)
    along[places[~beyond]] = bundle.tangents[nearest[~beyond]]
    direction = along.reshape(len(voxels), -1, 3).mean(dim=1)
    inside = inside.reshape(len(voxels), -1)
    touched = inside.any(dim=1)
    return voxels[touched], inside[touched], torch.nn.functional.normalize(direction[touched], dim=-1)


def _entries(path: Path, content: Any, key: str) -> list[tuple[str, dict[str, Any]]]:
    entries = content.get(key, {}) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UserError(f"{path}: expected a JSON object whose {key} are objects by name, found another structure")
    return list(entries.items())


def _tube(path: Path, name: str, entry: dict[str, Any]) -> Tube:
    points = _numbers(path, name, "control_points", entry)
    if points.size < 6 or points.size % 3 or (points.ndim == 2 and points.shape[1] != 3) or points.ndim > 2:
        raise UserError(
            f"{path}: expected two or more control_points x, y, z for {name}, found {points.size} numbers; mend them"
        )
    points = points.reshape(-1, 3)
    if any(np.array_equal(a, b) for a, b in pairwise(points)):
        raise UserError(f"{path}: expected neighbouring control_points of {name} to differ, found two alike; drop one")
    tangents = entry.get("tangents", "symmetric")
    if tangents not in TANGENTS:
        raise UserError(f"{path}: expected {', '.join(TANGENTS)} as tangents of {name}, found {tangents!r}; choose one")
    return Tube(name, points, tangents, _radius(path, name, entry))


def _ball(path: Path, name: str, entry: dict[str, Any]) -> Ball:
    centre = _numbers(path, name, "center", entry)
    if centre.shape != (3,):
        raise UserError(f"{path}: expected x, y, z as center of {name}, found {centre.size} numbers; mend it")
    share = _numbers(path, name, "volume_fraction", {"volume_fraction": entry.get("volume_fraction", 1.0)})
    if share.shape or not 0 < share <= 1:
        raise UserError(f"{path}: expected a volume_fraction of {name} above 0 and up to 1, found {share}; mend it")
    x, y, z = centre.tolist()
    return Ball((x, y, z), _radius(path, name, entry), float(share))


def _radius(path: Path, name: str, entry: dict[str, Any]) -> float:
    radius = _numbers(path, name, "radius", entry)
    if radius.shape or radius <= 0:
        raise UserError(f"{path}: expected a positive radius in mm for {name}, found {entry['radius']!r}; mend it")
    return float(radius)


def _numbers(path: Path, name: str, key: str, entry: dict[str, Any]) -> np.ndarray:
    if key not in entry:
        raise UserError(f"{path}: expected {key} for {name}, found none; add it")
    try:
        values = np.array(entry[key])
    except ValueError:  # rows of unlike length
        values = np.array(None)
    if not np.issubdtype(values.dtype, np.number) or not np.all(np.isfinite(values)):
        raise UserError(f"{path}: expected finite numbers as {key} of {name}, found something else; mend them")
    return values.astype(float)
