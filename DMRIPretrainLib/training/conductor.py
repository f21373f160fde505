"""Leads a run from step to step: tells how it goes, measures, keeps its state, and ends it where it should end."""

import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch

from ..errors import UserError
from ..jobs.folder import JobFolder
from ..jobs.session import StoppedError
from ..progress import Progress
from .best import Best
from .checkpoints import checkpoint_path

_SECONDS_BETWEEN_EVENTS = 2.0
#: Lightning takes these signals for itself, and would end the process without a result.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]


class Conductor(L.Callback):
    """Leads a run.

    After every interval, and after the last step, it tells the mean losses, measures if there is something to measure,
    and writes a checkpoint. A request to stop is met after the step that is under way: the state is kept and
    ``StoppedError`` ends the run. A run that goes on from a checkpoint does what an unbroken one would do.

    Args:
        job: whom to tell, and who may ask to stop.
        progress: told after every step.
        steps: optimiser steps after which training ends.
        interval: steps between checkpoints.
        measure: returns metrics of the model as it is, or raises ``StoppedError``; None where nothing is measured.
        best: what to keep of that.
        on_better: told where the model is the best so far.
    """

    def __init__(
        self,
        job: JobFolder,
        progress: Progress,
        steps: int,
        interval: int,
        measure: Callable[[], dict[str, float]] | None = None,
        best: Best | None = None,
        on_better: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._job = job
        self._progress = progress
        self._steps = steps
        self._interval = interval
        self._measure = measure
        self._on_better = on_better
        self.best = best or Best(steps)
        self.step = 0
        self.losses: dict[str, float] = {}
        self._measured = -1
        self._sums: dict[str, float] = {}
        self._waiting = self._working = 0.0
        self._clock = self._begun = self._told = time.monotonic()
        self._first_step = 0
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        return {
            "step": self.step,
            "measured": self._measured,
            "losses": self.losses,
            "sums": self._sums,
            "best": self.best.state_dict(),
            "random": random,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.step, self._measured = state_dict["step"], state_dict["measured"]
        self.losses, self._sums = state_dict["losses"], state_dict["sums"]
        self.best.load_state_dict(state_dict["best"])
        torch.set_rng_state(state_dict["random"]["cpu"].cpu())
        if len(state_dict["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in state_dict["random"]["cuda"]])

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """The number of the step alone says where in the data a run is; Lightning's own loops would count epochs."""
        checkpoint["global_step"] = self.step
        del checkpoint["loops"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure what is due, and start the clock."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        # The starting model, or one whose measurement was cut short.
        if self.step % self._interval == 0 or self.step >= self._steps:
            self._take_measure(trainer, pl_module)
        if self.best.is_enough:
            trainer.should_stop = True
        self._clock = self._begun = self._told = time.monotonic()
        self._first_step = self.step

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """The data is there."""
        now = time.monotonic()
        self._waiting += now - self._clock
        self._clock = now

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Tell, and where an interval ends measure and keep; end where asked to.

        Raises:
            UserError: if the loss is not finite and nothing could be saved of the run.
            StoppedError: if somebody asked to stop; the state is kept.
        """
        self.step += 1
        losses = {name: float(value) for name, value in pl_module.losses.items()}
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()  # else the wait for the step would count as one for data
        now = time.monotonic()
        self._working += now - self._clock
        self._add(losses)
        self._tell(losses["loss"], now)
        if self.step % self._interval == 0 or self.step >= self._steps:
            self._end_interval(trainer, pl_module)
        elif self._is_asked_to_stop(trainer):
            self._keep(trainer)
            raise StoppedError
        self._clock = time.monotonic()

    def _add(self, losses: dict[str, float]) -> None:
        if self._measure is None and not math.isfinite(losses["loss"]):
            raise UserError(
                f"loss at step {self.step}: expected a finite number, found {losses['loss']}; compute with "
                "float32, or take another --seed"
            )
        for name, value in (losses | {"steps": 1.0}).items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def _tell(self, loss: float, now: float) -> None:
        fraction = self.step / self._steps
        self._progress(f"step {self.step} of {self._steps}, loss {loss:.3f}", fraction)
        if now - self._told < _SECONDS_BETWEEN_EVENTS:
            return
        self._told = now
        left = (now - self._begun) / max(1, self.step - self._first_step) * (self._steps - self.step)
        memory = {}
        if torch.cuda.is_available():
            memory = {"gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6)}
        what = f"step {self.step} of {self._steps}"
        self._job.append(
            "progress", what=what, step=self.step, fraction=fraction, seconds_left=round(left), loss=loss, **memory
        )

    def _end_interval(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        steps = self._sums.pop("steps")
        waiting = self._waiting / max(self._waiting + self._working, 1e-9)
        means = {name: value / steps for name, value in self._sums.items()}
        self.losses = {**means, "share of time waiting for data": round(waiting, 4)}
        self._sums, self._waiting, self._working = {}, 0.0, 0.0
        for name, value in self.losses.items():
            self._job.append("metric", step=self.step, name=name, value=value)
        if self._measure is not None and self._is_asked_to_stop(trainer):
            self._keep(trainer)  # to be measured when it goes on
            raise StoppedError
        self._take_measure(trainer, pl_module)
        if self.best.is_enough:
            trainer.should_stop = True
        self._keep(trainer)
        if self.step < self._steps and not trainer.should_stop and self._is_asked_to_stop(trainer):
            raise StoppedError

    def _take_measure(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._measure is None or self._measured == self.step:
            return
        what = "measuring the starting model" if self.step == 0 else f"measuring after step {self.step}"
        self._progress(what, self.step / self._steps)
        self._job.append("progress", what=what, step=self.step, fraction=self.step / self._steps)
        metrics = self._measure()
        self._measured = self.step
        for name, value in metrics.items():
            self._job.append("metric", step=self.step, name=name, value=value)
        if self.best.offer(self.step, metrics, pl_module.model.state_dict()):
            self._job.append("best", step=self.step, score=self.best.score)
            self._on_better(self.step)

    def _keep(self, trainer: L.Trainer) -> None:
        # On several devices all processes take part and the first one writes.
        trainer.save_checkpoint(checkpoint_path(self._job), weights_only=False)

    def _is_asked_to_stop(self, trainer: L.Trainer) -> bool:
        asked = self._job.stop_requested()
        # Of several processes one may have looked a moment before the others.
        return trainer.strategy.reduce_boolean_decision(asked, all=False) if trainer.world_size > 1 else asked
