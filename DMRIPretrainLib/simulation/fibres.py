"""The fibre populations of white matter: smooth fields that cross, bundles, and fibres that run into the cortex."""

import torch
from torch.nn.functional import avg_pool3d, normalize

from .artifacts.draws import Vector, uniform
from .smooth_noise import SmoothNoise
from .solids import Positions
from .tracts import brain_bundles

#: Fibre populations less than this many degrees apart are merged into one.
MIN_SEPARATION_DEG = 25.0
MAX_FIBRES = 3


def brain_fibres(
    positions: Positions, white_depth: torch.Tensor, where: torch.Tensor, edges: Vector, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The fibre populations of a simulated brain.

    Three smooth fields cross each other at angles and with shares that vary smoothly over wide ranges: the first
    radiates from the brainstem and turns into the normal of the cortex near it, where fibres end. Bundles are added.

    Args:
        positions: (X, Y, Z) coordinates in the average brain, mm.
        white_depth: (X, Y, Z) distance from the cortex into the white matter, mm.
        where: (X, Y, Z) bool, the voxels to fill.
        edges: lengths of the edges of a voxel, mm.
        generator: of the fields and bundles.

    Returns:
        See ``merge_populations``; V voxels, in the order of ``where``. Directions are in the world frame.
    """
    places = torch.stack([coordinate[where] for coordinate in positions], dim=-1)
    x, y, z = places.unbind(-1)
    fields = SmoothNoise.draw(generator, 28.0, fields=11, device=places.device).at(x, y, z, fineness=2)
    fan = uniform(generator, 0.3, 1.0)
    centre = places.new_tensor([0.0, -20.0, -45.0])
    radiation = normalize(places - centre, dim=-1) + fan * fields[:3].T
    normal = _cortical_normal(white_depth, where, edges)
    normal = normal * torch.where(torch.sum(normal * radiation, dim=-1, keepdim=True) < 0, -1.0, 1.0)
    near_cortex = torch.exp(-white_depth[where].abs() / max(3.0, *edges))[:, None]
    first = normalize((1 - near_cortex) * normalize(radiation, dim=-1) + near_cortex * normal, dim=-1)

    across = normalize(torch.linalg.cross(first, fields[3:6].T + first.roll(1, dims=-1)), dim=-1)
    third_axis = torch.linalg.cross(first, across)
    directions, weights = [first], [torch.ones_like(x)]
    for index, strength in ((6, uniform(generator, 0.2, 0.5)), (8, uniform(generator, 0.1, 0.35))):
        # Between 15 and 90 degrees off the first field, evenly spread; shares from none to that of the first.
        angle = torch.deg2rad(15 + 75 * _uniform(fields[index]))
        axis = across if index == 6 else normalize(third_axis + 0.5 * fields[10, :, None] * across, dim=-1)
        directions.append(torch.cos(angle)[:, None] * first + torch.sin(angle)[:, None] * axis)
        share = ((_uniform(fields[index + 1]) - 1 + strength) / strength).clamp(min=0)
        weights.append(share * (1 - 0.8 * near_cortex[:, 0]))
    background = uniform(generator, 0.15, 0.45)
    weights = [background * weight for weight in weights]
    for bundle in brain_bundles(generator):
        weight, direction = bundle.to(places.device).at(places)
        directions.append(direction)
        weights.append(weight)
    return merge_populations(torch.stack(directions, dim=1), torch.stack(weights, dim=1))


def merge_populations(directions: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The up to three fibre populations of each voxel, from any number of candidates.

    The strongest candidate takes the weight of all that are less than 25° from it, then the strongest of the rest.

    Args:
        directions: (V, K, 3) unit vectors.
        weights: (V, K), not negative.

    Returns:
        (V, 3, 3) unit vectors [fibre, component], zero where there is no fibre, and (V, 3) fractions, descending,
        which sum to 1 where any weight is positive.
    """
    weights = weights.clone()
    everyone = torch.arange(len(weights), device=weights.device)
    chosen = directions.new_zeros(len(weights), MAX_FIBRES, 3)
    fractions = weights.new_zeros(len(weights), MAX_FIBRES)
    least_cosine = torch.cos(torch.deg2rad(torch.tensor(MIN_SEPARATION_DEG))).item()
    for fibre in range(MAX_FIBRES):
        chosen[:, fibre] = directions[everyone, weights.argmax(dim=1)]
        cosine = torch.matmul(directions, chosen[:, fibre, :, None])[..., 0].abs()
        same = cosine > least_cosine
        fractions[:, fibre] = (weights * same).sum(dim=1)
        weights[same] = 0
    fractions, order = fractions.sort(dim=1, descending=True, stable=True)
    chosen = chosen.gather(1, order[..., None].expand_as(chosen)) * (fractions > 0)[..., None]
    return chosen, fractions / fractions.sum(dim=1, keepdim=True).clamp(min=1e-12)


def _cortical_normal(white_depth: torch.Tensor, where: torch.Tensor, edges: Vector) -> torch.Tensor:
    """(V, 3) unit vectors across the nearest cortex, world frame."""
    smooth = avg_pool3d(white_depth.clamp(-8, 12)[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]
    gradient = torch.stack([component[where] for component in torch.gradient(smooth, spacing=list(edges))], dim=-1)
    return normalize(gradient, dim=-1)


def _uniform(normal: torch.Tensor) -> torch.Tensor:
    """Evenly spread on 0 to 1 from normally distributed values."""
    return torch.special.ndtr(normal)
