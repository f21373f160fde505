"""Task heads: what turns the decoder's features into an answer."""

import torch
from torch import nn


class VoxelwiseLinear(nn.Linear):
    """A linear layer over the channels of each voxel.

    The same as a 1x1x1 convolution, whose gradient is many times slower on a CPU where volumes are lists of voxels.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) to (B, C', X, Y, Z)."""
        weight = self.weight.expand(len(x), -1, -1)
        return torch.baddbmm(self.bias[:, None], weight, x.flatten(2)).unflatten(2, x.shape[2:])


class TaskHead(nn.Module):
    """Voxelwise network over the decoder's features and the backbone's input.

    The input is seen again because a voxel's own q-space features say most about its fibres, and the
    finest decoder level has fewer channels than an fODF has coefficients.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 96) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            VoxelwiseLinear(inputs, hidden),
            nn.LeakyReLU(0.01, inplace=True),
            VoxelwiseLinear(hidden, hidden),
            nn.LeakyReLU(0.01, inplace=True),
            VoxelwiseLinear(hidden, outputs),
        )

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) inputs, joined, to (B, outputs, X, Y, Z)."""
        return self.layers(torch.cat(inputs, dim=1))


class PlainHead(nn.Module):
    """A single linear layer over the decoder's features: the head of the seed paper."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = VoxelwiseLinear(inputs, outputs)

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features to (B, outputs, X, Y, Z); ``adapted`` is not used."""
        return self.layer(decoded)
