"""Volumes of unrelated voxels, or of blocks of like voxels: fibres and tissue without anatomy.

In a mosaic of single voxels neighbours say nothing about a voxel; in one of larger blocks they repeat it with other
noise. Networks learn from them what a voxel alone tells, for a far wider range of configurations than brains hold.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .fibres import MIN_SEPARATION_DEG
from .microstructure import FibreRanges, Microstructure, draw_b0_signal, draw_fibre_ranges, draw_fibres, draw_isotropic
from .phantom import MIN_FIBRE_FRACTION, Phantom

_TRIES = 24
#: Standard deviation of the logarithm of how often each number of populations comes.
_SPREAD = 0.7


@dataclass(frozen=True)
class VoxelPrior:
    """How often which voxels are drawn.

    Attributes:
        counts: weights of 0, 1, 2 and 3 fibre populations.
        least_angle: between two populations, in degrees; at most 35, as few places are left for a third one beyond.
        least_share: of a population in the voxel, at most a third.
        even_angles: share of second populations whose angle to the first is even between the least one and 90
            degrees; that of others follows from even directions on the sphere, which favours large angles.
        least_angle_of_three: the least angle in voxels of three populations, if larger; at most 60.
        white_power: small for voxels that are mostly white matter, 1 for any share of it.
        alike: share of voxels whose populations have the same microstructure.
        fibres: ranges of the microstructure; None for all tissues side by side.
    """

    counts: tuple[float, float, float, float] = (0.2, 0.3, 0.3, 0.2)
    least_angle: float = MIN_SEPARATION_DEG
    least_share: float = MIN_FIBRE_FRACTION
    even_angles: float = 0.5
    least_angle_of_three: float = MIN_SEPARATION_DEG
    white_power: float = 1 / 3
    alike: float = 0.5
    fibres: FibreRanges | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.least_share <= 1 / 3:
            raise ValueError(f"least share: expected 0 to 1/3, found {self.least_share}")
        if not 0 <= self.least_angle <= 35:
            raise ValueError(f"least angle: expected 0 to 35 degrees, found {self.least_angle}")
        if not 0 <= self.least_angle_of_three <= 60:
            raise ValueError(f"least angle of three: expected 0 to 60 degrees, found {self.least_angle_of_three}")


DEFAULT_PRIOR = VoxelPrior()


def draw_prior(generator: torch.Generator) -> VoxelPrior:
    """The prior of one mosaic.

    How often fibres cross, at which angles, with which shares, and what they are like differs from one population of
    voxels to the next. Networks that see many voxels of a mosaic learn to tell which it is, and to count accordingly.
    """
    weights = torch.tensor(DEFAULT_PRIOR.counts) * torch.exp(_SPREAD * torch.randn(4, generator=generator))
    chance = torch.rand(10, generator=generator).tolist()
    if chance[0] < 0.25:
        weights[0] = 0.0  # white matter alone
    least_angle = MIN_SEPARATION_DEG + 10 * max(0.0, 1.4 * chance[1] - 0.4)
    return VoxelPrior(
        counts=tuple((weights / weights.sum()).tolist()),
        least_angle=least_angle,
        least_share=MIN_FIBRE_FRACTION + 0.07 * chance[2],
        even_angles=chance[3],
        least_angle_of_three=max(least_angle, MIN_SEPARATION_DEG + 35 * chance[4]),
        white_power=0.1 ** chance[5],
        alike=1.0 if chance[6] < 0.4 else chance[7],
        fibres=draw_fibre_ranges(generator) if chance[8] < 0.8 else None,
    )


def simulate_mosaic(
    shape: tuple[int, int, int],
    generator: torch.Generator,
    block: int = 1,
    prior: VoxelPrior = DEFAULT_PRIOR,
) -> tuple[Phantom, Microstructure]:
    """A volume of cubes of like voxels.

    Args:
        shape: size of the grid.
        generator: on the CPU; equal states give equal mosaics.
        block: edge of a cube in voxels; the first and last cubes of a row may be cut.
        prior: of the voxels.

    Returns:
        The truth, with a mask of the whole grid and voxels of 2 mm, and the microstructure, which differs from cube to
        cube: values for each voxel (V,), or for each population (V, 3), in the order of the mask.
    """
    shift = torch.randint(block, (3,), generator=generator)
    rows = [(torch.arange(size) + offset) // block for size, offset in zip(shape, shift.tolist(), strict=True)]
    cubes = [int(row[-1]) + 1 for row in rows]
    where = (rows[0][:, None, None] * cubes[1] + rows[1][:, None]) * cubes[2] + rows[2]
    count = int(np.prod(cubes))
    fractions, directions, fibre_fractions = draw_voxels(count, generator, prior)
    values = draw_fibres(generator, (count, 3), prior.fibres) | draw_isotropic(generator, (count,))
    # Populations of a voxel have alike axons more often than not.
    alike = torch.rand(count, 1, generator=generator) < prior.alike
    for name, value in values.items():
        if value.ndim == 2:
            values[name] = torch.where(alike, value[:, :1], value)
    flat = where.reshape(-1)
    tissue = Microstructure(
        **{name: value[flat] for name, value in values.items()}, b0_signal=draw_b0_signal(generator)
    )
    everywhere = torch.ones(shape, dtype=torch.bool)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    return Phantom(fractions[where], directions[where], fibre_fractions[where], everywhere, affine), tissue


def draw_voxels(
    count: int, generator: torch.Generator, prior: VoxelPrior = DEFAULT_PRIOR
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random voxels.

    Args:
        count: their number V.
        generator: on the CPU.
        prior: of the voxels.

    Returns:
        (V, 3) shares of CSF, GM and WM; (V, 3, 3) unit vectors [fibre, component], zero where absent; (V, 3) shares of
        the WM, descending. A voxel of no population has less WM than the least share, half of them none.
    """
    fibres = torch.multinomial(torch.tensor(prior.counts), count, replacement=True, generator=generator)
    present = torch.arange(3) < fibres[:, None]
    uniform = torch.rand(count, 4, generator=generator)
    # With fibres: the white matter holds each of them, and often most of the voxel.
    least = prior.least_share * fibres
    white = least + (1 - least) * uniform[:, 0] ** prior.white_power
    white = torch.where(fibres > 0, white, prior.least_share * (2 * uniform[:, 0] - 1).clamp(min=0) * 0.99)
    # CSF in what is left: any share of it, or all or nothing.
    fluid = torch.where(uniform[:, 1] < 0.5, uniform[:, 2], torch.round(uniform[:, 2]))
    fractions = torch.stack([(1 - white) * fluid, (1 - white) * (1 - fluid), white], dim=1)

    spread = -torch.rand(count, 3, generator=generator).clamp(min=1e-6).log() * present  # Dirichlet(1, ..., 1)
    spread = spread / spread.sum(dim=1, keepdim=True).clamp(min=1e-6)
    shares = prior.least_share * present + (white - least)[:, None] * spread
    fibre_fractions = (shares / white[:, None].clamp(min=1e-6)).sort(dim=1, descending=True).values
    lone = (fibres == 0) & (white > 0)  # a population too small to count
    fibre_fractions[lone] = torch.tensor([1.0, 0.0, 0.0])
    directions = _draw_directions(fibres, generator, prior)
    return fractions, directions * (fibre_fractions > 0)[..., None], fibre_fractions


