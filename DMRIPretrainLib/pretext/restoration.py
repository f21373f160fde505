"""Restoration of a patch after generic image corruptions."""

import torch

from ..qspace.features import QSpaceFeatures
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from .intensity import IntensityCurve
from .normalised import denormalise, normalise
from .painting import paint
from .recipe import RawPatch
from .reconstruction import ReconstructionRecipe
from .shuffling import shuffle_locally

_SHUFFLING = 0.5
_INTENSITY = 0.9
_PAINTING = 0.9


class Restoration(ReconstructionRecipe):
    """Undo local shuffling, a map of the intensity and painting, squared error.

    The idea of Models Genesis (Zhou et al., Medical Image Analysis 67, 2021) for diffusion scans: one spatial map for
    all directions and b0s, so that a voxel's signals stay together, and maps of the intensity that only increase.

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
    """

    name = "restoration"

    def __init__(self, network: str = "tiny") -> None:
        super().__init__(network, squared=True)

    def seen(self, patch: RawPatch, generator: torch.Generator) -> QSpaceFeatures:
        """(1, ...) features of the corrupted patch."""
        changed = corrupt_generically(normalise(patch.acquisition, patch.b0_median), generator)
        return patch.features(denormalise(changed, patch.b0_median))


def corrupt_generically(normalised: Acquisition, generator: torch.Generator) -> Acquisition:
    """Draw and apply some of the corruptions to normalised signals."""
    if draws.uniform(generator, 0, 1) < _SHUFFLING:
        normalised = shuffle_locally(normalised, generator)
    if draws.uniform(generator, 0, 1) < _INTENSITY:
        normalised = map_intensity(normalised, IntensityCurve.draw(generator))
    if draws.uniform(generator, 0, 1) < _PAINTING:
        normalised = paint(normalised, generator)
    return normalised


def map_intensity(normalised: Acquisition, curve: IntensityCurve) -> Acquisition:
    """Normalised signals with the weighted volumes mapped."""
    is_b0 = torch.from_numpy(normalised.gradients.is_b0).to(normalised.signal.device)[:, None, None, None]
    return normalised.with_signal(torch.where(is_b0, normalised.signal, curve(normalised.signal)))
