"""Restoration after the distortions of the seed paper."""

from dataclasses import dataclass

import torch

from ..errors import UserError
from ..qspace.features import QSpaceFeatures
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from ..simulation.artifacts.bias_field import TERMS, BiasField
from ..simulation.artifacts.resample import rotation_matrices
from .kspace import ghost, interrupt, transform
from .normalised import denormalise, normalise
from .recipe import RawPatch
from .reconstruction import ReconstructionRecipe

#: Factor on the extent along the second voxel axis.
_STRETCH = (0.9, 1.1)


@dataclass(frozen=True)
class Strength:
    """Ranges of the distortions.

    Attributes:
        movements: how often the head moves while k-space is read.
        movement: largest rotation about each axis in degrees, and translation along it in mm.
        ghosts: smallest and largest number of ghosts.
        ghost_intensity: smallest and largest share by which planes of k-space are weakened.
        bias: bound of the coefficients of the bias field.
        noise: largest standard deviation of the noise, over b0.
    """

    movements: int
    movement: float
    ghosts: tuple[int, int]
    ghost_intensity: tuple[float, float]
    bias: float
    noise: float


STRENGTHS = {
    "light": Strength(1, 5.0, (0, 1), (0.0, 0.5), 0.3, 0.1),
    "normal": Strength(2, 10.0, (0, 2), (0.0, 0.9), 0.5, 0.25),
    "strong": Strength(3, 15.0, (1, 3), (0.5, 0.9), 0.7, 0.3),
}
#: Draws one of them for each patch.
ALL = "all"


class Distortion(ReconstructionRecipe):
    """Undo the seed paper's distortions, absolute error.

    A stretch along one axis, motion, ghosts, a bias field and noise (Weninger et al., BVM 2022), each drawn once for
    all volumes of the patch, which is normalised by its b0 as there; only noise differs between volumes. The b0 is
    distorted like the others.

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
        strength: ``light``, ``normal``, ``strong``, or ``all`` for any of them.

    Raises:
        UserError: if there is no such strength.
    """

    name = "distortion"

    def __init__(self, network: str = "tiny", strength: str = ALL) -> None:
        super().__init__(network)
        if strength not in (*STRENGTHS, ALL):
            raise UserError(f"strength {strength}: expected {', '.join(STRENGTHS)} or {ALL}; choose one of them")
        self._strengths = list(STRENGTHS.values()) if strength == ALL else [STRENGTHS[strength]]

    def seen(self, patch: RawPatch, generator: torch.Generator) -> QSpaceFeatures:
        """(1, ...) features of the distorted patch."""
        strength = self._strengths[draws.integer(generator, 0, len(self._strengths) - 1)]
        changed = distort(normalise(patch.acquisition, patch.b0_median), strength, generator)
        return patch.features(denormalise(changed, patch.b0_median))


def distort(normalised: Acquisition, strength: Strength, generator: torch.Generator) -> Acquisition:
    """Draw and apply the distortions to normalised signals."""
    voxel_size = normalised.voxel_size
    stretch = torch.diag(torch.tensor([1.0, draws.uniform(generator, *_STRETCH), 1.0]))
    signal = transform(normalised.signal, stretch, (0.0, 0.0, 0.0), voxel_size)
    signal = _move(signal, voxel_size, strength, generator)
    ghosts, intensity = draws.integer(generator, *strength.ghosts), draws.uniform(generator, *strength.ghost_intensity)
    axis = draws.integer(generator, 0, 2)
    if ghosts:
        signal = ghost(signal, ghosts, intensity, axis)
    bias = BiasField(tuple(draws.uniform(generator, -strength.bias, strength.bias) for _ in TERMS))
    shaded = bias(normalised.with_signal(signal))
    return shaded.with_signal(_add_noise(shaded.signal, draws.uniform(generator, 0, strength.noise), generator))


def _move(
    signal: torch.Tensor, voxel_size: tuple[float, float, float], strength: Strength, generator: torch.Generator
) -> torch.Tensor:
    limit, positions, axis = strength.movement, [signal], draws.integer(generator, 0, 2)
    for _ in range(strength.movements):
        rotation, translation = ([draws.uniform(generator, -limit, limit) for _ in range(3)] for _ in range(2))
        positions.append(transform(signal, rotation_matrices([rotation])[0], translation, voxel_size))
    planes = signal.shape[axis + 1]
    changes = sorted(draws.integer(generator, 1, planes - 1) for _ in range(strength.movements))
    return interrupt(positions, changes, axis)


def _add_noise(signal: torch.Tensor, sigma: float, generator: torch.Generator) -> torch.Tensor:
    """Gaussian noise, in every volume anew; on another device it is other noise."""
    on_device = torch.Generator(signal.device).manual_seed(draws.seed(generator))
    return signal + sigma * torch.randn(signal.shape, generator=on_device, device=signal.device, dtype=signal.dtype)
