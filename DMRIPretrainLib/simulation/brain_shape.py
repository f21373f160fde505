"""The shape of a brain: what varies between brains, and the solids it is made of.

Coordinates are those of a brain of average size in RAS mm about the anterior commissure, in the manner of MNI space.
"""

from dataclasses import dataclass

import torch

from .artifacts.draws import Vector, log_uniform, uniform
from .smooth_noise import SmoothNoise
from .solids import Positions, ellipsoid, tube

#: Edges and centre of the box around a brain of average size, in mm.
BRAIN_BOX: Vector = (150.0, 188.0, 156.0)
BRAIN_CENTRE: Vector = (0.0, -17.0, 0.0)
#: Of any brain, relative to the average.
LARGEST_SCALE = 1.08

#: Centre and radii along y and z of the upper surface of the corpus callosum, half an ellipse, mm.
CALLOSUM_CENTRE = (-4.0, 6.0)
CALLOSUM_RADII = (38.0, 23.0)
#: Of the way from the centre to its upper surface, where the lower surface of the corpus callosum is.
CALLOSUM_INNER = 0.77


@dataclass(frozen=True)
class BrainShape:
    """What varies between brains, drawn from wider ranges than those of healthy adults.

    Attributes:
        scale: size relative to the average, along x, y and z.
        warp: standard deviation of smooth displacements, mm.
        ribbon: thickness of the cortex, mm.
        sulcal_width: width of the fluid in a typical sulcus, mm.
        sulcal_depth: of a typical sulcus, mm.
        gyral_spacing: of the lattice of the noise whose zeros are the sulci, mm; they are some 2.5 times as far apart.
        fissure_width: by which the fissures between hemispheres and lobes are wider than sulci, mm.
        ventricles: radii of the ventricles relative to the average.
        outer_fluid: fluid kept around the brain by skull stripping, mm; where negative, brain is lost.
        cistern_fluid: likewise in the cisterns under the brain, mm.
        nuclei: radii of the deep grey nuclei relative to the average.
    """

    scale: Vector
    warp: float
    ribbon: float
    sulcal_width: float
    sulcal_depth: float
    gyral_spacing: float
    fissure_width: float
    ventricles: float
    outer_fluid: float
    cistern_fluid: float
    nuclei: float

    @classmethod
    def draw(cls, generator: torch.Generator) -> "BrainShape":
        """Draw a brain."""
        size = uniform(generator, 0.87, LARGEST_SCALE / 1.05)
        x, y, z = (size * uniform(generator, 0.95, 1.05) for _ in range(3))
        return cls(
            scale=(x, y, z),
            warp=uniform(generator, 1.5, 4.0),
            ribbon=uniform(generator, 2.2, 4.2),
            sulcal_width=uniform(generator, 0.2, 3.0),
            sulcal_depth=uniform(generator, 12.0, 20.0),
            gyral_spacing=uniform(generator, 6.2, 8.2),
            fissure_width=uniform(generator, 0.0, 2.5),
            ventricles=log_uniform(generator, 0.7, 1.8),
            outer_fluid=uniform(generator, -1.5, 4.0),
            cistern_fluid=uniform(generator, 0.0, 12.0),
            nuclei=uniform(generator, 0.85, 1.15),
        )

    def head_positions(
        self, axes: tuple[torch.Tensor, torch.Tensor, torch.Tensor], generator: torch.Generator
    ) -> Positions:
        """Positions in the average brain that grid points come from: scaling and a smooth random displacement.

        Args:
            axes: coordinates of the grid along x, y and z in the world, mm.
            generator: of the displacement.
        """
        noise = SmoothNoise.draw(generator, 40.0, fields=3, device=axes[0].device)
        x, y, z = torch.meshgrid(*axes, indexing="ij")
        moved = self.warp * noise.on_grid(*axes)
        return x / self.scale[0] + moved[0], y / self.scale[1] + moved[1], z / self.scale[2] + moved[2]


@dataclass(frozen=True)
class Surfaces:
    """Depths in mm, (X, Y, Z) each and positive inside, of what the surface of a brain is made of.

    Attributes:
        cerebrum: below the convexity, the base and the tentorium.
        cerebellum: below its surface.
        brainstem: below its surface.
        hull: below the surface of all of them with the cisterns between filled.
        midline: distance to the fissure between the hemispheres.
        sylvian: distance to the fissure between temporal and frontal lobe.
    """

    cerebrum: torch.Tensor
    cerebellum: torch.Tensor
    brainstem: torch.Tensor
    hull: torch.Tensor
    midline: torch.Tensor
    sylvian: torch.Tensor


