"""Task heads: what turns the decoder's features into an answer."""

import torch
from torch import nn

from ..qspace.harmonics import coefficient_orders
from ..qspace.shells import FEATURE_ORDER
from .adapters import ShellSetAdapter


class TaskHead(nn.Module):
    """Voxelwise network over the decoder's features and the backbone's input.

    The input is seen again because a voxel's own q-space features say most about its fibres, and the
    finest decoder level has fewer channels than an fODF has coefficients.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(inputs, hidden, 1), nn.LeakyReLU(0.01), nn.Conv3d(hidden, outputs, 1))

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features and (B, A, X, Y, Z) backbone input to (B, outputs, X, Y, Z)."""
        return self.layers(torch.cat([decoded, adapted], dim=1))


class FODFHead(nn.Module):
    """Refines the linear fODF among the backbone's input.

    Each order of the linear fODF is scaled by a factor that the network chooses for the voxel, which turns
    with the head as the fibres do, and a correction is added. Untrained it hands the linear fODF through.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        self._orders = len(range(0, FEATURE_ORDER + 1, 2))
        self.body = TaskHead(inputs, outputs + self._orders, hidden)
        last = self.body.layers[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        index = torch.as_tensor(coefficient_orders(FEATURE_ORDER) // 2)
        self.register_buffer("_order_of", index, persistent=False)

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features and (B, A, X, Y, Z) backbone input to (B, 45, X, Y, Z)."""
        factors, correction = self.body(decoded, adapted).tensor_split([self._orders], dim=1)
        linear = ShellSetAdapter.fodf(adapted) * (1 + factors[:, self._order_of])
        known = linear.shape[1]
        return torch.cat([correction[:, :known] + linear, correction[:, known:]], dim=1)


class PlainHead(nn.Module):
    """A single 1x1x1 convolution of the decoder's features: the head of the seed paper."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(inputs, outputs, 1)

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features to (B, outputs, X, Y, Z); ``adapted`` is not used."""
        return self.layer(decoded)
