"""Fibre crossings: how many fibre populations a voxel holds, 0 to 3."""

import numpy as np
import torch

from ..evaluation.crossings import crossing_metrics
from ..networks.model import HeadSpec
from .losses import masked_cross_entropy
from .maps import CROSSING_COLOURS, CROSSING_LABELS


def crossings_head() -> HeadSpec:
    """Head for none, one, two or three fibre populations."""
    return HeadSpec("crossings", CROSSING_LABELS, CROSSING_COLOURS, (0, 1, 2, 3))


class CrossingsTask:
    """Number of fibre populations, as a class.

    Args:
        head: labels and colours of the four classes.
        class_counts: (4,) voxels of each class in the training labels; rare classes get weights by the
            inverse square root of their frequency, and labels are smoothed by 0.05. None weighs all alike and trusts
            them, so that probabilities come out as frequent as they say.
    """

    output_channels = 4
    target_channels = 1

    def __init__(self, head: HeadSpec, class_counts: np.ndarray | None = None) -> None:
        self.head = head
        counts = np.ones(4) if class_counts is None else np.maximum(class_counts, 1.0)
        weights = np.sqrt(counts.sum() / counts)
        # A class of a handful of voxels must not drown the others.
        weights = np.minimum(weights / weights.min(), 5.0)
        self._smoothing = 0.0 if class_counts is None else 0.05
        self._weights = torch.tensor(weights / weights.mean(), dtype=torch.float32)

    def target(self, label: np.ndarray) -> np.ndarray:
        """(1, X, Y, Z) number of fibre populations."""
        return np.minimum(label, 3)[None].astype(np.float32)

    def move(self, target: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
        """Counts hold no directions."""
        return target

    def loss(self, output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Cross entropy in the mask."""
        weights = self._weights.to(output.device, output.dtype)
        return masked_cross_entropy(output, target[:, 0].long(), mask, weights, label_smoothing=self._smoothing)

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Probability of every count."""
        return torch.softmax(output, dim=1)

    def answer(self, average: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(X, Y, Z) uint8 most probable count, 0 outside the mask."""
        return (average.argmax(axis=0) * mask).astype(np.uint8)

    def score(self, answer: np.ndarray, label: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        """Macro-F1 over the counts (the score) and F1 of "two or more"."""
        metrics = crossing_metrics(answer, label, mask)
        return {"score": metrics["macro_f1"], "crossing F1": metrics["crossing_f1"]}
