"""The Lightning module that learns tasks from patches and is validated on whole volumes."""

import math
from collections.abc import Set
from typing import Any

import lightning as L
import numpy as np
import torch

from ..inference.predictor import Predictor
from ..networks.model import DiffusionModel
from ..qspace.features import QSpaceFeatures
from ..tasks.task import Task
from .loaded_case import LoadedCase
from .patches import Patch

#: Share of the steps over which the learning rate rises from zero.
WARM_UP = 0.1
#: Peak learning rate of fresh weights, and of weights that were trained before.
FRESH_RATE = 1e-3
TRAINED_RATE = 2e-4


class FineTuning(L.LightningModule):
    """Learns the heads of a model, and the model under them.

    Args:
        model: the starting model.
        tasks: the tasks to learn, by name.
        fresh: names of its random weights, which learn faster than those that were trained before.
        steps: length of the schedule.
        window: edge of the windows of validation.
    """

    def __init__(
        self,
        model: DiffusionModel,
        tasks: dict[str, Task],
        fresh: Set[str],
        steps: int,
        window: int,
    ) -> None:
        super().__init__()
        self.model = model
        self._tasks = tasks
        self._fresh = fresh
        self._steps = steps
        self._window = window

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Patches stay where they are until they are fitted on the device; cases stay on the CPU."""
        return batch

    def training_step(self, batch: list[Patch], batch_idx: int) -> torch.Tensor:
        """Sum of the losses of all tasks."""
        features = QSpaceFeatures.stack([patch.features(self.device) for patch in batch])
        outputs = self.model(features)
        region = torch.stack([patch.region for patch in batch]).to(self.device)
        total = torch.zeros((), device=self.device)
        for name, task in self._tasks.items():
            target = torch.stack([patch.targets[name] for patch in batch]).to(self.device)
            loss = task.loss(outputs[name].float(), target, region)
            self.log(f"loss {name}", loss, batch_size=len(batch))
            total = total + loss
        self.log("loss", total, batch_size=len(batch))
        return total

    def validation_step(self, batch: LoadedCase, batch_idx: int) -> None:
        """Predict the whole volume of one case and score it in its region."""
        metrics = score_case(Predictor(self.model, self._window, self.device), batch, self._tasks)
        self.log_dict(metrics, batch_size=1, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """AdamW; linear warm-up, then a cosine to zero. Fresh weights have a higher rate."""
        parts: dict[float, list[torch.nn.Parameter]] = {TRAINED_RATE: [], FRESH_RATE: []}
        for name, parameter in self.model.named_parameters():
            parts[FRESH_RATE if name in self._fresh else TRAINED_RATE].append(parameter)
        groups = [{"params": parameters, "lr": rate} for rate, parameters in parts.items() if parameters]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _factor(self, step: int) -> float:
        warm_up = max(1, round(WARM_UP * self._steps))
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, self._steps - warm_up))))


def score_case(predictor: Predictor, case: LoadedCase, tasks: dict[str, Task]) -> dict[str, float]:
    """Metrics of every task on one case, in its region; ``score`` is the mean of the tasks' scores."""
    probabilities = predictor.probabilities(case.scan)
    metrics: dict[str, float] = {}
    scores = []
    for name, task in tasks.items():
        answer = task.answer(probabilities[name], case.scan.mask)
        result = task.score(answer, case.labels[name], case.region)
        # A score is undefined where a region holds nothing to score; it must not spoil those of other tasks.
        scores.append(float(np.nan_to_num(result.pop("score"))))
        metrics |= {f"{name} score": scores[-1], **result}
    return {"score": float(np.mean(scores)), **metrics}
