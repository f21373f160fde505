"""Steps and predictions of a run on random numbers of the right size, to learn what the real ones will cost."""

import time
from dataclasses import dataclass

import torch

from ..networks.model import DiffusionModel
from ..networks.voxels import learned_voxels
from ..qspace.features import QSpaceFeatures, QSpaceProjection
from ..scans.gradient_table import GradientTable
from ..tasks.task import Task
from .task_losses import task_losses

#: Noise of the signal that is made up, relative to b0.
_NOISE = 0.05


@dataclass(frozen=True)
class RandomPatch:
    """Signal and targets as large as those of a patch.

    Attributes:
        signal: (N, P, P, P) signal of all volumes.
        region: (P, P, P) ones.
        targets: (T, P, P, P) target of each task.
    """

    signal: torch.Tensor
    region: torch.Tensor
    targets: dict[str, torch.Tensor]


class Rehearsal:
    """A run that learns nothing of use.

    Args:
        model: the model; its weights change.
        tasks: what is learned, by name.
        table: gradient table of the scans, in any frame.
        patch: edge of a patch in voxels.
        batch: patches a step.
        device: where to compute.
    """

    def __init__(
        self,
        model: DiffusionModel,
        tasks: dict[str, Task],
        table: GradientTable,
        patch: int,
        batch: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._model = model.to(self._device)
        self._tasks = tasks
        self._projection = QSpaceProjection(table, _NOISE)
        self._patch = patch
        self._batch = batch
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step(self) -> float:
        """One optimiser step; the seconds that it took."""
        batch = [self._random_patch() for _ in range(self._batch)]
        self._model.train()
        size = self._patch**3
        voxels = torch.randint(size, (self._batch, learned_voxels(size))).to(self._device)
        start = time.perf_counter()
        features = QSpaceFeatures.stack([self._features(patch) for patch in batch])
        targets = {n: torch.stack([patch.targets[n] for patch in batch]).to(self._device) for n in self._tasks}
        with self._precision():
            losses = task_losses(self._model, self._tasks, features, targets, voxels)
        total = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._wait()
        return time.perf_counter() - start

    @torch.inference_mode()
    def window(self) -> tuple[float, float]:
        """The seconds that it takes to predict one window, and to make maps of it and score them."""
        patch = self._random_patch()
        self._model.eval()
        start = time.perf_counter()
        with self._precision():
            outputs = self._model(self._features(patch))
        found = {name: task.probabilities(outputs[name].float()).cpu() for name, task in self._tasks.items()}
        middle = time.perf_counter()
        mask = patch.region.bool().numpy()
        for name, task in self._tasks.items():
            answer = task.answer(found[name][0].numpy(), mask)
            task.score(answer, answer, mask)
        return middle - start, time.perf_counter() - middle

    def _features(self, patch: RandomPatch) -> QSpaceFeatures:
        mask = patch.region.bool().to(self._device)
        return self._projection(patch.signal.to(self._device), mask, 1.0)

    def _random_patch(self) -> RandomPatch:
        shape = (self._patch,) * 3
        targets = {
            # A task with one target channel asks for a class.
            name: torch.randint(task.output_channels, (1, *shape)).float()
            if task.target_channels == 1
            else 0.1 * torch.randn(task.target_channels, *shape)
            for name, task in self._tasks.items()
        }
        signal = torch.rand(len(self._projection.table), *shape)
        return RandomPatch(signal, torch.ones(shape), targets)

    def _precision(self) -> torch.autocast:
        """Half precision where a run takes it."""
        half = self._device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=half)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
