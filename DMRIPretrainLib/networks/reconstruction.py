"""The head of pretraining: the signal that a scan should have."""

import torch
from torch import nn
from torch.nn import functional

from ..qspace.shells import FEATURE_COEFFICIENTS
from .heads import VoxelwiseLinear


class ReconstructionHead(nn.Module):
    """The signal at any b-value, and the b0, from the decoder's features alone.

    It does not see the backbone's input, so that nothing can be copied past the network. One hidden layer is scaled
    and shifted by the b-value asked for (FiLM, Perez et al. 2018).
    """

    def __init__(self, inputs: int, hidden: int = 64) -> None:
        super().__init__()
        self.first = VoxelwiseLinear(inputs, hidden)
        self.condition = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.01), nn.Linear(32, 2 * hidden))
        self.last = VoxelwiseLinear(hidden, FEATURE_COEFFICIENTS)
        self.b0 = VoxelwiseLinear(inputs, 1)

    def forward(self, decoded: torch.Tensor, bvalues: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer for the shells asked for.

        Args:
            decoded: (B, D, X, Y, Z) decoder features.
            bvalues: (B, S) b-values in ms/µm² (1000 s/mm²).

        Returns:
            (B, S, 28, X, Y, Z) scaled spherical harmonics coefficients of E, as in ``QSpaceFeatures.shells``, and
            (B, 1, X, Y, Z) log of b0 over its median in the brain.
        """
        hidden = self.first(decoded)[:, None]
        scale, shift = self.condition(bvalues[..., None])[..., None, None, None].chunk(2, dim=2)
        shells = functional.leaky_relu(hidden * (1 + scale) + shift, 0.01)
        return self.last(shells.flatten(0, 1)).unflatten(0, bvalues.shape), self.b0(decoded)
