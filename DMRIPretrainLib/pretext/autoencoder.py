"""The plain autoencoder: the patch from itself."""

import torch

from ..qspace.features import QSpaceFeatures
from .recipe import RawPatch
from .reconstruction import ReconstructionRecipe


class Autoencoder(ReconstructionRecipe):
    """Clean signal in, clean signal out, absolute error: what the seed paper compares with.

    With skips there is a path at full resolution from one to the other, which makes the task nearly trivial; without
    them everything passes the bottleneck.

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
        skips: whether the decoder sees the encoder's features of its resolution, as in the seed paper.
    """

    name = "autoencoder"

    def __init__(self, network: str = "tiny", skips: bool = True) -> None:
        super().__init__(network, skips)

    def seen(self, patch: RawPatch, generator: torch.Generator) -> QSpaceFeatures:
        """(1, ...) the clean features."""
        return patch.clean_features()
