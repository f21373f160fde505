"""The fODF: the linear estimate, sharpened and corrected by the network."""

import numpy as np
import torch
from torch import nn

from ..qspace.harmonics import coefficient_orders, evaluation_matrix, hemisphere, order_of
from .adapters import ShellSetAdapter
from .heads import TaskHead

#: Factors of the linear fODF, its square and its fourth power, for the orders 0, 2, 4, 6 and 8: least squares
#: between them and the true fODF of two simulated brains (64 x 1000 and 60 x 1500, SNR 25).
_SHARPENING = ((-0.25, 0.80, 0.79), (0.71, 0.35, 0.10), (0.07, 0.79, 0.76), (-0.67, 1.22, 1.17), (0.0, -1.60, 3.02))
#: What is left of each order of the linear fODF in its smooth version. A lone fibre's direction is nearly all in order
#: 2; the noise of the higher ones, which crossings need, moves it by twice as much (4 against 2 degrees at SNR 20).
_SMOOTH = (1.0, 1.0, 0.15, 0.0)


_VOXELS_AT_ONCE = 4096


class FODFHead(nn.Module):
    """Sharpens and refines the linear fODF among the backbone's input.

    Powers of the linear fODF on the sphere have narrower lobes, and so the high orders that the signal's noise
    hides (as in the sharpening deconvolution transform, Descoteaux et al. 2009). Each order of the linear fODF, of
    its square and its fourth power, and of those of a smooth version, is scaled by a factor that the network chooses
    for the voxel: this turns with the head as the fibres do. A correction is added. Untrained, the factors are those
    that fit simulated brains best, so that training starts from a useful fODF.
    """

    _order_of: torch.Tensor
    _values: torch.Tensor
    _coefficients: torch.Tensor
    _smooth: torch.Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        fodf_order = order_of(outputs)
        self.register_buffer("_order_of", torch.as_tensor(coefficient_orders(fodf_order) // 2), persistent=False)
        sharpening = torch.tensor(_SHARPENING).T
        self.factors = nn.Parameter(torch.cat([sharpening, torch.zeros(2, len(_SHARPENING))]))
        smooth = torch.tensor(_SMOOTH)[torch.as_tensor(coefficient_orders(2 * len(_SMOOTH) - 2) // 2)]
        self.register_buffer("_smooth", smooth[:, None], persistent=False)
        self.body = TaskHead(inputs, outputs + self.factors.numel())
        last = self.body.layers[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        values = evaluation_matrix(hemisphere("symmetric362"), fodf_order)
        self.register_buffer("_values", torch.tensor(values, dtype=torch.float32), persistent=False)
        inverse = np.linalg.pinv(values)
        self.register_buffer("_coefficients", torch.tensor(inverse, dtype=torch.float32), persistent=False)

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features and (B, A, X, Y, Z) backbone input to (B, 45, X, Y, Z)."""
        with torch.autocast(adapted.device.type, enabled=False):  # powers need all digits
            banks = self._sharpened(ShellSetAdapter.fodf(adapted).detach().float())
        count = self.factors.numel()
        chosen, correction = self.body(decoded, adapted).float().tensor_split([count], dim=1)
        factors = chosen.unflatten(1, self.factors.shape) + self.factors[..., None, None, None]
        for index, bank in enumerate(banks):
            correction = correction + bank * factors[:, index].index_select(1, self._order_of)
        return correction

    @torch.no_grad()
    def _sharpened(self, linear: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 45, X, Y, Z) of the linear fODF, its square and fourth power, and those two of the smooth version."""
        flat = linear.movedim(1, 0).flatten(1)
        banks = flat.new_zeros(5, len(self._order_of), flat.shape[1])
        banks[0, : len(flat)] = flat
        # Outside the brain all is zero, and stays so.
        for part in torch.nonzero(flat[0])[:, 0].split(_VOXELS_AT_ONCE):
            for first, version in ((1, flat[:, part]), (3, self._smooth * flat[:, part])):
                values = (self._values[:, : len(flat)] @ version).clamp_(min=0)
                for index, power in enumerate(_powers(values), start=first):
                    banks[index][:, part] = self._coefficients @ power
        shape = (len(linear), *linear.shape[2:])
        return tuple(bank.unflatten(1, shape).movedim(0, 1) for bank in banks)


def _powers(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(D, V) square and fourth power of (D, V) values on the sphere that are not negative, of their height."""
    relative = values / values.amax(dim=0).clamp(min=1e-6)
    # The maximum over samples depends on where they fall; this mean of high powers hardly does.
    fourth = relative.square().square()
    ninth = fourth.square() * relative
    relative *= ninth.sum(dim=0) / (ninth * relative).sum(dim=0).clamp(min=1e-6)
    square = values * relative
    return square, square * relative.square()
