"""Pretraining: from unlabelled scans, or simulation, to a model to start from."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from ..errors import UserError
from ..files import write_json
from ..jobs.folder import JobFolder
from ..networks.device import choose_device
from ..networks.model import DiffusionModel
from ..networks.model_file import ModelCard, build_model, load_model, save_model
from ..pretext.registry import make_recipe
from ..progress import Progress, silent
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from .callbacks import TellJob, TellLosses
from .patches import ConsecutiveSampler
from .pretraining import ExampleDataset, PatchSource, Pretraining
from .session import on_device, reported

#: In place of a folder of scans: simulate them.
SIMULATED = "simulated"
#: With smaller patches the coarsest level has two voxels an edge, where oneDNN's bf16 weight gradients are not finite.
_SMALLEST_BF16_PATCH = 32


@dataclass(frozen=True)
class PretrainSettings:
    """All that is needed to repeat a pretraining run.

    Attributes:
        recipe: name of a recipe, see ``pretext.registry``.
        data: folders, lists or scans; ``simulated`` for simulated scans. Of several sorts each is as likely.
        options: of the recipe, such as ``strength`` of ``distortion``.
        start: model file to go on from, or ``scratch``.
        network: ``tiny``, ``base`` or ``bvm``.
        steps: optimiser steps.
        interval: steps between checkpoints.
        batch: patches a step, on each device.
        patch: edge of a patch in voxels; 0 chooses 32 on a CPU and 64 on a GPU.
        seed: of the weights and the examples.
        device: ``auto``, ``cpu``, ``cuda`` (all of them), ``cuda:1``...
        precision: ``auto`` (bf16 on a GPU, else float32), ``float32`` or ``bf16``.
        workers: processes that make examples on a CPU; on a GPU examples are made there.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
    """

    recipe: str
    data: tuple[str, ...]
    options: dict[str, Any]
    start: str = "scratch"
    network: str = "tiny"
    steps: int = 10_000
    interval: int = 200
    batch: int = 2
    patch: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return {"kind": "pretrain", **asdict(self)}

    @staticmethod
    def from_json(content: dict[str, Any]) -> "PretrainSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of a pretraining job.
        """
        try:
            values = {name: value for name, value in content.items() if name != "kind"}
            return PretrainSettings(**values | {"data": tuple(values["data"])})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"job.json: expected the settings of a pretraining job, found others ({error})") from error


def pretrain(settings: PretrainSettings, job: JobFolder, progress: Progress = silent) -> Path:
    """Run, or go on with, a pretraining job.

    On a CPU, a run that was stopped or killed ends with the same weights as one that was not.

    Args:
        settings: what to do.
        job: an existing job folder; with a checkpoint in it the run goes on from there.
        progress: told how far it is.

    Returns:
        The model file ``result/model.safetensors`` in the job folder.

    Raises:
        UserError: if the recipe, the scans or the device cannot be used.
        KeyboardInterrupt: if it was interrupted; the last checkpoint stays.
    """
    return reported(job, lambda: _train(settings, job, progress))


