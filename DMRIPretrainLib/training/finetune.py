"""Fine-tuning: from annotated scans and a starting model to a model that is never worse than it."""

import gc
import math
import tempfile
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import UserError
from ..files import write_json
from ..inference.familiarity import limits_of, widened
from ..inference.predictor import Predictor
from ..jobs.failures import failure_of
from ..jobs.folder import JobFolder, is_first_process
from ..jobs.session import StoppedError, StopSignals, run_session, told_to
from ..jobs.versions import library_versions
from ..networks.device import choose_device
from ..networks.model import HeadSpec
from ..networks.model_file import ModelCard, save_model
from ..progress import Progress, silent
from ..scans.gradient_table import MINIMUM_DIRECTIONS
from ..tasks.registry import default_head, make_task
from ..tasks.segmentation import custom_head
from ..tasks.task import Task
from .annotated import load_annotated
from .augmentation import Augmentation
from .best import Best, Weights
from .checkpoints import checkpoint_path, read_checkpoint, steps_done
from .conductor import Conductor
from .dataset_check import DatasetReport, check_dataset, raise_data_errors
from .estimate import RunEstimate, RunSize, estimate_run
from .fine_tuning import FineTuning
from .patches import ConsecutiveSampler, PatchDataset
from .pictures import save_example
from .session import make_trainer
from .settings import FinetuneSettings
from .starting_model import SCRATCH, Start, blend, open_start
from .step_memory import PATCH_STEP
from .validation import Validation

#: Shares of the fine-tuned weights that are tried when averaging them with the starting ones.
_BLENDS = (0.25, 0.5, 0.75)


def finetune(
    settings: FinetuneSettings, job: JobFolder, progress: Progress = silent, signals: StopSignals | None = None
) -> Path | None:
    """Run, or go on with, a fine-tuning job.

    The starting model is measured before the first step and is a candidate for the result; after the last
    step averages of starting and fine-tuned weights are too (Wortsman et al. 2022, "Robust fine-tuning of
    zero-shot models"). The best one on validation is kept.

    Args:
        settings: what to do.
        job: an existing job folder; with a checkpoint in it the run goes on from there.
        progress: told how far it is.
        signals: those that ask this process to stop.

    Returns:
        The model file ``result/model.safetensors`` in the job folder; None where the job was stopped before
        anything was measured.

    Raises:
        UserError: if scans, labels or the starting model cannot be used.
        KeyboardInterrupt: if it was interrupted; the last checkpoint stays.
    """
    return run_session(job, lambda: _Run(settings, job, progress).train(), signals=signals)


def check_data(settings: FinetuneSettings, progress: Progress = silent) -> DatasetReport:
    """All that is wrong with the data of a run; nothing is raised."""
    source = settings.source()
    return check_dataset(
        source.cases,
        source.tasks,
        source.labels,
        label_names=settings.label_names,
        mask=source.mask,
        bval=source.bval,
        bvec=source.bvec,
        b0_threshold=settings.b0_threshold,
        seed=settings.seed,
        progress=progress,
    )


