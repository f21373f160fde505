"""Fibre bundles of the phantom: curves in world space, and what they put in each voxel."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

#: Fibre populations less than this many degrees apart are merged into one.
MIN_SEPARATION_DEG = 25.0
#: What the background field weighs beside the core of a bundle, which weighs 1.
BACKGROUND_WEIGHT = 0.4
MAX_FIBRES = 3


@dataclass(frozen=True)
class Bundle:
    """A bundle of curves.

    Attributes:
        points: (M, 3) positions along the curves, world frame, mm.
        tangents: (M, 3) unit vectors, world frame.
        radius: distance in mm at which the weight of the bundle has fallen to exp(-1).
    """

    points: np.ndarray
    tangents: np.ndarray
    radius: float

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(V,) weights and (V, 3) directions of the bundle at (V, 3) positions."""
        distance, nearest = cKDTree(self.points).query(positions)
        weight = np.exp(-((distance / self.radius) ** 4))
        return np.where(weight < 0.05, 0, weight), self.tangents[nearest]


def brain_bundles(rng: np.random.Generator) -> list[Bundle]:
    """Corpus callosum; on each side cingulum, corticospinal, arcuate, fronto-occipital tracts; eight random ones."""
    callosum = [
        [(-46, y * 1.6, 46), (-24, 1.2 * y, 32), (0, y, 27 - 0.006 * y**2), (24, 1.2 * y, 32), (46, y * 1.6, 46)]
        for y in range(-36, 37, 3)
    ]
    bundles = [_bundle(callosum, 4.0, rng)]
    for side in (-1, 1):
        cingulum = [(8, 44, 8), (8, 38, 28), (8, 0, 36), (8, -38, 28), (10, -46, 8)]
        corticospinal = [
            [(6, -20, -70), (12, -18, -25), (20, -10, 8), (26 + spread / 2, -8, 30), (22 + spread, -8, 62)]
            for spread in range(-12, 24, 4)
        ]
        arcuate = [(38, 46, 12), (36, 20, 26), (36, -10, 28), (38, -36, 22), (48, -38, 0), (50, -20, -16)]
        fronto_occipital = [(24, 66, 2), (28, 30, -4), (32, 0, -8), (34, -34, 0), (22, -74, 4)]
        for curves, radius in (
            ([cingulum], 4.0),
            (corticospinal, 4.0),
            ([arcuate], 8.0),
            ([fronto_occipital], 7.0),
        ):
            mirrored = [[(side * x, y, z) for x, y, z in curve] for curve in curves]
            bundles.append(_bundle(mirrored, radius, rng))
    for _ in range(8):
        curve = rng.uniform(-1, 1, size=(4, 3)) * [55, 70, 40]
        bundles.append(_bundle([curve[np.argsort(curve[:, rng.integers(3)])]], rng.uniform(5, 9), rng))
    return bundles


def _bundle(curves: list, radius: float, rng: np.random.Generator) -> Bundle:
    """Smooth curves through control points that are moved a little."""
    shift = rng.normal(scale=1.5, size=3)
    points, tangents = [], []
    for controls in curves:
        spline = CubicSpline(np.arange(len(controls)), np.asarray(controls) + shift)
        steps = np.linspace(0, len(controls) - 1, 150)
        tangent = spline(steps, 1)
        points.append(spline(steps))
        tangents.append(tangent / np.linalg.norm(tangent, axis=1, keepdims=True))
    return Bundle(np.concatenate(points), np.concatenate(tangents), radius)


def fibre_populations(
    positions: np.ndarray, background: np.ndarray, bundles: list[Bundle]
) -> tuple[np.ndarray, np.ndarray]:
    """The up to three fibre populations of each position.

    Args:
        positions: (V, 3) world frame, mm.
        background: (V, 3) vectors, world frame: the direction where no bundle passes.
        bundles: what passes.

    Returns:
        (V, 3, 3) unit vectors [fibre, component] in the world frame and (V, 3) fractions, descending with sum 1.
        Populations closer than 25° are merged into the larger.
    """
    candidates = [bundle.at(positions) for bundle in bundles]
    background = background / np.linalg.norm(background, axis=-1, keepdims=True)
    weights = np.stack([np.full(len(positions), BACKGROUND_WEIGHT), *(weight for weight, _ in candidates)], axis=1)
    directions = np.stack([background, *(direction for _, direction in candidates)], axis=1)

    chosen = np.zeros((len(positions), MAX_FIBRES, 3))
    fractions = np.zeros((len(positions), MAX_FIBRES))
    everyone = np.arange(len(positions))
    for fibre in range(MAX_FIBRES):
        strongest = np.argmax(weights, axis=1)
        chosen[:, fibre] = directions[everyone, strongest]
        cosine = np.abs(np.einsum("vkc,vc->vk", directions, chosen[:, fibre]))
        same = cosine > np.cos(np.radians(MIN_SEPARATION_DEG))
        fractions[:, fibre] = np.sum(weights, axis=1, where=same)
        weights = np.where(same, 0, weights)
    order = np.argsort(-fractions, axis=1, kind="stable")
    fractions = np.take_along_axis(fractions, order, axis=1)
    chosen = np.take_along_axis(chosen, order[..., None], axis=1)
    return chosen * (fractions > 0)[..., None], fractions / fractions.sum(axis=1, keepdims=True)