def _train(settings: PretrainSettings, job: JobFolder, progress: Progress) -> Path:
    device = choose_device(settings.device)
    patch = settings.patch or (64 if device.type == "cuda" else 32)
    if settings.precision == "bf16" and device.type == "cpu" and patch < _SMALLEST_BF16_PATCH:
        raise UserError(
            f"--precision bf16: expected patches of {_SMALLEST_BF16_PATCH} voxels or more on a CPU, found {patch}, "
            "whose gradients overflow there; take float32"
        )
    L.seed_everything(settings.seed, verbose=False)
    recipe = make_recipe(settings.recipe, settings.network, **settings.options)
    model = build_model(recipe.architecture())
    if settings.start != "scratch":
        _go_on_from(Path(settings.start), model)
    open_source, described = _sources(settings, patch, device, progress)
    module = Pretraining(model, recipe, settings.steps)
    teller = TellJob(job, progress, settings.steps, settings.interval)
    losses = TellLosses(job)
    trainer = L.Trainer(
        **on_device(device, settings.precision, several=True),
        # An epoch is an interval. With ``max_steps`` Lightning would lose an epoch when it resumes.
        max_epochs=-(-settings.steps // settings.interval),
        gradient_clip_val=1.0,
        callbacks=[losses, teller],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=job.path,
    )
    resume = teller.checkpoint if teller.checkpoint.is_file() else None
    # Lightning tells the interval only after workers have begun with its first examples.
    steps_done = torch.load(resume, weights_only=True, mmap=True)["global_step"] if resume else 0
    sampler = ConsecutiveSampler(settings.interval * settings.batch, first=steps_done // settings.interval)
    loader = _loader(settings, ExampleDataset(open_source, recipe, settings.seed), sampler, device)
    trainer.fit(module, loader, ckpt_path=resume, weights_only=True)
    card = ModelCard(
        recipe=settings.recipe,
        training_data=described,
        metrics={name: round(value, 4) for name, value in losses.latest.items()},
        settings={**settings.to_json(), "patch": patch, "steps_done": trainer.global_step},
    )
    path = job.result / "model.safetensors"
    if not trainer.is_global_zero:
        return path
    save_model(path, model, card)
    summary = {"steps": trainer.global_step, "metrics": losses.latest}
    write_json(job.result / "metrics.json", summary)
    job.append("result", path="result/model.safetensors", **summary)
    return path


def _go_on_from(path: Path, model: DiffusionModel) -> None:
    """Give a model the weights of another one, as far as that has them.

    Raises:
        UserError: if the other model is of another network.
    """
    start, _ = load_model(path)
    wanted, found = model.architecture, start.architecture
    if (found.network, found.skips) != (wanted.network, wanted.skips):
        raise UserError(
            f"{path}: expected a {wanted.network} network {'with' if wanted.skips else 'without'} skips, found "
            f"{found.network} {'with' if found.skips else 'without'}; choose --network {found.network} or another model"
        )
    fresh, weights = model.state_dict(), start.state_dict()
    known = {name for name, value in fresh.items() if name in weights and weights[name].shape == value.shape}
    model.load_state_dict({name: weights[name] if name in known else value for name, value in fresh.items()})


def _loader(
    settings: PretrainSettings, examples: ExampleDataset, sampler: ConsecutiveSampler, device: torch.device
) -> DataLoader:
    workers = settings.workers if device.type == "cpu" else 0
    if device.type == "cpu":
        # Workers have a core each; what is left is for the network.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - workers))
    return DataLoader(
        examples,
        batch_size=settings.batch,
        sampler=sampler,
        collate_fn=list,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )


def _sources(
    settings: PretrainSettings, patch: int, device: torch.device, progress: Progress
) -> tuple[Callable[[], PatchSource], list[str]]:
    """What makes the source of patches, and a line for each part of it."""
    from .simulated_source import SimulatedSource

    where = device if device.type == "cuda" else torch.device("cpu")
    folders = [entry for entry in settings.data if entry != SIMULATED]
    if not settings.data:
        raise UserError("--data: expected folders with scans or simulated, found nothing; name at least one")
    simulated = partial(SimulatedSource, patch, None, where)
    if not folders:
        return simulated, ["simulated brains and mosaics"]
    if settings.options.get("only"):
        raise UserError("--only: expected --data simulated alone, whose truth is known, found scans; leave them out")
    if settings.recipe == SIMULATED and SIMULATED not in settings.data:
        raise UserError("recipe simulated: expected --data simulated, alone or beside scans, found scans alone; add it")
    from .scan_source import MixedSource, ScanSource
    from .unlabelled import find_scans

    files = find_scans(folders)
    scans = ScanSource(files, patch, where, settings.b0_threshold, progress)
    described = [str(name) for name in scans.names]
    if SIMULATED not in settings.data:
        return partial(_same, scans), described
    mixed = partial(MixedSource, [(scans, 0.5), (simulated(), 0.5)])
    return mixed, [*described, "simulated brains and mosaics"]


def _same(source: PatchSource) -> PatchSource:
    """A source that is there already; a function of its own because spawned workers are sent it."""
    return source