def estimate_finetune(settings: FinetuneSettings, progress: Progress = silent) -> RunEstimate:
    """How much time and memory a run will take on this computer; nothing is learned.

    Args:
        settings: of the run; its data are right, see ``check_data``.
        progress: told how far it is.

    Raises:
        UserError: if scans, labels or the starting model cannot be used, or memory does not suffice.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = JobFolder(Path(folder) / "estimate")
        job.create(settings.to_json())
        return _Run(settings, job, progress, is_checked=True).estimate()


class _Run:
    """One fine-tuning run: the pieces that its stages share."""

    def __init__(
        self, settings: FinetuneSettings, job: JobFolder, progress: Progress, *, is_checked: bool = False
    ) -> None:
        self.settings, self.job = settings, job
        self.progress = told_to(job, progress, self._pause)
        self.rank, self.world = 0 if is_first_process() else 1, 1
        job.amend(versions=library_versions())
        self.device = choose_device(settings.device)
        L.seed_everything(settings.seed, verbose=False)
        if not is_checked and steps_done(job) == 0:
            self._check_data()
        data = load_annotated(settings.source(), settings.seed, settings.b0_threshold, job, self.progress)
        self.training, self.validation = data.training, data.validation
        start = Start(settings.start, settings.network, settings.start_sha256)
        self.start = open_start(start, tuple(self._head(task) for task in settings.tasks))
        self.model = self.start.model
        self.start_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.tasks = {head.task: self._task(head) for head in self.model.architecture.heads}
        self.validator = Validation(self.validation, self.tasks, self._pause)
        fitted = job.description().get("fitted_to_memory") or {}
        self.patch = fitted.get("patch") or settings.patch or (64 if self.device.type == "cuda" else 32)
        self.batch = fitted.get("batch") or settings.batch

    def _check_data(self) -> None:
        """Find out all that is wrong before anything is computed; the job tells it."""
        report = check_data(self.settings, self.progress)
        for finding in report.findings:
            if finding.severity == "warning":
                self.job.append("warning", code=finding.code, message=f"{finding.where} {finding.text}".strip())
        raise_data_errors(report, self.settings.source().cases)

    def train(self) -> Path:
        """Train, average, and write the best model.

        Raises:
            StoppedError: if the job was asked to stop; with the best model so far, if one was measured.
        """
        best = Best(self.settings.patience)
        try:
            if steps_done(self.job) == 0 and self._is_alone:
                self._fit_to_memory()
            while not self._fits(best):
                best = Best(self.settings.patience)
            weights = self._average(best) if self.settings.start != SCRATCH else best.weights
        except StoppedError as stopped:
            raise StoppedError(self._finish(best, best.weights) if best.weights else None) from stopped
        return self._finish(best, weights)

    def estimate(self) -> RunEstimate:
        """How much memory and time it will take, with smaller steps where memory is short."""
        settings = self.settings
        self.progress("estimating memory and time", 0.0)
        size = RunSize(self.patch, self.batch, settings.steps, 1 + -(-settings.steps // settings.interval))
        return estimate_run(self.model, self.tasks, self.training, self.validation, size, self.device)

    def _fit_to_memory(self) -> None:
        """Tell how much memory and time it will take, and take smaller steps where memory is short."""
        estimate = self.estimate()
        self.job.append("estimate", summary=estimate.summary(), **estimate.to_json())
        if estimate.change:
            self._take_smaller_steps(estimate.batch, estimate.patch, estimate.change)

    def _take_smaller_steps(self, batch: int, patch: int, message: str) -> None:
        self.batch, self.patch = batch, patch
        self.job.amend(fitted_to_memory={"batch": batch, "patch": patch})
        self.job.append("warning", code="out-of-memory", message=message)

    def _fits(self, best: Best) -> bool:
        """Train; where memory does not suffice make ready for a smaller step and say False."""
        try:
            self._fit(best)
        except (RuntimeError, MemoryError) as error:
            if failure_of(error).code != "out-of-memory" or not self._make_smaller():
                raise
        else:
            return True
        gc.collect()
        torch.cuda.empty_cache()
        self.model.load_state_dict(self.start_weights)
        return False

    def _make_smaller(self) -> bool:
        batch, patch = self.batch, self.patch
        if batch > 1:
            batch //= 2
        elif patch > PATCH_STEP:
            patch = max(PATCH_STEP, patch // (2 * PATCH_STEP) * PATCH_STEP)
        else:
            return False
        message = f"memory was short: the run goes on with patches of {patch} voxels, {batch} a step"
        self._take_smaller_steps(batch, patch, message)
        return True

    def _fit(self, best: Best) -> None:
        settings = self.settings
        module = FineTuning(self.model, self.tasks, self.start.fresh, settings.steps, settings.trained_rate)
        conductor = Conductor(
            self.job, self.progress, settings.steps, settings.interval, self._measure, best, self._show_example
        )
        done = steps_done(self.job)
        if done >= settings.steps and (checkpoint := read_checkpoint(self.job)):
            conductor.load_state_dict(checkpoint["callbacks"][conductor.state_key])
            return
        trainer = make_trainer(self.device, self.job.path, conductor, devices=settings.devices, nodes=settings.nodes)
        self.rank, self.world = trainer.global_rank, trainer.world_size
        resume = checkpoint_path(self.job) if done else None
        trainer.fit(module, self._loader(done), ckpt_path=resume, weights_only=True)

    def _measure(self) -> dict[str, float]:
        training = self.model.training
        predictor = Predictor(self.model, self.patch, next(self.model.parameters()).device)
        try:
            return self.validator.measure(predictor, self.rank, self.world)
        finally:
            self.model.train(training)

    def _show_example(self, step: int) -> None:
        if self.rank or not self.validator.example:
            return
        path = self.job.pictures / ("start.png" if step == 0 else "best.png")
        heads = list(self.model.architecture.heads)
        title = "the starting model" if step == 0 else f"after {step} steps"
        save_example(path, self.validation[0], self.validator.example, heads, title)
        self.job.append("picture", step=step, path=f"pictures/{path.name}")

    def _pause(self) -> None:
        if self._is_alone and self.job.stop_requested():
            raise StoppedError

    @property
    def _is_alone(self) -> bool:
        """Whether one process trains; several must decide alike."""
        return self.settings.devices * self.settings.nodes == 1

    def _head(self, task: str) -> HeadSpec:
        default = default_head(task)
        if task != "segmentation":
            return default
        values = sorted({int(v) for case in self.training for v in np.unique(case.labels[task])} | {0})
        if tuple(values) == default.values and not self.settings.label_names:
            return default
        if len(values) < 2:
            raise UserError(f"{self.settings.cases}: expected labels other than 0 in the segmentations, found none")
        return custom_head(values, self.settings.label_names)

    def _task(self, head: HeadSpec) -> Task:
        if head.task != "crossings":
            return make_task(head)
        counts = sum(
            np.bincount(np.minimum(case.labels["crossings"][case.region], 3), minlength=4) for case in self.training
        )
        return make_task(head, np.asarray(counts))

    def _loader(self, first_step: int) -> DataLoader:
        patches = PatchDataset(self.training, self.tasks, self.patch, self.settings.seed, Augmentation())
        sampler = ConsecutiveSampler(self.batch, first_step, self.settings.steps, self.rank, self.world)
        return DataLoader(patches, batch_size=self.batch, sampler=sampler, collate_fn=list)

    def _average(self, best: Best) -> Weights:
        """The best fine-tuned weights, or an average of them and the starting ones where that is better."""
        if self.rank:
            return best.weights
        tuned = best.weights
        for number, share in enumerate(_BLENDS):
            self.progress("averaging with the starting weights", number / len(_BLENDS))
            weights = blend(self.start_weights, tuned, share, self.start.fresh)
            self.model.load_state_dict(weights)
            metrics = self.validator.measure(Predictor(self.model, self.patch, self.device))
            self.job.append("metric", name="score of averaged weights", share=share, value=metrics["score"])
            if metrics["score"] > best.score:
                best.score, best.metrics, best.weights = metrics["score"], metrics, weights
        return best.weights

    def _finish(self, best: Best, weights: Weights) -> Path:
        path = self.job.result / "model.safetensors"
        if self.rank:
            return path
        self.model.load_state_dict(weights)
        settings = self.settings
        card = ModelCard(
            recipe=SCRATCH if settings.start == SCRATCH else f"fine-tuned from {Path(settings.start).name}",
            training_data=[case.name for case in self.training],
            metrics={f"validation {name}": round(value, 4) for name, value in best.metrics.items()},
            settings={**settings.to_json(), "patch": self.patch, "best_step": best.step},
            limits=self._limits(),
        )
        save_model(path, self.model, card)
        summary = {"best_step": best.step, "metrics": best.metrics, "starting_score": best.start_score}
        write_json(self.job.result / "metrics.json", summary)
        self.job.append("result", path="result/model.safetensors", **summary)
        return path

    def _limits(self) -> dict[str, Any]:
        """What scans the model has seen, now and before."""
        seen = limits_of(case.scan for case in self.training)
        # Augmentation leaves out directions and shells.
        fewest = math.ceil(Augmentation().fewest_directions * seen["directions"][0])
        seen["directions"][0], seen["shells"][0] = max(MINIMUM_DIRECTIONS, fewest), 1
        return seen if self.settings.start == SCRATCH else widened(self.start.limits, seen)
