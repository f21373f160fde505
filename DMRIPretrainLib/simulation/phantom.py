"""A brain-like object whose tissue and fibres are known."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .bundles import brain_bundles, fibre_populations

#: A fibre population counts where it makes up at least this share of the voxel; see ``Phantom.crossings``.
MIN_FIBRE_FRACTION = 0.15


@dataclass(frozen=True)
class Phantom:
    """Tissue and fibres of every voxel.

    Attributes:
        fractions: (X, Y, Z, 3) float32 shares of CSF, GM and WM; they sum to 1 inside the mask, 0 outside.
        directions: (X, Y, Z, 3, 3) float32 unit vectors [fibre, component] in the world frame.
        fibre_fractions: (X, Y, Z, 3) float32 shares of the WM, descending. They sum to 1 where there is WM; the
            fibres of a voxel are at least 25° apart.
        mask: (X, Y, Z) bool, the brain.
        affine: (4, 4) voxel indices to world (RAS, mm).
    """

    fractions: np.ndarray
    directions: np.ndarray
    fibre_fractions: np.ndarray
    mask: np.ndarray
    affine: np.ndarray

    @property
    def segmentation(self) -> np.ndarray:
        """(X, Y, Z) uint8: the most common tissue; 0 background, 1 CSF, 2 GM, 3 WM."""
        return np.where(self.mask, np.argmax(self.fractions, axis=-1) + 1, 0).astype(np.uint8)

    @property
    def crossings(self) -> np.ndarray:
        """(X, Y, Z) uint8: number of fibre populations that make up at least 0.15 of the voxel (CSF and GM included).

        Populations less than 25° apart have been merged.
        """
        return np.count_nonzero(self._voxel_shares() > 0, axis=-1).astype(np.uint8)

    @property
    def peaks(self) -> np.ndarray:
        """(X, Y, Z, 3, 3) float32: direction times share of the voxel, world frame; zero where not counted."""
        return self.directions * self._voxel_shares()[..., None]

    def _voxel_shares(self) -> np.ndarray:
        shares = self.fibre_fractions * self.fractions[..., 2:]
        return np.where(shares >= MIN_FIBRE_FRACTION, shares, 0)


def simulate_brain(shape: tuple[int, int, int] = (64, 64, 64), seed: int = 0) -> Phantom:
    """A brain in RAS voxel order: folded cortex, ventricles, deep grey matter and crossing bundles.

    The size of the (cubic) voxels is chosen such that the brain, about 140 x 176 x 130 mm, fills the grid:
    3.1 mm for 64 voxels.

    Args:
        shape: size of the grid.
        seed: of shape, folding and fibres; equal seeds give equal brains.
    """
    rng = np.random.default_rng(seed)
    affine = _brain_affine(shape)
    voxel = affine[0, 0]
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    positions = grid * voxel + affine[:3, 3]
    warp = np.stack([_smooth_noise(shape, 25 / voxel, rng) for _ in range(3)], axis=-1)
    positions = (positions + 3.0 * warp) * rng.uniform(0.95, 1.05, size=3)

    depth, mask = _depth(positions)
    fractions = _tissue(positions, depth, voxel, rng)
    fractions[~mask] = 0

    background = positions - [0.0, -10.0, -45.0]  # a corona that radiates from the brainstem
    background = background / np.linalg.norm(background, axis=-1, keepdims=True)
    background += 0.5 * np.stack([_smooth_noise(shape, 12 / voxel, rng) for _ in range(3)], axis=-1)
    white = mask & (fractions[..., 2] > 0)
    directions = np.zeros((*shape, 3, 3), dtype=np.float32)
    fibre_fractions = np.zeros((*shape, 3), dtype=np.float32)
    directions[white], fibre_fractions[white] = fibre_populations(
        positions[white], background[white], brain_bundles(rng)
    )
    return Phantom(fractions.astype(np.float32), directions, fibre_fractions, mask, affine)


def _brain_affine(shape: tuple[int, int, int]) -> np.ndarray:
    voxel = float(np.max(np.array([160.0, 196.0, 148.0]) / shape))
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = [0.0, 0.0, -4.0] - voxel * (np.array(shape) - 1) / 2
    return affine


def _smooth_noise(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> np.ndarray:
    noise = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return (noise - noise.mean()) / max(float(noise.std()), 1e-12)


def _depth(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm below the surface of cerebrum, cerebellum or brainstem, and the mask of the three.

    The cleft between cerebrum and cerebellum counts as surface.
    """
    x, y, z = np.moveaxis(positions, -1, 0)
    width = 67.0 * (1 - 0.10 * np.clip(y / 84, -1, 1))  # the frontal lobes are narrower
    height = np.where(z > 0, 64.0, 46.0)
    cerebrum = _ellipsoid_depth(np.stack([x, y, z], axis=-1), np.stack([width, np.full_like(x, 84), height], axis=-1))
    cerebellum = _ellipsoid_depth(positions - [0, -46, -42], np.array([48.0, 30.0, 24.0]))
    brainstem = np.where(z < 0, 14.0 - np.hypot(x, y + 20), -np.inf)
    cleft = np.where(np.abs(x) > 10, np.abs(cerebrum - cerebellum) / 2, np.inf)
    depth = np.minimum(np.maximum(cerebrum, cerebellum), cleft)
    inside = np.max([cerebrum, cerebellum, brainstem], axis=0) > 0
    return np.where(brainstem > 0, np.maximum(depth, brainstem + 4), depth), inside & (z > -72)


