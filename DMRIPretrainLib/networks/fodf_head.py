"""The fODF: a deconvolution without negative values, corrected by the network."""

import numpy as np
import torch
from torch import nn

from ..qspace.harmonics import coefficient_orders, evaluation_matrix, hemisphere, order_of
from ..qspace.shells import FEATURE_ORDER
from .adapters import ShellSetAdapter
from .heads import TaskHead

#: What is left of each order of the linear fODF in its smooth version. A lone fibre's direction is nearly all in order
#: 2; the noise of the higher ones, which crossings need, moves it by twice as much (4 against 2 degrees at SNR 20).
_SMOOTH = (1.0, 1.0, 0.15, 0.0)
#: Steps of the deconvolution, the share of the largest value below which values count as none, and the least trust
#: that steps are divided by.
_ITERATIONS, _FLOOR, _LEAST_TRUST = 10, 0.2, 0.5
#: Few enough for the values of a block of voxels to stay in a CPU's cache.
_VOXELS_AT_ONCE = 4096


class FODFHead(nn.Module):
    """Deconvolves the linear fODF among the backbone's input, and corrects the result.

    The linear fODF lacks the high orders that noise hides. That an fODF is nowhere negative and mostly zero brings them
    back (constrained spherical deconvolution, Tournier et al. 2007), here by projected Landweber steps, which need no
    system to be solved. For lone fibres, powers of a smooth version have the better directions (as in the sharpening
    deconvolution transform, Descoteaux et al. 2009). Each order of these is scaled by a factor that the network
    chooses for the voxel: this turns with the head as the fibres do. A correction is added. Untrained, the answer is
    the deconvolution.
    """

    _order_of: torch.Tensor
    _values: torch.Tensor
    _coefficients: torch.Tensor
    _smooth: torch.Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        fodf_order = order_of(outputs)
        orders = torch.as_tensor(coefficient_orders(fodf_order) // 2)
        values = evaluation_matrix(hemisphere("symmetric362"), fodf_order)
        smooth = torch.tensor(_SMOOTH)[torch.as_tensor(coefficient_orders(FEATURE_ORDER) // 2)]
        self.register_buffer("_order_of", orders, persistent=False)
        self.register_buffer("_values", torch.tensor(values, dtype=torch.float32), persistent=False)
        self.register_buffer(
            "_coefficients", torch.tensor(np.linalg.pinv(values), dtype=torch.float32), persistent=False
        )
        self.register_buffer("_smooth", smooth[:, None], persistent=False)
        factors = torch.zeros(4, fodf_order // 2 + 1)
        factors[1] = 1.0
        self.factors = nn.Parameter(factors)
        self.body = TaskHead(inputs, outputs + factors.numel())
        last = self.body.layers[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
        """The fODF.

        Args:
            decoded: (B, D, X, Y, Z) decoder features.
            adapted: (B, A, X, Y, Z) backbone input.
            trust: (B, 4) see ``qspace.deconvolution.fodf_trust``.

        Returns:
            (B, 45, X, Y, Z) coefficients.
        """
        with torch.autocast(adapted.device.type, enabled=False):  # powers need all digits
            banks = self._banks(ShellSetAdapter.fodf(adapted).detach().float(), trust.float())
        count = self.factors.numel()
        chosen, correction = self.body(decoded, adapted).float().tensor_split([count], dim=1)
        factors = chosen.unflatten(1, self.factors.shape) + self.factors[..., None, None, None]
        for index, bank in enumerate(banks):
            correction = correction + bank * factors[:, index].index_select(1, self._order_of)
        return correction

    @torch.no_grad()
    def _banks(self, linear: torch.Tensor, trust: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 45, X, Y, Z) of the linear fODF, its deconvolution, and square and fourth power of its smooth version."""
        flat = linear.movedim(1, 0).flatten(1)
        voxels = flat.shape[1] // len(linear)
        banks = flat.new_zeros(4, len(self._order_of), flat.shape[1])
        banks[0, : len(flat)] = flat
        # Outside the brain all is zero, and stays so.
        for part in torch.nonzero(flat[0])[:, 0].split(_VOXELS_AT_ONCE):
            banks[1][:, part] = self._deconvolved(banks[0][:, part], trust[part // voxels].T)
            values = (self._values[:, : len(flat)] @ (self._smooth * flat[:, part])).clamp_(min=0)
            for index, power in enumerate(_powers(values), start=2):
                banks[index][:, part] = self._coefficients @ power
        shape = (len(linear), *linear.shape[2:])
        return tuple(bank.unflatten(1, shape).movedim(0, 1) for bank in banks)

    def _deconvolved(self, linear: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
        """(45, V) fODFs without negative values whose orders, times their (4, V) trust, are the (45, V) linear ones."""
        share = torch.cat([trust, torch.zeros_like(trust[:1])])[self._order_of]
        step = 1 / share.clamp(min=_LEAST_TRUST)
        fodf = linear
        for _ in range(_ITERATIONS):
            values = self._values @ torch.addcmul(fodf, step, linear - share * fodf)
            fodf = self._coefficients @ values.where(values > _FLOOR * values.amax(dim=0), 0.0)
        return fodf


def _powers(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(D, V) square and fourth power of (D, V) values on the sphere that are not negative, of their height."""
    relative = values / smooth_maximum(values)
    square = values * relative
    return square, square * relative.square()


def smooth_maximum(values: torch.Tensor) -> torch.Tensor:
    """(V,) height of (D, V) values that are not negative.

    The largest of the samples depends on where they fall; this mean of high powers hardly does.
    """
    relative = values / values.amax(dim=0).clamp(min=1e-6)
    eighth = relative.square().square().square()
    mean = (eighth * relative * values).sum(dim=0) / (eighth * relative).sum(dim=0).clamp(min=1e-6)
    return mean.clamp(min=1e-6)