def brain_surfaces(positions: Positions, cistern_fluid: float) -> Surfaces:
    """The surfaces of the average brain at positions of its space."""
    x, y, z = positions
    side = x.abs()
    width = 68.0 * (1 - 0.10 * ((y + 17) / 88).clamp(-1, 1))  # the frontal lobes are narrower
    height = torch.where(z > 8, 66.0, 50.0)
    convexity = ellipsoid(positions, (0.0, -17.0, 8.0), (width, 88.0, height))
    # The base of the frontal lobes lies above the temporal poles, which reach forward to y = 25.
    base = z + 24 - 0.15 * (y - 25).clamp(min=0) + 0.9 * (25 - y).clamp(min=0)
    convexity = torch.minimum(convexity, base)
    cerebellum = ellipsoid(positions, (0.0, -64.0, -36.0), (52.0, 31.0, 24.0))
    brainstem = tube(
        positions,
        [(0.0, -16.0, -4.0), (0.0, -24.0, -14.0), (0.0, -25.0, -30.0), (0.0, -38.0, -52.0), (0.0, -46.0, -80.0)],
        [13.0, 13.0, 15.0, 8.0, 6.0],
    )
    cisterns = ellipsoid(positions, (0.0, -8.0, -40.0), (21.0, 42.0, 27.0))
    hull = torch.maximum(torch.maximum(convexity, cerebellum), brainstem)
    hull = torch.minimum(hull, torch.maximum(cistern_fluid - cisterns, brainstem + cistern_fluid / 2))
    tentorium = (convexity - cerebellum) / 2  # about the distance to where both are equally deep
    cerebrum = torch.minimum(torch.minimum(convexity, -cisterns), tentorium)
    cerebellum = torch.minimum(cerebellum, -tentorium)
    beyond = (callosum_level(positions) - 1) * 30
    midline = torch.hypot(side, (-beyond).clamp(min=0))
    fissure = (z - 1 + 0.6 * y).abs() / 1.17
    sylvian = torch.hypot(fissure, torch.hypot((41 - side).clamp(min=0), ((y + 5).abs() - 28).clamp(min=0)))
    insula = torch.hypot((side - 40).abs(), torch.hypot(((y - 2).abs() - 16).clamp(min=0), (z.abs() - 9).clamp(min=0)))
    return Surfaces(cerebrum, cerebellum, brainstem, hull, midline, torch.minimum(sylvian, insula))


def callosum_level(positions: Positions) -> torch.Tensor:
    """Relative distance from the centre of the arc of the corpus callosum: 1 is its upper surface."""
    _, y, z = positions
    along = (y - CALLOSUM_CENTRE[0]) / CALLOSUM_RADII[0]
    upwards = (z - CALLOSUM_CENTRE[1]).clamp(min=0) / CALLOSUM_RADII[1]
    return torch.hypot(along, upwards)


def callosum(positions: Positions) -> torch.Tensor:
    """Depth in the corpus callosum, from the midline to the roof of the lateral ventricles."""
    x, _, z = positions
    level = callosum_level(positions)
    shell = torch.minimum(1 - level, level - CALLOSUM_INNER) * 26
    return torch.minimum(torch.minimum(shell, 20 - x.abs()), z - 2)


def ventricles(positions: Positions, size: float) -> torch.Tensor:
    """Depth in the ventricles whose radii are ``size`` times the average."""
    x, y, z = positions
    halves = (x.abs(), y, z)
    body = [(7.0, 33.0, 0.0), (8.0, 27.0, 6.0), (9.0, 12.0, 14.0), (10.0, -8.0, 18.0), (14.0, -24.0, 18.0)]
    horns = [(24.0, -40.0, 10.0), (33.0, -32.0, -4.0), (32.0, -16.0, -15.0), (27.0, -6.0, -20.0)]
    lateral = tube(halves, body + horns, [r * size for r in (2.5, 3.5, 4.2, 4.2, 4.6, 6.5, 3.2, 2.2, 1.4)])
    occipital = tube(halves, [horns[0], (24.0, -66.0, 8.0)], [6.0 * size, 1.8 * size])
    lateral = torch.minimum(torch.maximum(lateral, occipital), halves[0] - 0.8)  # the septum stays
    under_callosum = torch.where(halves[0] < 20, (CALLOSUM_INNER - callosum_level(positions)) * 26, torch.inf)
    lateral = torch.minimum(lateral, under_callosum.where(z > -5, torch.inf))
    third = torch.minimum(ellipsoid(positions, (0.0, -11.0, -1.0), (40.0, 17.0, 10.0)), 1.6 * size**1.5 - halves[0])
    fourth = ellipsoid(positions, (0.0, -42.0, -34.0), (5.0 * size, 4.0 * size, 9.0))
    return torch.maximum(lateral, torch.maximum(third, fourth))


def deep_nuclei(positions: Positions, size: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth in thalamus and pallidum, which hold many fibres, and in the other deep grey nuclei."""
    x, y, z = positions
    halves = (x.abs(), y, z)

    def nucleus(centre: Vector, *radii: float) -> torch.Tensor:
        return ellipsoid(halves, centre, [radius * size for radius in radii])

    thalamus = nucleus((11.0, -18.0, 6.0), 8.5, 14.0, 9.0)
    pallidum = nucleus((19.0, -3.0, -1.0), 4.5, 9.0, 6.5)
    putamen = torch.minimum(nucleus((26.0, 3.0, 1.0), 6.0, 16.0, 11.0), -pallidum)
    caudate = tube(
        halves,
        [(12.0, 18.0, 4.0), (13.0, 12.0, 10.0), (16.0, -6.0, 20.0), (20.0, -24.0, 18.0)],
        [5.5 * size, 5.0 * size, 3.0 * size, 1.5 * size],
    )
    hippocampus = tube(
        halves, [(22.0, -3.0, -19.0), (28.0, -18.0, -16.0), (27.0, -34.0, -5.0)], [7.0 * size, 5.0 * size, 3.5 * size]
    )
    return torch.maximum(thalamus, pallidum), torch.maximum(putamen, torch.maximum(caudate, hippocampus))
