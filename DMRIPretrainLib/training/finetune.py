"""Fine-tuning: from annotated scans and a starting model to a model that is never worse than it."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import UserError
from ..files import write_json, write_nifti
from ..inference.predictor import Predictor
from ..jobs.folder import JobFolder
from ..networks.device import choose_device
from ..networks.model import Architecture, DiffusionModel, HeadSpec
from ..networks.model_file import ModelCard, build_model, load_model, save_model
from ..progress import Progress, silent
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..tasks.registry import default_head, make_task
from ..tasks.segmentation import custom_head
from ..tasks.task import Task
from .augmentation import Augmentation
from .callbacks import KeepBest, TellJob
from .cases import find_cases, split_cases
from .fine_tuning import FineTuning, score_case
from .loaded_case import LoadedCase, hold_out_slab, load_case
from .patches import ConsecutiveSampler, PatchDataset

#: Peak learning rate of fresh weights, and of weights that were trained before.
FRESH_RATE = 1e-3
TRAINED_RATE = 2e-4
#: In the result folder where a single scan was learned from: mask of the part that was held out.
HELD_OUT = "held_out.nii.gz"
#: Shares of the fine-tuned weights that are tried when averaging them with the starting ones.
_BLENDS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class FinetuneSettings:
    """All that is needed to repeat a fine-tuning run.

    Attributes:
        cases: table of cases, BIDS folder or scan.
        tasks: what to learn.
        labels: folder of label maps where ``cases`` is no table.
        start: model file to start from, or ``scratch``.
        network: network to build when starting from scratch.
        steps: optimiser steps.
        interval: steps between validations and checkpoints.
        batch: patches a step.
        patch: edge of a patch in voxels; 0 chooses 32 on a CPU and 64 on a GPU.
        patience: validations without improvement before it stops early.
        seed: of the weights, the patches and the split.
        device: ``auto``, ``cpu``, ``cuda``...
        label_names: name of each segmentation value; empty where they are the tissues or nameless.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
    """

    cases: str
    tasks: tuple[str, ...]
    labels: str | None = None
    start: str = "scratch"
    network: str = "tiny"
    steps: int = 600
    interval: int = 50
    batch: int = 2
    patch: int = 0
    patience: int = 10
    seed: int = 0
    device: str = "auto"
    label_names: dict[int, str] | None = None
    b0_threshold: float = DEFAULT_B0_THRESHOLD

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return {"kind": "finetune", **asdict(self)}

    @staticmethod
    def from_json(content: dict[str, Any]) -> "FinetuneSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of a fine-tuning job.
        """
        try:
            values = {name: value for name, value in content.items() if name != "kind"}
            names = values.get("label_names")
            values["label_names"] = {int(key): str(name) for key, name in names.items()} if names else None
            return FinetuneSettings(**values | {"tasks": tuple(values["tasks"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"job.json: expected the settings of a fine-tuning job, found others ({error})") from error


def finetune(settings: FinetuneSettings, job: JobFolder, progress: Progress = silent) -> Path:
    """Run, or go on with, a fine-tuning job.

    The starting model is measured before the first step and is a candidate for the result; after the last
    step averages of starting and fine-tuned weights are too (Wortsman et al. 2022, "Robust fine-tuning of
    zero-shot models"). The best one on validation is kept.

    Args:
        settings: what to do.
        job: an existing job folder; with a checkpoint in it the run goes on from there.
        progress: told how far it is.

    Returns:
        The model file ``result/model.safetensors`` in the job folder.

    Raises:
        UserError: if scans, labels or the starting model cannot be used.
        KeyboardInterrupt: if it was interrupted; the last checkpoint stays.
    """
    job.append("state", state="running")
    # Lightning sets its own level when it is imported; what it tells is in our events.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        with _log_to(job.log_path):
            path = _Run(settings, job, progress).train()
    except UserError as error:
        job.append("failure", code="input", message=str(error), action="mend the input and start again")
        job.append("state", state="failed")
        raise
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the latter of the former
        job.append("state", state="stopped")
        raise KeyboardInterrupt from None
    except BaseException as error:
        job.append("failure", code="unexpected", message=f"{type(error).__name__}: {error}", action="see log.txt")
        job.append("state", state="failed")
        raise
    job.append("state", state="stopped" if job.stop_requested() else "finished")
    return path


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Append what is logged, warnings included, to a file as well; tracebacks of failures too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    except BaseException:
        with path.open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


class _Run:
    """One fine-tuning run: the pieces that its stages share."""

    def __init__(self, settings: FinetuneSettings, job: JobFolder, progress: Progress) -> None:
        self.settings, self.job, self.progress = settings, job, progress
        self.device = choose_device(settings.device)
        self.patch = settings.patch or (64 if self.device.type == "cuda" else 32)
        L.seed_everything(settings.seed, verbose=False)
        self.training, self.validation = self._load_cases()
        self.model, self.fresh = self._starting_model()
        self.start_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.tasks = {head.task: self._task(head) for head in self.model.architecture.heads}

    def train(self) -> Path:
        """Train, average, and write the best model."""
        settings = self.settings
        scratch = settings.start == "scratch"
        module = FineTuning(
            self.model,
            self.tasks,
            fresh=set() if scratch else self.fresh,
            rate=FRESH_RATE if scratch else TRAINED_RATE,
            fresh_rate=FRESH_RATE,
            steps=settings.steps,
            window=self.patch,
        )
        best = KeepBest(settings.patience)
        teller = TellJob(self.job, self.progress, settings.steps, settings.interval)
        loader = self._validation_loader()
        trainer = self._trainer([best, teller])
        resume = teller.checkpoint if teller.checkpoint.is_file() else None
        if resume is None:
            self.progress("measuring the starting model", 0.0)
            trainer.validate(module, loader, verbose=False)
        trainer.fit(module, self._training_loader(), loader, ckpt_path=resume, weights_only=True)
        average = not scratch and not self.job.stop_requested()
        return self._finish(best, self._average(best) if average else best.weights)

    def _trainer(self, callbacks: list[L.Callback]) -> L.Trainer:
        settings = self.settings
        on_cpu = self.device.type == "cpu"
        return L.Trainer(
            accelerator="gpu" if self.device.type == "cuda" else self.device.type,
            devices=1 if on_cpu or self.device.index is None else [self.device.index],
            precision="bf16-mixed" if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true",
            # An epoch is an interval. With ``max_steps`` Lightning would lose an epoch when it resumes.
            max_epochs=-(-settings.steps // settings.interval),
            gradient_clip_val=1.0,
            deterministic=True if on_cpu else "warn",
            benchmark=False,
            callbacks=callbacks,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=self.job.path,
        )

    def _load_cases(self) -> tuple[list[LoadedCase], list[LoadedCase]]:
        settings = self.settings
        labels = Path(settings.labels) if settings.labels else None
        files = find_cases(Path(settings.cases), settings.tasks, labels)
        training, validation = split_cases(files, settings.seed)
        if not training:
            raise UserError(f"{settings.cases}: expected at least one case for training, found validation cases only")
        loaded = []
        for number, case in enumerate(files):
            self.progress(f"reading {case.name}", number / len(files))
            loaded.append(load_case(case, settings.tasks, settings.b0_threshold))
        if training is not validation:
            sides = ([n for n, case in enumerate(files) if case in side] for side in (training, validation))
            first, second = ([loaded[n] for n in side] for side in sides)
            return first, second
        self.job.append("warning", message="a single subject: the middle quarter of the brain is held out to validate")
        slabs = [hold_out_slab(case.region) for case in loaded]
        if len(loaded) == 1:
            orientation = loaded[0].scan.orientation
            slab = orientation.undo(slabs[0]).astype(np.uint8)
            write_nifti(self.job.result / HELD_OUT, slab, orientation.original_affine)
        kept = [replace(case, region=case.region & ~slab) for case, slab in zip(loaded, slabs, strict=True)]
        if not all(case.region.any() for case in kept):
            raise UserError(
                f"{settings.cases}: expected a brain from which a quarter can be held out to validate, found a mask of "
                "next to no voxels; give another mask"
            )
        return kept, [replace(case, region=slab) for case, slab in zip(loaded, slabs, strict=True)]

    def _starting_model(self) -> tuple[DiffusionModel, set[str]]:
        """The model to train, and the names of its heads that have fresh weights."""
        wanted = tuple(self._head(task) for task in self.settings.tasks)
        if self.settings.start == "scratch":
            model = build_model(Architecture(self.settings.network, wanted))
            return model, set(self.settings.tasks)
        start, _ = load_model(Path(self.settings.start))
        known = {head.task: head for head in start.architecture.heads}
        # The same label values mean the same question: its head, with its names, is kept.
        heads = tuple(known[h.task] if h.task in known and known[h.task].values == h.values else h for h in wanted)
        model = build_model(replace(start.architecture, heads=heads))
        fresh = {head.task for head in heads if known.get(head.task) != head}
        weights = start.state_dict()
        for task in fresh:
            weights = {name: value for name, value in weights.items() if not name.startswith(f"heads.{task}.")}
        model.load_state_dict({name: weights.get(name, value) for name, value in model.state_dict().items()})
        return model, fresh

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

    def _training_loader(self) -> DataLoader:
        augmentation = Augmentation()
        patches = PatchDataset(self.training, self.tasks, self.patch, self.settings.seed, augmentation)
        sampler = ConsecutiveSampler(self.settings.interval * self.settings.batch)
        return DataLoader(patches, batch_size=self.settings.batch, sampler=sampler, collate_fn=list)

    def _validation_loader(self) -> DataLoader:
        return DataLoader(self.validation, batch_size=1, collate_fn=_only)  # type: ignore[arg-type]

    def _average(self, best: KeepBest) -> dict[str, torch.Tensor]:
        """The best fine-tuned weights, or an average of them and the starting ones where that is better."""
        tuned = chosen = best.weights
        for share in _BLENDS:
            weights = blend(self.start_weights, tuned, share, self.fresh)
            self.model.load_state_dict(weights)
            predictor = Predictor(self.model, self.patch, self.device)
            metrics = mean_metrics([score_case(predictor, case, self.tasks) for case in self.validation])
            self.job.append("metric", name="score of averaged weights", share=share, value=metrics["score"])
            if metrics["score"] > best.score:
                best.score, best.metrics, chosen = metrics["score"], metrics, weights
        return chosen

    def _finish(self, best: KeepBest, weights: dict[str, torch.Tensor]) -> Path:
        self.model.load_state_dict(weights)
        settings = self.settings
        card = ModelCard(
            recipe="scratch" if settings.start == "scratch" else f"fine-tuned from {Path(settings.start).name}",
            training_data=[case.name for case in self.training],
            metrics={f"validation {name}": round(value, 4) for name, value in best.metrics.items()},
            settings={**settings.to_json(), "patch": self.patch, "best_step": best.step},
        )
        path = self.job.result / "model.safetensors"
        save_model(path, self.model, card)
        summary = {"best_step": best.step, "metrics": best.metrics, "starting_score": best.start_score}
        write_json(self.job.result / "metrics.json", summary)
        self.job.append("result", path="result/model.safetensors", **summary)
        return path


def blend(
    start: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor], share: float, fresh: set[str]
) -> dict[str, torch.Tensor]:
    """Weights between the starting ones (share 0) and the fine-tuned ones (share 1); fresh heads stay tuned."""
    prefixes = tuple(f"heads.{task}." for task in fresh)
    keep: Callable[[str], bool] = lambda name: bool(prefixes) and name.startswith(prefixes)  # noqa: E731
    return {name: tuned[name] if keep(name) else torch.lerp(start[name], tuned[name], share) for name in start}


def mean_metrics(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the cases that have it: a label may be missing from some."""
    names = dict.fromkeys(name for score in scores for name in score)
    return {name: float(np.mean([score[name] for score in scores if name in score])) for name in names}


def _only(items: list[LoadedCase]) -> LoadedCase:
    return items[0]
