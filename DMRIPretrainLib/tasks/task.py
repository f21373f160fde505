"""What every task offers to training and prediction."""

from typing import Protocol

import numpy as np
import torch

from ..networks.model import HeadSpec


class Task(Protocol):
    """A question asked of every voxel.

    Labels and answers are arrays in RAS voxel order; those that hold directions are in the grid frame.
    """

    head: HeadSpec

    @property
    def output_channels(self) -> int:
        """Channels C of the raw output."""
        ...

    @property
    def target_channels(self) -> int:
        """Leading axis of a target; 1 for class maps."""
        ...

    def target(self, label: np.ndarray) -> np.ndarray:
        """(target_channels, X, Y, Z) float32 training target of a label map in the grid frame."""
        ...

    def move(self, target: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
        """Turn the directions in a (target_channels, X, Y, Z) target by an orthogonal (3, 3) matrix."""
        ...

    def loss(self, output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Scalar loss of (B, C, X, Y, Z) raw output; voxels where (B, X, Y, Z) mask is 0 do not count."""
        ...

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """What outputs of several windows or direction subsets are averaged as, (B, C, X, Y, Z)."""
        ...

    def answer(self, average: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The map a user gets, in the grid frame, from averaged (C, X, Y, Z) probabilities."""
        ...

    def score(self, answer: np.ndarray, label: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        """Metrics of an answer inside a mask; ``score`` is the one to choose models by, higher is better."""
        ...
