"""The best weights so far, by the score on validation."""

from typing import Any

import torch

Weights = dict[str, torch.Tensor]


class Best:
    """Keeps the weights with the highest score, the starting ones included.

    Args:
        patience: measurements without a better score after which it is enough.
    """

    def __init__(self, patience: int) -> None:
        self.weights: Weights = {}
        self.score = -float("inf")
        self.metrics: dict[str, float] = {}
        self.step = 0
        self.start_score: float | None = None
        self._waited = 0
        self._patience = patience

    def offer(self, step: int, metrics: dict[str, float], weights: Weights) -> bool:
        """Compare with what was measured before, and keep a copy on the CPU if it is better.

        Args:
            step: optimiser steps that made the weights.
            metrics: what was measured; ``score`` counts.
            weights: of the model.

        Returns:
            Whether it is better than all before.
        """
        if self.start_score is None:
            self.start_score = metrics["score"]
        if metrics["score"] <= self.score:
            self._waited += 1
            return False
        self.score, self.metrics, self.step, self._waited = metrics["score"], metrics, step, 0
        self.weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        return True

    @property
    def is_enough(self) -> bool:
        """Whether it has not become better for too long."""
        return self._waited >= self._patience

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        return {
            "weights": self.weights,
            "score": self.score,
            "metrics": self.metrics,
            "step": self.step,
            "start_score": self.start_score,
            "waited": self._waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.weights = state["weights"]
        self.score, self.metrics = state["score"], state["metrics"]
        self.step, self._waited = state["step"], state["waited"]
        self.start_score = state["start_score"]
