"""What the voxels of a simulated brain hold: fluid, grey and white matter."""

import math
from dataclasses import dataclass

import torch

from .artifacts.draws import Vector, uniform
from .brain_shape import BrainShape, brain_surfaces, callosum, deep_nuclei, ventricles
from .smooth_noise import SmoothNoise
from .solids import Positions, ellipsoid, share_inside, share_of_sheet


@dataclass(frozen=True)
class Tissue:
    """Tissue of every voxel.

    Attributes:
        fractions: (X, Y, Z, 3) shares of CSF, GM and WM, which sum to 1 everywhere.
        mask: (X, Y, Z) bool, what skull stripping leaves.
        white_depth: (X, Y, Z) distance in mm from the cortex into the white matter, negative outside of it.
    """

    fractions: torch.Tensor
    mask: torch.Tensor
    white_depth: torch.Tensor


def brain_tissue(positions: Positions, shape: BrainShape, edges: Vector, generator: torch.Generator) -> Tissue:
    """Tissue at positions of the average brain.

    The sulci are the zeros of smooth noise that hardly changes with depth, so that they cut into the brain at right
    angles; fluid fills them, and cortex of even thickness lines them and the outer surface. Shares of a voxel follow
    from the distance to each surface, which counts as plane, so that sheets thinner than a voxel keep their volume.

    Args:
        positions: (X, Y, Z) coordinates in the average brain, mm.
        shape: of the brain.
        edges: lengths of the edges of a voxel, mm.
        generator: of the folds.
    """
    voxel = math.prod(edges) ** (1 / 3)
    surfaces = brain_surfaces(positions, shape.cistern_fluid)
    device = positions[0].device
    thickness, depths, width = SmoothNoise.draw(generator, 25.0, fields=3, device=device).at(*positions)
    folds = SmoothNoise.draw(generator, shape.gyral_spacing, device=device)

    outer = surfaces.cerebrum
    surface = torch.minimum(outer, surfaces.midline)
    sulci = _distance_to_sulci(folds, positions, surface, edges)
    deepest = (shape.sulcal_depth + 4 * depths).clamp(5, 28)
    sulci = torch.hypot(sulci, (surface - deepest).clamp(min=0))
    # Sulci gape towards the outside; the great fissures are wider.
    half_width = shape.sulcal_width / 2 * torch.exp(0.5 * width) * (1.3 - surface / 25).clamp(0.6, 1.3)
    fissures, wider = torch.minimum(surfaces.sylvian, surfaces.midline), shape.fissure_width / 2
    in_fissure = fissures - wider < sulci
    sheets = torch.where(in_fissure, fissures, sulci)
    half_width = half_width + wider * in_fissure
    ribbon = (shape.ribbon * (1 + 0.15 * thickness)).clamp(min=max(1.5, 0.6 * voxel))

    fluid = torch.maximum(1 - share_inside(outer, voxel), share_of_sheet(sheets, half_width, voxel))
    covered = torch.maximum(1 - share_inside(outer - ribbon, voxel), share_of_sheet(sheets, half_width + ribbon, voxel))
    fractions = _mix(fluid, covered)
    white_depth = torch.minimum(outer, sheets - half_width) - ribbon

    cerebellum = share_inside(surfaces.cerebellum, voxel)[..., None]
    fractions = _over(fractions, cerebellum, _folia(positions, surfaces.cerebellum, generator))
    fractions = _over(fractions, share_inside(surfaces.brainstem, voxel)[..., None], (0.0, 0.08, 0.92))
    commissure = callosum(positions)
    fractions = _over(fractions, share_inside(commissure, voxel)[..., None], (0.0, 0.0, 1.0))
    white_depth = torch.where(commissure > -voxel, 20.0, white_depth)
    mixed, grey = deep_nuclei(positions, shape.nuclei)
    white = uniform(generator, 0.25, 0.4)
    fractions = _over(fractions, share_inside(mixed, voxel)[..., None], (0.0, 1 - white, white))
    white = uniform(generator, 0.1, 0.2)
    fractions = _over(fractions, share_inside(grey, voxel)[..., None], (0.0, 1 - white, white))
    inner_fluid = share_inside(ventricles(positions, shape.ventricles), voxel)[..., None]
    fractions = _over(fractions, inner_fluid, (1.0, 0.0, 0.0))

    rough = SmoothNoise.draw(generator, 15.0, device=device).at(*positions)[0]
    mask = (surfaces.hull + shape.outer_fluid + 0.7 * rough > 0) & (positions[2] > -72)
    # Rounding errors are no tissue.
    return Tissue(fractions * (fractions > 1e-6), mask, white_depth)


def _distance_to_sulci(folds: SmoothNoise, positions: Positions, depth: torch.Tensor, edges: Vector) -> torch.Tensor:
    """(X, Y, Z) distance to the zeros of noise that is stretched along the way to the centre, about, in mm."""
    x, y, z = positions
    centre = (x.sign() * 20, y.clamp(-60, 25), torch.full_like(z, 5.0))
    outwards = [a - b for a, b in zip(positions, centre, strict=True)]
    length = torch.sqrt(sum(component**2 for component in outwards)).clamp(min=1)  # type: ignore[arg-type]
    stretch = 1 + 0.7 * depth.clamp(0, 30) / length
    x, y, z = (b + o * stretch for b, o in zip(centre, outwards, strict=True))
    noise = folds.at(x, y, z)[0]
    slope = torch.sqrt(sum(g**2 for g in torch.gradient(noise, spacing=list(edges))))  # type: ignore[arg-type]
    return (noise.abs() / slope.clamp(min=0.08 / folds.spacing)).clamp(max=12)


def _folia(positions: Positions, depth: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(X, Y, Z, 3) fractions in the cerebellum: leaves of grey matter and fluid that fan out from a white core."""
    x, y, z = positions
    lobules = uniform(generator, 14.0, 24.0)
    bend = SmoothNoise.draw(generator, 18.0, device=x.device).at(*positions)[0]
    leaves = torch.cos(lobules * torch.atan2(z + 34, 40 + y) + 0.15 * x.abs() + 2.0 * bend)
    core = ellipsoid((x.abs(), y, z), (18.0, -54.0, -36.0), (24.0, 12.0, 8.0))
    white = 0.9 * torch.sigmoid(core / 2.5 + 1.5 * leaves - 0.5)
    fluid = (1 - white) * torch.sigmoid(-3.0 * leaves - 2.5 - depth / 8)
    return torch.stack([fluid, 1 - fluid - white, white], dim=-1)


def _mix(fluid: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    covered = torch.maximum(fluid, covered)
    return torch.stack([fluid, covered - fluid, 1 - covered], dim=-1)


def _over(
    fractions: torch.Tensor, share: torch.Tensor, other: torch.Tensor | tuple[float, float, float]
) -> torch.Tensor:
    """Fractions after another tissue has taken a share of each voxel."""
    return (1 - share) * fractions + share * torch.as_tensor(other, device=fractions.device)
