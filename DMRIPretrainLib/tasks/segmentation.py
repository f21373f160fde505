"""Segmentation: tissue, or any label set of the user's."""

from collections.abc import Sequence

import numpy as np
import torch

from ..evaluation.segmentation import dice_scores
from ..networks.model import HeadSpec
from .losses import masked_cross_entropy, masked_dice_loss
from .maps import TISSUE_COLOURS, TISSUES, distinct_colours


def tissue_head() -> HeadSpec:
    """Head for background, CSF, grey and white matter."""
    return HeadSpec("segmentation", TISSUES, TISSUE_COLOURS, tuple(range(len(TISSUES))))


def custom_head(values: Sequence[int], names: dict[int, str] | None = None) -> HeadSpec:
    """Head for a label set of the user's.

    Args:
        values: label values in the images; 0, the background, is added where it is missing.
        names: name of each value; others are called ``label 17``.
    """
    ordered = sorted({0, *map(int, values)})
    known = {0: "background"} | (names or {})
    labels = tuple(known.get(value, f"label {value}") for value in ordered)
    return HeadSpec("segmentation", labels, ((0, 0, 0), *distinct_colours(len(ordered) - 1)), tuple(ordered))


class SegmentationTask:
    """One label a voxel; label 0 is background. Dice and cross entropy in equal parts (Isensee et al. 2021)."""

    target_channels = 1

    def __init__(self, head: HeadSpec) -> None:
        self.head = head
        self.output_channels = len(head.labels)
        self._values = np.array(head.values)

    def target(self, label: np.ndarray) -> np.ndarray:
        """(1, X, Y, Z) index of every label; values that the head does not know become background."""
        index = np.searchsorted(self._values, label).clip(max=len(self._values) - 1)
        return np.where(self._values[index] == label, index, 0)[None].astype(np.float32)

    def move(self, target: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
        """Labels hold no directions."""
        return target

    def loss(self, output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Cross entropy plus Dice loss in the mask."""
        classes = target[:, 0].long()
        return masked_cross_entropy(output, classes, mask) + masked_dice_loss(output, classes, mask)

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Probability of every label."""
        return torch.softmax(output, dim=1)

    def answer(self, average: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(X, Y, Z) value of the label of highest probability, 0 outside the mask."""
        return np.where(mask, self._values[average.argmax(axis=0)], 0)

    def score(self, answer: np.ndarray, label: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        """Dice of every label that the reference has; the score is their mean."""
        present = [value for value in self.head.values[1:] if np.any(label[mask] == value)]
        dice = dice_scores(answer[mask], label[mask], present)
        names = dict(zip(self.head.values, self.head.labels, strict=True))
        named = {f"Dice {names[value]}": dice[value] for value in present}
        return {"score": float(np.mean(list(dice.values()))) if dice else 0.0, **named}
