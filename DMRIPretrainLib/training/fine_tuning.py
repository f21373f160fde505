"""The Lightning module that learns tasks from patches."""

from collections.abc import Set
from typing import Any

import lightning as L
import torch

from ..networks.model import DiffusionModel, is_of_head
from ..qspace.features import QSpaceFeatures
from ..tasks.task import Task
from .patches import Patch
from .schedule import warm_up_and_cosine
from .settings import FRESH_RATE, TRAINED_RATE
from .task_losses import task_losses

#: Share of the steps over which the learning rate rises from zero.
WARM_UP = 0.1


class FineTuning(L.LightningModule):
    """Learns the heads of a model, and the model under them.

    Args:
        model: the starting model.
        tasks: the tasks to learn, by name.
        fresh: names of its random weights, which learn as fast as heads do.
        steps: length of the schedule.
        trained_rate: peak learning rate of the other weights, those below the heads that were trained before.
    """

    def __init__(
        self,
        model: DiffusionModel,
        tasks: dict[str, Task],
        fresh: Set[str],
        steps: int,
        trained_rate: float = TRAINED_RATE,
    ) -> None:
        super().__init__()
        self.model = model
        self._tasks = tasks
        self._fresh = fresh
        self._steps = steps
        self._trained_rate = trained_rate
        #: Of the last step.
        self.losses: dict[str, torch.Tensor] = {}

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Patches stay where they are until they are fitted on the device; cases stay on the CPU."""
        return batch

    def training_step(self, batch: list[Patch], batch_idx: int) -> torch.Tensor:
        """Sum of the losses of all tasks."""
        features = QSpaceFeatures.stack([patch.features(self.device) for patch in batch])
        targets = {name: torch.stack([patch.targets[name] for patch in batch]).to(self.device) for name in self._tasks}
        voxels = torch.stack([patch.voxels for patch in batch]).to(self.device)
        losses = task_losses(self.model, self._tasks, features, targets, voxels)
        total = torch.stack(list(losses.values())).sum()
        self.losses = {f"loss {name}": loss.detach() for name, loss in losses.items()} | {"loss": total.detach()}
        return total

    def configure_optimizers(self) -> Any:
        """AdamW; linear warm-up, then a cosine to zero.

        Layers that say more of a task than of scans in general have a higher rate, as in discriminative fine-tuning
        (Howard and Ruder, ACL 2018): those are the heads.
        """
        parts: dict[float, list[torch.nn.Parameter]] = {self._trained_rate: [], FRESH_RATE: []}
        for name, parameter in self.model.named_parameters():
            is_fast = name in self._fresh or is_of_head(name)
            parts[FRESH_RATE if is_fast else self._trained_rate].append(parameter)
        groups = [{"params": parameters, "lr": rate} for rate, parameters in parts.items() if parameters]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
        return warm_up_and_cosine(optimizer, max(1, round(WARM_UP * self._steps)), self._steps)
