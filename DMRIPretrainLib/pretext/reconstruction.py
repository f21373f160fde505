"""What recipes share that reconstruct the clean signal: the answer, its error, and recipes that do nothing else."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from ..networks.model import Architecture, DiffusionModel
from ..qspace.features import QSpaceFeatures
from ..qspace.harmonics import coefficient_orders
from ..qspace.shells import FEATURE_COEFFICIENTS, FEATURE_ORDER
from .recipe import Example, RawPatch


class ReconstructionRecipe(nn.Module):
    """Base of recipes that show a changed patch and ask for the clean one.

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
        skips: whether the decoder sees the encoder's features of its resolution.
        squared: whether errors are squared rather than absolute.
    """

    def __init__(self, network: str, skips: bool = True, squared: bool = False) -> None:
        super().__init__()
        self._network = network
        self._skips = skips
        self._squared = squared

    def architecture(self) -> Architecture:
        """The network with a head for the reconstruction alone."""
        return Architecture(self._network, skips=self._skips, reconstruction=True)

    def seen(self, patch: RawPatch, generator: torch.Generator) -> QSpaceFeatures:
        """(1, ...) features of the changed patch."""
        raise NotImplementedError

    def example(self, patch: RawPatch, generator: torch.Generator) -> Example:
        """The changed patch, and the clean features of the whole table that are to be told from it."""
        mask = patch.acquisition.mask[None].float()
        return Example(self.seen(patch, generator), {}, mask, clean=patch.clean_features())

    def losses(self, model: DiffusionModel, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Mean error in the mask of the shells and of the b0."""
        features = QSpaceFeatures.stack([example.features for example in examples])
        target = clean_of(examples)
        answer = reconstruct(model, model.backbone(model.adapter(features)), target.conditions[..., 0])
        mask = torch.cat([example.mask for example in examples])
        shells, b0 = voxel_errors(answer, target, self._squared)
        return {"shells": weighted_mean(shells, mask), "b0": weighted_mean(b0, mask)}


def clean_of(examples: Sequence[Example]) -> QSpaceFeatures:
    """Clean features of examples that all have them."""
    return QSpaceFeatures.stack([cast(QSpaceFeatures, example.clean) for example in examples])


def reconstruct(
    model: DiffusionModel, decoded: torch.Tensor, bvalues: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's reconstruction in float32, whatever precision it computes in; see ``ReconstructionHead``.

    Raises:
        ValueError: if the model has no head for it.
    """
    if model.reconstruction is None:
        raise ValueError("the model has no reconstruction head")
    shells, b0 = model.reconstruction(decoded, bvalues)
    return shells.float(), b0.float()


def voxel_errors(
    answer: tuple[torch.Tensor, torch.Tensor], target: QSpaceFeatures, squared: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Error of a reconstruction in every voxel.

    Shells count alike, and so do the orders of a shell, of which the higher ones have more coefficients and more noise.
    Orders that the shell has too few directions for are unknown, not zero, and do not count.

    Args:
        answer: (B, S, 28, X, Y, Z) scaled coefficients of the shells and (B, 1, X, Y, Z) b0 channel.
        target: what they should be.
        squared: whether errors are squared rather than absolute.

    Returns:
        (B, X, Y, Z) errors of the shells, and of the b0.
    """
    shells, b0 = answer[0] - target.shells[:, :, :FEATURE_COEFFICIENTS], answer[1] - target.b0
    shells, b0 = (shells.square(), b0.square()) if squared else (shells.abs(), b0.abs())
    return (shells * _coefficient_weights(target)[..., None, None, None]).sum(dim=(1, 2)), b0[:, 0]


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean of values, zero where there is no weight at all."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


def _coefficient_weights(target: QSpaceFeatures) -> torch.Tensor:
    """(B, S, 28) weights that sum to 1 in every item of the batch."""
    orders = torch.as_tensor(coefficient_orders(FEATURE_ORDER), device=target.shells.device)
    fitted = orders <= FEATURE_ORDER * target.conditions[..., 2:3] + 0.5
    weights = fitted * target.present[..., None] / (2 * orders + 1)
    weights = weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)
    return weights / target.present.sum(dim=1)[:, None, None]
