"""The number of fibre populations, from fits of one, two and three fibres and what surrounds the voxel."""

import torch
from torch import nn
from torch.nn import functional

from ..qspace.fibre_fit import FIT_VECTORS, MOST_FIBRES, fitted_vectors, left_by_fits
from ..qspace.harmonics import coefficient_orders
from ..qspace.shells import FEATURE_ORDER
from .adapters import ShellSetAdapter
from .heads import VoxelwiseLinear

#: Powers of an fODF are of the order of 0.1; networks like numbers near 1.
_POWER_SCALE = 5.0
#: Smaller powers are none.
_LEAST_POWER = 1e-3
#: Amplitudes, cosines between vectors, powers of four orders, what three fits leave of them and its logarithms, trust.
_INVARIANTS = 6 + 4 + 4 + 12 + 3 + 4


class CrossingsHead(nn.Module):
    """Counts fibre populations by numbers that do not change when the head turns, and by what the whole patch is like.

    A network that reads coefficients would have to learn every rotation; amplitudes and angles of fitted fibres, and
    how much of the fODF each number of them leaves unexplained, need not be learned. Whether a broad fODF means
    dispersed or crossing fibres depends on the tissue, the protocol and the noise, which a single voxel does not show:
    every hidden layer sees the mean of its input over the brain voxels of the patch too (as layers for sets do, Zaheer
    et al. 2017). Decoder features tell of the neighbourhood.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 128) -> None:
        super().__init__()
        self.first = VoxelwiseLinear(inputs + _INVARIANTS, hidden)
        self.layers = nn.ModuleList(SetLayer(hidden) for _ in range(2))
        self.last = VoxelwiseLinear(hidden, outputs)

    def forward(
        self, decoded: torch.Tensor, adapted: torch.Tensor, trust: torch.Tensor, fit: torch.Tensor
    ) -> torch.Tensor:
        """Logits of every number.

        Args:
            decoded: (B, D, X, Y, Z) decoder features.
            adapted: (B, A, X, Y, Z) backbone input, zero fODF outside the brain.
            trust: (B, 4) see ``qspace.deconvolution.fodf_trust``.
            fit: (B, 30, X, Y, Z) see ``qspace.fibre_fit.fit_fibres``.
        """
        linear = ShellSetAdapter.fodf(adapted)
        described = fit_invariants(linear, trust, fit)
        hidden = functional.leaky_relu_(self.first(torch.cat([decoded, adapted, described], dim=1)), 0.01)
        inside = (linear[:, :1] != 0).to(hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, inside)
        return self.last(hidden)


class SetLayer(nn.Module):
    """A residual layer of each voxel and of the mean over the voxels of a set."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = VoxelwiseLinear(width, width)
        self.mean = VoxelwiseLinear(width, width)

    def forward(self, hidden: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) units, and (B, 1, X, Y, Z) 1 in voxels of the set, to units."""
        count = inside.sum(dim=(2, 3, 4), keepdim=True).clamp(min=1)
        mean = (hidden * inside).sum(dim=(2, 3, 4), keepdim=True) / count
        return hidden + functional.leaky_relu_(self.each(hidden) + self.mean(mean), 0.01)


@torch.no_grad()
def fit_invariants(linear: torch.Tensor, trust: torch.Tensor, fit: torch.Tensor) -> torch.Tensor:
    """(B, 33, X, Y, Z) numbers that do not turn with the head, from the linear fODF, its trust and its fits."""
    with torch.autocast(linear.device.type, enabled=False):
        linear, fit = linear.float(), fit.float()
        orders = torch.as_tensor(coefficient_orders(FEATURE_ORDER) // 2, device=linear.device)
        power = linear.new_zeros(len(linear), FEATURE_ORDER // 2 + 1, *linear.shape[2:])
        power = power.index_add_(1, orders, linear.square()).sqrt_()
        amplitudes, cosines = [], []
        for count in range(1, MOST_FIBRES + 1):
            vectors = fitted_vectors(fit, count)
            # Much faster than norm() where channels do not lie side by side.
            lengths = vectors.square().sum(dim=2).sqrt()
            amplitudes.append(lengths)
            units = (vectors / lengths.clamp(min=1e-6)[:, :, None]).unbind(dim=1)
            pairs = [(i, j) for i in range(count) for j in range(i)]
            cosines += [(units[i] * units[j]).sum(dim=1, keepdim=True).abs() for i, j in pairs]
        left = fit[:, FIT_VECTORS:]
        whole = power[:, 1:].square().sum(dim=1, keepdim=True).sqrt()
        share = torch.log((left_by_fits(fit) + _LEAST_POWER) / (whole + _LEAST_POWER))
        trusts = trust[..., None, None, None].expand(-1, -1, *linear.shape[2:])
        return torch.cat([*amplitudes, *cosines, _POWER_SCALE * power, _POWER_SCALE * left, share, trusts], dim=1)
