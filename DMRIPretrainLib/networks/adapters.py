"""What stands between q-space features and the backbone, voxel by voxel."""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..qspace.deconvolution import linear_fodf
from ..qspace.features import SHELL_CONDITIONS, SHELL_FEATURES, QSpaceFeatures, unscaled_coefficients
from ..qspace.harmonics import coefficient_count, evaluation_matrix
from ..qspace.shells import FEATURE_COEFFICIENTS, FEATURE_ORDER


class ShellSetAdapter(nn.Module):
    """One small network for every shell, and their mean: any number of shells to 61 channels.

    Each shell passes through a shared voxelwise network whose hidden layers are scaled and shifted by
    its b-value, number of directions, order and noise (FiLM, Perez et al. 2018); the mean over the
    shells present makes the result independent of their number and order (deep sets, Zaheer et
    al. 2017). The power of each order, which does not change when the head turns, is seen beside the
    coefficients. The linear fODF of all shells, averaged over neighbours that are alike, and the b0 channel are
    appended.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.output_channels = width + FEATURE_COEFFICIENTS + 1
        self.first = nn.Linear(SHELL_FEATURES + FEATURE_ORDER // 2, width)
        self.second = nn.Linear(width, width)
        film = nn.Linear(32, 4 * width)
        nn.init.zeros_(film.weight)
        nn.init.zeros_(film.bias)
        self.condition = nn.Sequential(nn.Linear(SHELL_CONDITIONS, 32), nn.LeakyReLU(0.01), film)

    def forward(self, features: QSpaceFeatures) -> torch.Tensor:
        """(B, S, 30, X, Y, Z) shells and their conditions to (B, 61, X, Y, Z): 32 learned, 28 fODF, 1 b0."""
        film = self.condition(features.conditions)[..., None].chunk(4, dim=2)
        hidden = torch.cat([features.shells, _order_norms(features.shells)], dim=2).flatten(3)
        for layer, scale, shift in ((self.first, film[0], film[1]), (self.second, film[2], film[3])):
            # einsum over the channel axis avoids moving channels last and back.
            hidden = torch.einsum("oc,bscv->bsov", layer.weight, hidden) + layer.bias[:, None]
            hidden = functional.leaky_relu_(hidden * (1 + scale) + shift, 0.01)
        weights = features.present / features.present.sum(dim=1, keepdim=True)
        pooled = torch.einsum("bs,bsov->bov", weights, hidden).unflatten(2, features.b0.shape[2:])
        return torch.cat([pooled, linear_fodf(features), features.b0], dim=1)

    @staticmethod
    def fodf(adapted: torch.Tensor) -> torch.Tensor:
        """(B, 28, X, Y, Z) the linear fODF among the (B, 61, X, Y, Z) channels."""
        return adapted[:, -1 - FEATURE_COEFFICIENTS : -1]


def _order_norms(shells: torch.Tensor) -> torch.Tensor:
    """(B, S, 3, X, Y, Z) norms of the coefficients of orders 2, 4 and 6."""
    ends = [coefficient_count(order) for order in range(0, FEATURE_ORDER + 1, 2)]
    norms = [shells[:, :, a:b].square().sum(dim=2).sqrt() for a, b in itertools.pairwise(ends)]
    return torch.stack(norms, dim=2)


class ReferenceDirectionsAdapter(nn.Module):
    """Signals of the shell nearest b = 1000 in 64 fixed directions, as the seed paper's network takes.

    Evaluates the spherical harmonics of order 6 (the seed used 8; at 64 directions and SNR 20 the two
    differ by less than the noise) and clips to [0, 1] as the seed did. It has no parameters.
    """

    output_channels = 64

    def __init__(self) -> None:
        super().__init__()
        matrix = evaluation_matrix(reference_directions(), FEATURE_ORDER)
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32), persistent=False)

    def forward(self, features: QSpaceFeatures) -> torch.Tensor:
        """(B, S, 30, X, Y, Z) shells to (B, 64, X, Y, Z) normalised signals."""
        distance = (features.conditions[..., 0] - 1.0).abs() + 1e6 * (1 - features.present)
        nearest = distance.argmin(dim=1)
        chosen = features.shells[torch.arange(len(nearest)), nearest]
        return torch.einsum("dc,bcxyz->bdxyz", self.matrix, unscaled_coefficients(chosen)).clamp(0.0, 1.0)


def reference_directions() -> np.ndarray:
    """(64, 3) evenly spread unit vectors on half the sphere, in the grid frame; always the same.

    A Fibonacci lattice (Swinbank and Purser 2006, Q J R Meteorol Soc 132:1769) of the upper half.
    """
    index = np.arange(64) + 0.5
    z = 1 - index / 64
    azimuth = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
