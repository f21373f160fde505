"""Restoration after artifacts of diffusion MRI."""

from dataclasses import replace

import torch

from ..qspace.features import QSpaceFeatures
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from ..simulation.artifacts.corrupt import corrupt
from ..simulation.artifacts.registry import ARTIFACTS
from .directions import can_be_fitted
from .recipe import RawPatch
from .reconstruction import ReconstructionRecipe

#: Largest share of all artifacts in one patch; there is at least one.
_LARGEST_SHARE = 0.4


class ArtifactCorrection(ReconstructionRecipe):
    """Undo artifacts of single volumes and slices, which enter before the q-space fit; absolute error.

    Whatever displaces the anatomy is to be undone too. Real patches have artifacts of their own, which stay in the
    target, and noise, to which more is added.

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
    """

    name = "artifact"

    def __init__(self, network: str = "tiny") -> None:
        super().__init__(network)

    def seen(self, patch: RawPatch, generator: torch.Generator) -> QSpaceFeatures:
        """(1, ...) features of the corrupted patch."""
        return patch.features(corrupt_at_random(patch.acquisition, generator))


def corrupt_at_random(
    acquisition: Acquisition, generator: torch.Generator, strongest: float = 1.0, largest_share: float = _LARGEST_SHARE
) -> Acquisition:
    """Apply a random choice of the artifacts, each with a strength of its own.

    Args:
        acquisition: the patch.
        generator: on the CPU; equal states give equal results.
        strongest: largest strength, see ``Artifact.draw``.
        largest_share: largest share of the artifacts that is applied; there is at least one.
    """
    corrupted = acquisition
    for index in draws.some(generator, range(len(ARTIFACTS)), largest_share):
        strength = draws.uniform(generator, 0, strongest)
        corrupted, _ = corrupt(corrupted, [ARTIFACTS[index]], generator, strength)
    if not can_be_fitted(corrupted.gradients):
        # The wrong table of a scan of few directions may have too few distinct ones.
        return replace(corrupted, gradients=acquisition.gradients)
    return corrupted
