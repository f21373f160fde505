"""Distortion near air: tissue and air differ in magnetic susceptibility, which bends the field."""

from dataclasses import dataclass
from typing import Self

import torch
from torch.nn.functional import max_pool3d

from . import draws
from .artifact import Acquisition
from .coordinates import positions_mm
from .displace import displace

#: Largest displacement along the phase-encoding axis: frontal and temporal lobes at 3 T (Jezzard and Balaban, MRM 34,
#: 1995; Holland et al., NeuroImage 50, 2010).
LARGEST_DISPLACEMENT_MM = (2.0, 8.0)
#: Air-filled cavities (nasal sinuses, ear canals): how many, and their radius.
CAVITIES = (2, 4)
RADIUS_MM = (10.0, 25.0)
#: They lie under this lowest share of the brain's height and this foremost share of its length.
LOWEST_SHARE = 0.4
FOREMOST_SHARE = 0.6


@dataclass(frozen=True)
class Susceptibility:
    """Displacement in proportion to the field of air-filled spheres, the same for all volumes.

    Outside a sphere the field is that of a dipole along B0 (Schenck, Med Phys 23, 1996); here it fades to zero
    towards the centre, which keeps it smooth. Voxels are in RAS order and B0 is along the third axis.

    Attributes:
        displacement_mm: where the field in the brain is strongest.
        centres: of the spheres, mm from the centre of the grid along the voxel axes.
        radii: of the spheres, mm.
        polarity: 1 or -1, sign of the phase-encoding gradient: the other one displaces the other way.
    """

    displacement_mm: float
    centres: tuple[draws.Vector, ...]
    radii: tuple[float, ...]
    polarity: int = 1

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """See ``Artifact.draw``; the spheres lie at the base of the brain."""
        candidates = _base_of_brain(acquisition.mask)
        centres = []
        for _ in range(draws.integer(generator, *CAVITIES)):
            voxel = candidates[draws.integer(generator, 0, len(candidates) - 1)].tolist()
            sizes = zip(voxel, acquisition.shape, acquisition.voxel_size, strict=True)
            x, y, z = ((index - (count - 1) / 2) * size for index, count, size in sizes)
            centres.append((x, y, z))
        return cls(
            displacement_mm=strength * draws.uniform(generator, *LARGEST_DISPLACEMENT_MM),
            centres=tuple(centres),
            radii=tuple(draws.uniform(generator, *RADIUS_MM) for _ in centres),
            polarity=draws.sign(generator),
        )

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """See ``Artifact``."""
        axis = acquisition.phase_axis
        voxels = self.displacement_map(acquisition) / acquisition.voxel_size[axis]
        return acquisition.with_signal(displace(acquisition.signal, voxels[None].to(acquisition.signal), axis))

    def displacement_map(self, acquisition: Acquisition) -> torch.Tensor:
        """(X, Y, Z) mm along the phase-encoding axis, at the place from which the signal comes."""
        positions = positions_mm(acquisition.shape, acquisition.voxel_size, acquisition.signal.device)
        field = torch.zeros(acquisition.shape, device=acquisition.signal.device)
        for centre, radius in zip(self.centres, self.radii, strict=True):
            squares = [(position - middle) ** 2 for position, middle in zip(positions, centre, strict=True)]
            distance = squares[0] + squares[1] + squares[2]
            field += radius**3 * (3 * squares[2] - distance) / (distance + radius**2) ** 2.5
        brain = field[acquisition.mask] if acquisition.mask.any() else field
        return self.polarity * self.displacement_mm * field / brain.abs().max().clamp(min=1e-12)


def _base_of_brain(mask: torch.Tensor) -> torch.Tensor:
    """(V, 3) indices of the voxels at the surface of a mask, low and in front; of the whole grid if it is empty."""
    outside = (~mask).float()[None, None]
    surface = (max_pool3d(outside, 3, stride=1, padding=1)[0, 0] > 0) & mask
    voxels = (surface if surface.any() else torch.ones_like(mask)).nonzero().cpu()
    low, high = voxels.min(dim=0).values, voxels.max(dim=0).values
    share = (voxels - low) / (high - low).clamp(min=1)
    # The lowest voxel and the foremost need not be one, so each condition holds for what the other leaves.
    voxels, share = voxels[share[:, 2] <= LOWEST_SHARE], share[share[:, 2] <= LOWEST_SHARE]
    return voxels[share[:, 1] >= min(1 - FOREMOST_SHARE, float(share[:, 1].max()))]
