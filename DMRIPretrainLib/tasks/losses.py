"""Voxelwise losses that leave out voxels outside a mask."""

import torch
from torch.nn import functional


def masked_cross_entropy(
    output: torch.Tensor,
    target: torch.Tensor,
    mask: torch.Tensor,
    weights: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean cross entropy over the mask.

    Args:
        output: (B, C, X, Y, Z) logits.
        target: (B, X, Y, Z) class indices.
        mask: (B, X, Y, Z) 1 where a voxel counts.
        weights: (C,) class weights.
        label_smoothing: share of the target spread over all classes.
    """
    losses = functional.cross_entropy(output, target, weights, reduction="none", label_smoothing=label_smoothing)
    return (losses * mask).sum() / mask.sum().clamp(min=1)


def masked_dice_loss(output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice of every class but the first, over the voxels of the batch in the mask.

    Milletari et al. 2016 (V-Net), with the sum over the batch, so that a class missing from one small
    patch does not dominate.
    """
    probabilities = torch.softmax(output, dim=1) * mask[:, None]
    truth = functional.one_hot(target, output.shape[1]).movedim(-1, 1).to(output.dtype) * mask[:, None]
    axes = (0, 2, 3, 4)
    overlap = (probabilities * truth).sum(axes)
    total = probabilities.sum(axes) + truth.sum(axes)
    return 1 - ((2 * overlap + 1) / (total + 1))[1:].mean()
