"""Fine-tuning: from annotated scans and a starting model to a model that is never worse than it."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import UserError
from ..files import write_json, write_nifti
from ..inference.familiarity import limits_of, widened
from ..inference.predictor import Predictor
from ..jobs.folder import JobFolder
from ..networks.device import choose_device
from ..networks.model import HeadSpec
from ..networks.model_file import ModelCard, save_model
from ..progress import Progress, silent
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD, MINIMUM_DIRECTIONS
from ..tasks.registry import default_head, make_task
from ..tasks.segmentation import custom_head
from ..tasks.task import Task
from .augmentation import Augmentation
from .callbacks import KeepBest, TellJob
from .cases import CaseFiles, find_cases, split_cases
from .fine_tuning import FineTuning, score_case
from .loaded_case import LoadedCase, hold_out_slab, load_case
from .patches import ConsecutiveSampler, PatchDataset
from .session import on_device, reported
from .starting_model import SCRATCH, Start, blend, open_start

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
        start: model file to start from, name of a shipped model, or ``scratch``; see ``choose_start``.
        start_sha256: checksum of its file; None where it does not matter.
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
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    cases: str
    tasks: tuple[str, ...]
    labels: str | None = None
    start: str = SCRATCH
    start_sha256: str | None = None
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
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

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
    return reported(job, lambda: _Run(settings, job, progress).train())


class _Run:
    """One fine-tuning run: the pieces that its stages share."""

    def __init__(self, settings: FinetuneSettings, job: JobFolder, progress: Progress) -> None:
        self.settings, self.job, self.progress = settings, job, progress
        self.device = choose_device(settings.device)
        self.patch = settings.patch or (64 if self.device.type == "cuda" else 32)
        L.seed_everything(settings.seed, verbose=False)
        self.training, self.validation = self._load_cases()
        start = Start(settings.start, settings.network, settings.start_sha256)
        self.start = open_start(start, tuple(self._head(task) for task in settings.tasks))
        self.model = self.start.model
        self.start_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.tasks = {head.task: self._task(head) for head in self.model.architecture.heads}

    def train(self) -> Path:
        """Train, average, and write the best model."""
        settings = self.settings
        module = FineTuning(self.model, self.tasks, self.start.fresh, settings.steps, self.patch)
        best = KeepBest(settings.patience)
        teller = TellJob(self.job, self.progress, settings.steps, settings.interval)
        loader = self._validation_loader()
        trainer = self._trainer([best, teller])
        resume = teller.checkpoint if teller.checkpoint.is_file() else None
        if resume is None:
            self.progress("measuring the starting model", 0.0)
            trainer.validate(module, loader, verbose=False)
        trainer.fit(module, self._training_loader(), loader, ckpt_path=resume, weights_only=True)
        average = settings.start != SCRATCH and not self.job.stop_requested()
        return self._finish(best, self._average(best) if average else best.weights)

    def _trainer(self, callbacks: list[L.Callback]) -> L.Trainer:
        settings = self.settings
        return L.Trainer(
            **on_device(self.device),
            # An epoch is an interval. With ``max_steps`` Lightning would lose an epoch when it resumes.
            max_epochs=-(-settings.steps // settings.interval),
            gradient_clip_val=1.0,
            callbacks=callbacks,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=self.job.path,
        )

    def _find_cases(self) -> list[CaseFiles]:
        settings = self.settings
        labels = Path(settings.labels) if settings.labels else None
        files = find_cases(Path(settings.cases), settings.tasks, labels)
        own: dict[str, Any] = {
            name: Path(path) for name in ("mask", "bval", "bvec") if (path := getattr(settings, name))
        }
        if own and (len(files) > 1 or Path(settings.cases).suffix.lower() == ".csv"):
            raise UserError(
                f"{settings.cases}: expected a single scan with --{', --'.join(own)}, found a study; name these files "
                "in the columns of a table"
            )
        return [replace(case, **own) for case in files]

    def _load_cases(self) -> tuple[list[LoadedCase], list[LoadedCase]]:
        settings = self.settings
        files = self._find_cases()
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
            weights = blend(self.start_weights, tuned, share, self.start.fresh)
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
            recipe=SCRATCH if settings.start == SCRATCH else f"fine-tuned from {Path(settings.start).name}",
            training_data=[case.name for case in self.training],
            metrics={f"validation {name}": round(value, 4) for name, value in best.metrics.items()},
            settings={**settings.to_json(), "patch": self.patch, "best_step": best.step},
            limits=self._limits(),
        )
        path = self.job.result / "model.safetensors"
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


def mean_metrics(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the cases that have it: a label may be missing from some."""
    names = dict.fromkeys(name for score in scores for name in score)
    return {name: float(np.mean([score[name] for score in scores if name in score])) for name in names}


def _only(items: list[LoadedCase]) -> LoadedCase:
    return items[0]
