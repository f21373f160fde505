"""The larger tracts of the brain as bundles of curves, in the coordinates of ``brain_shape``."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from .artifacts.draws import integer, uniform
from .brain_shape import CALLOSUM_CENTRE, CALLOSUM_INNER, CALLOSUM_RADII
from .bundles import Bundle, Curve


def brain_bundles(generator: torch.Generator) -> list[Bundle]:
    """Tracts of the average brain and random ones; all vary.

    The corpus callosum; the middle cerebellar peduncle; on each side cingulum, corticospinal tract, arcuate,
    inferior fronto-occipital, inferior longitudinal and uncinate fasciculus, and thalamic radiation.
    """
    bundles = [
        _varied(_callosal_curves(), 3.5, generator),
        _varied([_CEREBELLAR_PEDUNCLE], 6.0, generator),
    ]
    for curves, radius in _ASSOCIATION_AND_PROJECTION:
        for side in (-1, 1):
            mirrored = [[(side * x, y, z) for x, y, z in curve] for curve in curves]
            bundles.append(_varied(mirrored, radius, generator))
    return bundles + [_random_bundle(generator) for _ in range(integer(generator, 4, 12))]


def _callosal_curves() -> list[Curve]:
    """Curves over the ventricles from one hemisphere to the other, forwards in the genu, backwards in the splenium."""
    (middle, base), level = CALLOSUM_CENTRE, (1 + CALLOSUM_INNER) / 2
    length, height = (level * radius for radius in CALLOSUM_RADII)
    curves: list[Curve] = []
    for y in np.linspace(middle - length, middle + length, 24):
        z = base + height * math.sqrt(max(1 - ((y - middle) / length) ** 2, 0))
        near, far = y + 0.5 * (y - middle), y + 1.2 * (y - middle)
        curves.append([(-44, far, z + 22), (-22, near, z + 6), (0, y, z), (22, near, z + 6), (44, far, z + 22)])
    return curves


_CEREBELLAR_PEDUNCLE: Curve = [
    (46, -62, -36), (30, -50, -34), (14, -32, -30), (0, -20, -30), (-14, -32, -30), (-30, -50, -34), (-46, -62, -36),
]  # fmt: skip

#: Curves and radius (mm) of the tracts of the right hemisphere.
_ASSOCIATION_AND_PROJECTION: list[tuple[list[Curve], float]] = [
    ([[(8, 34, -6), (8, 40, 12), (8, 20, 32), (8, -8, 35), (9, -36, 28), (12, -48, 12), (22, -38, -6)]], 3.5),
    (
        [
            [
                (5, -42, -64),
                (8, -25, -32),
                (14, -20, -10),
                (22, -14, 8),
                (26 + s / 3, -16 + s / 4, 28),
                (24 + s, -22, 60),
            ]
            for s in range(-16, 28, 4)
        ],
        3.5,
    ),
    ([[(42, 28, 16), (38, 10, 26), (36, -14, 30), (38, -36, 26), (46, -44, 6), (52, -28, -10)]], 7.0),
    ([[(26, 54, 4), (30, 30, -4), (33, 4, -8), (36, -30, 0), (32, -58, 4), (18, -88, 2)]], 5.5),
    ([[(38, 6, -32), (42, -16, -20), (42, -40, -10), (32, -68, -4), (20, -90, -2)]], 5.0),
    ([[(36, 8, -30), (34, 2, -18), (30, 12, -10), (24, 28, -10), (16, 44, -12)]], 4.0),
    ([[(10, -10, 8), (18, 8, 10), (22, 26, 12), (24, 48, 14)]], 4.5),
    ([[(14, -24, 8), (26, -34, 8), (28, -56, 8), (14, -86, 4)]], 4.5),
    ([[(14, -18, 10), (24, -20, 24), (30 + s, -24 + s, 52)] for s in range(-12, 24, 4)], 3.5),
]  # fmt: skip


def _varied(curves: Sequence[Curve], radius: float, generator: torch.Generator) -> Bundle:
    """A bundle that is moved, widened and weighted at random."""
    shift = [uniform(generator, -3, 3) for _ in range(3)]
    moved: list[Curve] = [[(x + shift[0], y + shift[1], z + shift[2]) for x, y, z in curve] for curve in curves]
    return Bundle.along(moved, radius * uniform(generator, 0.85, 1.25), uniform(generator, 0.5, 1.2))


def _random_bundle(generator: torch.Generator) -> Bundle:
    """A tube along a smooth random curve."""
    start = np.array([uniform(generator, middle - 60, middle + 60) for middle in (0, -17, 8)])
    heading = np.array([uniform(generator, -1, 1) for _ in range(3)])
    points = [start]
    for _ in range(integer(generator, 2, 4)):
        heading = heading / max(np.linalg.norm(heading), 0.1)
        points.append(points[-1] + uniform(generator, 18, 30) * heading)
        heading = heading + [uniform(generator, -0.7, 0.7) for _ in range(3)]
    curve: Curve = [(float(x), float(y), float(z)) for x, y, z in points]
    return Bundle.along([curve], uniform(generator, 3.5, 8.0), uniform(generator, 0.4, 1.2))
