"""A brain-like object whose tissue and fibres are known."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from .artifacts.draws import sign, uniform
from .brain_shape import BRAIN_BOX, BRAIN_CENTRE, LARGEST_SCALE, BrainShape
from .fibres import brain_fibres
from .solids import Positions, ellipsoid, share_inside
from .tissue import brain_tissue

#: A fibre population counts where it makes up at least this share of the voxel; see ``Phantom.crossings``.
MIN_FIBRE_FRACTION = 0.15


@dataclass(frozen=True)
class Phantom:
    """Tissue and fibres of every voxel, as tensors on one device.

    Attributes:
        fractions: (X, Y, Z, 3) float32 shares of CSF, GM and WM; they sum to 1 inside the mask, 0 outside.
        directions: (X, Y, Z, 3, 3) float32 unit vectors [fibre, component] in the world frame.
        fibre_fractions: (X, Y, Z, 3) float32 shares of the WM, descending. They sum to 1 where there is WM; the
            fibres of a voxel are at least 25° apart.
        mask: (X, Y, Z) bool, the brain.
        affine: (4, 4) numpy array, voxel indices to world (RAS, mm).
        lesions: (X, Y, Z) float32 share of the WM that is diseased; by default none.
    """

    fractions: torch.Tensor
    directions: torch.Tensor
    fibre_fractions: torch.Tensor
    mask: torch.Tensor
    affine: np.ndarray
    lesions: torch.Tensor = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.lesions is None:
            object.__setattr__(self, "lesions", torch.zeros_like(self.fractions[..., 0]))

    def to(self, device: str | torch.device) -> "Phantom":
        """The same phantom on a device."""
        return Phantom(
            self.fractions.to(device),
            self.directions.to(device),
            self.fibre_fractions.to(device),
            self.mask.to(device),
            self.affine,
            self.lesions.to(device),
        )

    @property
    def segmentation(self) -> torch.Tensor:
        """(X, Y, Z) uint8: the most common tissue; 0 background, 1 CSF, 2 GM, 3 WM, lesions included."""
        return ((self.fractions.argmax(dim=-1) + 1) * self.mask).to(torch.uint8)

    @property
    def crossings(self) -> torch.Tensor:
        """(X, Y, Z) uint8: number of fibre populations that make up at least 0.15 of the voxel (CSF and GM included).

        Populations less than 25° apart have been merged.
        """
        return torch.count_nonzero(self._voxel_shares(), dim=-1).to(torch.uint8)

    @property
    def peaks(self) -> torch.Tensor:
        """(X, Y, Z, 3, 3) float32: direction times share of the voxel, world frame; zero where not counted."""
        return self.directions * self._voxel_shares()[..., None]

    def _voxel_shares(self) -> torch.Tensor:
        shares = self.fibre_fractions * self.fractions[..., 2:]
        return shares * (shares >= MIN_FIBRE_FRACTION)


def simulate_brain(
    shape: tuple[int, int, int] = (64, 64, 64),
    seed: int = 0,
    device: str | torch.device = "cpu",
    voxel_size: float | tuple[float, float, float] | None = None,
    lesions: int = 0,
) -> Phantom:
    """A brain in RAS voxel order: folded cortex, ventricles, deep grey matter, cerebellum and crossing fibres.

    Size, folding, thickness of the cortex, ventricles, skull stripping and fibres vary widely with the seed. They do
    not depend on the grid: a seed is the same brain at any shape, voxel size and device.

    Args:
        shape: size of the grid.
        seed: equal seeds give equal brains.
        device: where the tensors will be.
        voxel_size: edge lengths in mm of the voxels of a grid that is centred on the brain and may cut it or leave
            margins; by default the voxels are cubes such that the brain fills the grid.
        lesions: number of lesions in the white matter.
    """
    # Folds and fibres have generators of their own: what one draws must not change the other.
    shape_seed, fold_seed, fibre_seed, lesion_seed = (
        torch.Generator().manual_seed(4 * seed + stream) for stream in range(4)
    )
    brain = BrainShape.draw(shape_seed)
    affine = _brain_affine(shape, brain, voxel_size)
    axes = tuple(
        torch.arange(count, device=device) * float(affine[i, i]) + float(affine[i, 3]) for i, count in enumerate(shape)
    )
    edges = (float(affine[0, 0]), float(affine[1, 1]), float(affine[2, 2]))
    positions = brain.head_positions((axes[0], axes[1], axes[2]), shape_seed)
    tissue = brain_tissue(positions, brain, edges, fold_seed)
    fractions = tissue.fractions * tissue.mask[..., None]

    white = fractions[..., 2] > 0
    directions = fractions.new_zeros(*shape, 3, 3)
    fibre_fractions = torch.zeros_like(fractions)
    directions[white], fibre_fractions[white] = brain_fibres(positions, tissue.white_depth, white, edges, fibre_seed)
    diseased = _lesions(positions, fractions, math.prod(edges) ** (1 / 3), lesions, lesion_seed)
    return Phantom(fractions, directions, fibre_fractions, tissue.mask, affine, diseased)


def shape_around_brain(voxel_size: float | tuple[float, float, float]) -> tuple[int, int, int]:
    """Size of a grid of voxels with these edges (mm) that holds the brain of any seed."""
    x, y, z = np.ceil(LARGEST_SCALE * np.asarray(BRAIN_BOX) / voxel_size).astype(int).tolist()
    return x, y, z


def _brain_affine(
    shape: tuple[int, int, int], brain: BrainShape, voxel_size: float | tuple[float, float, float] | None
) -> np.ndarray:
    scale = np.array(brain.scale)
    if voxel_size is None:
        voxel_size = float(np.max(scale * BRAIN_BOX / shape))
    edges = np.broadcast_to(np.asarray(voxel_size, dtype=float), 3)
    affine = np.diag([*edges, 1.0])
    affine[:3, 3] = BRAIN_CENTRE * scale - edges * (np.array(shape) - 1) / 2
    return affine


def _lesions(
    positions: Positions, fractions: torch.Tensor, voxel: float, count: int, generator: torch.Generator
) -> torch.Tensor:
    """(X, Y, Z) share of the white matter that lies in one of some ellipsoids, above and beside the ventricles."""
    depth = torch.full_like(positions[0], -torch.inf)
    for _ in range(count):
        side = sign(generator) * uniform(generator, 16, 40)
        centre = (side, uniform(generator, -65, 40), uniform(generator, 14, 42))
        depth = torch.maximum(depth, ellipsoid(positions, centre, [uniform(generator, 2.0, 9.0) for _ in range(3)]))
    return share_inside(depth, voxel) * (fractions[..., 2] > 0)
