"""How the learning rate changes over a run."""

import math
from typing import Any

import torch


def warm_up_and_cosine(optimizer: torch.optim.Optimizer, warm_up: int, steps: int) -> dict[str, Any]:
    """A linear rise, then half a cosine to zero, step by step.

    Args:
        optimizer: with the peak rates.
        warm_up: steps of the rise.
        steps: all steps.

    Returns:
        What ``LightningModule.configure_optimizers`` returns.
    """

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
