"""What happens around the steps: progress, stopping, checkpoints, the best model."""

import math
import signal
import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch

from ..errors import UserError
from ..jobs.folder import JobFolder
from ..progress import Progress

_SECONDS_BETWEEN_EVENTS = 2.0


class KeepBest(L.Callback):
    """Keeps the weights with the highest validation score, the starting ones included, here and in checkpoints.

    Args:
        patience: validations without a better score after which training ends.
    """

    def __init__(self, patience: int) -> None:
        self.weights: dict[str, torch.Tensor] = {}
        self.score = -float("inf")
        self.metrics: dict[str, float] = {}
        self.step = 0
        self.start_score: float | None = None
        self._waited = 0
        self._patience = patience

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare and keep."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if "loss" not in name}
        if self.start_score is None:
            self.start_score = metrics["score"]
        if metrics["score"] > self.score:
            self.score, self.metrics, self.step, self._waited = metrics["score"], metrics, trainer.global_step, 0
            self.weights = {name: value.detach().cpu().clone() for name, value in pl_module.model.state_dict().items()}
            return
        self._waited += 1
        if self._waited >= self._patience:
            trainer.should_stop = True

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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.weights = state_dict["weights"]
        self.score, self.metrics = state_dict["score"], state_dict["metrics"]
        self.step, self._waited = state_dict["step"], state_dict["waited"]
        self.start_score = state_dict["start_score"]


class TellJob(L.Callback):
    """Writes events to the job folder, ends training where it should, and writes a checkpoint each interval.

    Args:
        job: whom to tell, and who may ask to stop.
        progress: told after every step.
        steps: optimiser steps after which training ends.
        interval: steps between checkpoints.
    """

    def __init__(self, job: JobFolder, progress: Progress, steps: int, interval: int) -> None:
        self._job = job
        self._progress = progress
        self._steps = steps
        self._interval = interval
        self._begun = self._told = time.monotonic()
        self._first_step = 0
        self._on_sigterm = signal.getsignal(signal.SIGTERM)

    @property
    def checkpoint(self) -> Path:
        """Where the state of training is kept."""
        return self._job.checkpoints / "last.ckpt"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and take SIGTERM back from Lightning, which would end the process without a result."""
        self._begun, self._first_step = time.monotonic(), trainer.global_step
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Tell how far it is; stop at the end, or where asked to."""
        now = time.monotonic()
        fraction = trainer.global_step / self._steps
        loss = float(trainer.callback_metrics["loss"])  # of this step
        self._progress(f"step {trainer.global_step} of {self._steps}, loss {loss:.3f}", fraction)
        if now - self._told >= _SECONDS_BETWEEN_EVENTS:
            self._told = now
            done = max(1, trainer.global_step - self._first_step)
            left = (now - self._begun) / done * (self._steps - trainer.global_step)
            self._job.append(
                "progress", step=trainer.global_step, fraction=fraction, seconds_left=round(left), loss=loss
            )
        if trainer.global_step >= self._steps or self._job.stop_requested():
            trainer.should_stop = True

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what was measured."""
        for name, value in trainer.callback_metrics.items():
            self._job.append("metric", step=trainer.global_step, name=name, value=float(value))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep all that is needed to go on from here.

        An interval that was stopped half-way is done again from its beginning: Lightning would take it for done.
        """
        if trainer.global_step % self._interval and trainer.global_step < self._steps:
            return
        temporary = self.checkpoint.with_name(f"{self.checkpoint.name}.part")
        trainer.save_checkpoint(temporary)  # on several devices, all of them take part and the first one writes
        if trainer.is_global_zero:
            temporary.replace(self.checkpoint)


class TellLosses(L.Callback):
    """Writes the mean losses of every interval to the job folder, and the share of the time spent waiting for data.

    Args:
        job: whom to tell.
    """

    def __init__(self, job: JobFolder) -> None:
        self._job = job
        self._waiting = self._working = 0.0
        self._clock: float | None = None
        self.latest: dict[str, float] = {}

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A new interval."""
        self._waiting = self._working = 0.0
        self._clock = time.monotonic()

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """The data is there."""
        now = time.monotonic()
        self._waiting += now - (self._clock or now)
        self._clock = now

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """The step is done.

        Raises:
            UserError: if the loss is not finite; nothing that follows would be worth anything.
        """
        loss = float(trainer.callback_metrics["loss"])
        if not math.isfinite(loss):
            raise UserError(
                f"loss at step {trainer.global_step}: expected a finite number, found {loss}; compute with "
                "float32, or take another --seed"
            )
        if torch.cuda.is_available() and trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()  # else the wait for the step would count as one for data
        now = time.monotonic()
        self._working += now - (self._clock or now)
        self._clock = now

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write down the interval."""
        means = {n.removesuffix("_epoch"): float(v) for n, v in trainer.callback_metrics.items() if "_step" not in n}
        waiting = self._waiting / max(self._waiting + self._working, 1e-9)
        self.latest = {**means, "share of time waiting for data": round(waiting, 4)}
        for name, value in self.latest.items():
            self._job.append("metric", step=trainer.global_step, name=name, value=value)
