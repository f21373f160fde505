"""What happens around the steps: progress, stopping, checkpoints, the best model."""

import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from safetensors.torch import load_file, save_file

from ..files import atomic_path
from ..jobs.folder import JobFolder
from ..progress import Progress

_SECONDS_BETWEEN_EVENTS = 2.0


class KeepBest(L.Callback):
    """Keeps the weights with the highest validation score, the starting ones included.

    Args:
        folder: where ``best.safetensors`` goes.
        patience: validations without a better score after which training ends.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        self.path = folder / "best.safetensors"
        self.score = -float("inf")
        self.metrics: dict[str, float] = {}
        self.step = 0
        self.start_score: float | None = None
        self.validated_step = -1
        self._waited = 0
        self._patience = patience

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare and keep."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if "loss" not in name}
        self.validated_step = trainer.global_step
        if self.start_score is None:
            self.start_score = metrics["score"]
        if metrics["score"] > self.score:
            self.score, self.metrics, self.step, self._waited = metrics["score"], metrics, trainer.global_step, 0
            self.keep(pl_module.model.state_dict())
            return
        self._waited += 1
        if self._waited >= self._patience:
            trainer.should_stop = True

    def keep(self, weights: dict[str, torch.Tensor]) -> None:
        """Write weights as the best ones."""
        with atomic_path(self.path) as temporary:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, temporary)

    def weights(self) -> dict[str, torch.Tensor]:
        """The best weights."""
        return load_file(self.path)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        return {
            "score": self.score,
            "metrics": self.metrics,
            "step": self.step,
            "start_score": self.start_score,
            "waited": self._waited,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.score, self.metrics = state_dict["score"], state_dict["metrics"]
        self.step, self._waited = state_dict["step"], state_dict["waited"]
        self.start_score = state_dict["start_score"]


class TellJob(L.Callback):
    """Writes events to the job folder, passes on requests to stop, and writes a checkpoint each interval."""

    def __init__(self, job: JobFolder, progress: Progress, steps: int) -> None:
        self._job = job
        self._progress = progress
        self._steps = steps
        self._begun = self._told = time.monotonic()
        self._first_step = 0

    @property
    def checkpoint(self) -> Path:
        """Where the state of training is kept."""
        return self._job.checkpoints / "last.ckpt"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._begun, self._first_step = time.monotonic(), trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Tell how far it is; stop where asked to."""
        if self._job.stop_requested():
            trainer.should_stop = True
        now = time.monotonic()
        fraction = trainer.global_step / self._steps
        loss = float(trainer.callback_metrics["loss"])
        self._progress(f"step {trainer.global_step} of {self._steps}, loss {loss:.3f}", fraction)
        if now - self._told >= _SECONDS_BETWEEN_EVENTS:
            self._told = now
            done = max(1, trainer.global_step - self._first_step)
            left = (now - self._begun) / done * (self._steps - trainer.global_step)
            self._job.append(
                "progress", step=trainer.global_step, fraction=fraction, seconds_left=round(left), loss=loss
            )

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what was measured."""
        for name, value in trainer.callback_metrics.items():
            self._job.append("metric", step=trainer.global_step, name=name, value=float(value))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep all that is needed to go on from here."""
        with atomic_path(self.checkpoint) as temporary:
            trainer.save_checkpoint(temporary)