def _draw_directions(fibres: torch.Tensor, generator: torch.Generator, prior: VoxelPrior) -> torch.Tensor:
    """(V, 3, 3) unit vectors at least the least angle apart, for (V,) numbers of populations."""
    count = len(fibres)
    of_three = max(prior.least_angle, prior.least_angle_of_three)
    least = torch.where(fibres == 3, of_three, prior.least_angle)[:, None]
    first = _unit(torch.randn(count, 3, generator=generator))
    limit = torch.cos(torch.deg2rad(least))
    second = _away_from(first[:, None], limit, generator)
    angle = torch.deg2rad(least + (90 - least) * torch.rand(count, 1, generator=generator))
    across = _unit(second - (second * first).sum(dim=1, keepdim=True) * first)
    even = torch.rand(count, 1, generator=generator) < prior.even_angles
    second = torch.where(even, angle.cos() * first + angle.sin() * across, second)
    third = _away_from(torch.stack([first, second], dim=1), limit, generator)
    directions = torch.stack([first, second, third], dim=1)
    # Which population is the strongest has nothing to do with how it was drawn.
    order = torch.rand(count, 3, generator=generator)
    order[:, 2] += 2.0 * (fibres < 3)  # the third one stays last, where two are needed
    swapped = torch.argsort(order, dim=1)
    return torch.take_along_dim(directions, swapped[..., None], dim=1)


def _away_from(others: torch.Tensor, limit: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(V, 3) even directions whose absolute cosines to (V, K, 3) others are below (V, 1) limits."""
    tries = _unit(torch.randn(len(others), _TRIES, 3, generator=generator))
    near = torch.einsum("vkc,vtc->vtk", others, tries).abs().amax(dim=2)
    good = near < limit
    # The first good one; after 24 bad ones, the least bad.
    chosen = torch.where(good.any(dim=1), good.to(torch.uint8).argmax(dim=1), near.argmin(dim=1))
    return tries[torch.arange(len(others)), chosen]


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)