def _ellipsoid_depth(positions: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Distance to the surface of an ellipsoid along the ray from its centre, positive inside, in mm."""
    relative = np.maximum(np.linalg.norm(positions / radii, axis=-1), 1e-3)
    return (1 / relative - 1) * np.linalg.norm(positions, axis=-1)


def _tissue(positions: np.ndarray, depth: np.ndarray, voxel: float, rng: np.random.Generator) -> np.ndarray:
    """(X, Y, Z, 3) fractions of CSF, GM and WM, with partial volume over about a voxel."""
    x, y, z = np.moveaxis(positions, -1, 0)

    def share_beyond(distance: np.ndarray) -> np.ndarray:
        return np.clip(distance / voxel + 0.5, 0, 1)

    # Sulci are the zero level set of band-limited noise, open to a depth of some 18 mm; |f| / |grad f| is the
    # distance to it. The fissure between the hemispheres is a plane that ends above the corpus callosum.
    folds = _smooth_noise(depth.shape, max(3.5 / voxel, 1.2), rng)
    slope = np.linalg.norm(np.gradient(folds, voxel), axis=0)
    sulci = np.abs(folds) / np.maximum(slope, 1e-6) + np.clip(depth - 18, 0, None)
    fissure = np.abs(x) + np.clip(depth - 30, 0, None) + np.where(z < 0, np.clip(depth - 12, 0, None), 0)
    to_csf = np.min([depth, sulci, fissure], axis=0)
    ribbon = max(3.2, voxel)  # so that small grids keep a cortex
    white = share_beyond(to_csf - 0.8 - ribbon)
    fluid = 1 - share_beyond(to_csf - 0.8)
    fractions = np.stack([fluid, 1 - fluid - white, white], axis=-1)

    side = np.abs(x)
    thalamus = _ellipsoid_depth(np.stack([side - 12, y + 16, z - 5], axis=-1), np.array([9.5, 16.0, 11.0]))
    putamen = _ellipsoid_depth(np.stack([side - 27, y - 4, z - 1], axis=-1), np.array([8.0, 20.0, 12.0]))
    caudate = _ellipsoid_depth(np.stack([side - 15, y - 16, z - 11], axis=-1), np.array([6.0, 13.0, 9.0]))
    nuclei = share_beyond(np.max([thalamus, putamen, caudate], axis=0))[..., None]
    fractions = (1 - nuclei) * fractions + nuclei * [0.0, 0.8, 0.2]

    body = _ellipsoid_depth(
        np.stack([side - 9 - 0.1 * np.abs(y), y, z - 20 + 0.006 * y**2], axis=-1), np.array([6.0, 38.0, 7.0])
    )
    horn = _ellipsoid_depth(np.stack([side - 26, y + 34, z - 2], axis=-1), np.array([6.0, 14.0, 10.0]))
    third = _ellipsoid_depth(np.stack([side, y + 14, z - 3], axis=-1), np.array([2.5, 13.0, 10.0]))
    ventricles = share_beyond(rng.uniform(-1, 1) + np.max([body, horn, third], axis=0))[..., None]
    return (1 - ventricles) * fractions + ventricles * [1.0, 0.0, 0.0]
