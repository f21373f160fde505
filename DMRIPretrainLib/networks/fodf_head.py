"""The fODF: that of as many fibres as are counted, corrected by the network."""

import torch
from torch import nn

from ..qspace.fibre_fit import MOST_FIBRES, fitted_fodf, left_by_fits
from ..qspace.harmonics import coefficient_orders, order_of
from .adapters import ShellSetAdapter
from .heads import TaskHead

#: Share of the linear fODF (its root power above order 0) that counts as little.
_LITTLE = 0.25


class FODFHead(nn.Module):
    """The fODF of the fitted fibres and the linear fODF, each order scaled as the network chooses, and a correction.

    The mean of all fODFs that there may be, which a network learns from squared differences, melts near fibres into
    one broad lobe. Fitted fibres do not melt. Scaling whole orders turns with the head as the fibres do. Untrained,
    the answer is the fODF of the fitted fibres.
    """

    _order_of: torch.Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        order = order_of(outputs)
        self.register_buffer("_order_of", torch.as_tensor(coefficient_orders(order) // 2), persistent=False)
        factors = torch.zeros(2, order // 2 + 1)
        factors[1] = 1.0
        self.factors = nn.Parameter(factors)
        self.body = TaskHead(inputs, outputs + factors.numel())
        last = self.body.layers[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(
        self, decoded: torch.Tensor, adapted: torch.Tensor, fit: torch.Tensor, counts: torch.Tensor | None
    ) -> torch.Tensor:
        """(B, 45, X, Y, Z) coefficients.

        Args:
            decoded: (B, D, X, Y, Z) decoder features.
            adapted: (B, A, X, Y, Z) backbone input.
            fit: (B, 30, X, Y, Z) see ``qspace.fibre_fit.fit_fibres``.
            counts: (B, 4, X, Y, Z) logits of the number of fibres, whose likeliest number from 1 on is taken; None
                takes the smallest number that leaves little of the linear fODF unexplained.
        """
        with torch.autocast(adapted.device.type, enabled=False):
            linear = ShellSetAdapter.fodf(adapted).detach().float()
            fitted = fitted_fodf(fit, _choice(fit, linear, counts))
            missing = fitted.shape[1] - linear.shape[1]
            banks = (torch.cat([linear, linear.new_zeros(len(linear), missing, *linear.shape[2:])], dim=1), fitted)
        count = self.factors.numel()
        chosen, correction = self.body(decoded, adapted).float().tensor_split([count], dim=1)
        factors = chosen.unflatten(1, self.factors.shape) + self.factors[..., None, None, None]
        for index, bank in enumerate(banks):
            correction = correction + bank * factors[:, index].index_select(1, self._order_of)
        return correction


@torch.no_grad()
def _choice(fit: torch.Tensor, linear: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
    """(B, 3, X, Y, Z) 1 for one of the fits of one, two and three fibres, else 0."""
    if counts is None:
        power = linear[:, 1:].square().sum(dim=1, keepdim=True).sqrt()
        explained = left_by_fits(fit)[:, :-1] < _LITTLE * power
        number = MOST_FIBRES - 1 - explained.to(torch.int64).cummax(dim=1).values.sum(dim=1, keepdim=True)
    else:
        number = counts[:, 1:].argmax(dim=1, keepdim=True)
    return torch.zeros_like(fit[:, :MOST_FIBRES]).scatter_(1, number, 1.0)
