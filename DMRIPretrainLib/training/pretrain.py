"""Pretraining: from unlabelled scans, or simulation, to a model to start from."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import lightning as L
import torch
from torch.utils.data import DataLoader

from ..errors import UserError
from ..files import write_json
from ..jobs.folder import JobFolder
from ..jobs.inputs import remember_inputs
from ..jobs.process import end_with_parent
from ..jobs.session import StoppedError, StopSignals, run_session, told_to
from ..jobs.versions import library_versions
from ..networks.device import choose_device
from ..networks.model import DiffusionModel
from ..networks.model_file import ModelCard, build_model, load_model, save_model
from ..pretext.registry import make_recipe
from ..progress import Progress, silent
from ..scans.scan_files import ScanFiles
from .checkpoints import checkpoint_path, read_checkpoint, steps_done
from .conductor import Conductor
from .patches import ConsecutiveSampler
from .pretraining import ExampleDataset, PatchSource, Pretraining
from .session import make_trainer
from .settings import SIMULATED, PretrainSettings

#: With smaller patches the coarsest level has two voxels an edge, where oneDNN's bf16 weight gradients are not finite.
_SMALLEST_BF16_PATCH = 32


def pretrain(
    settings: PretrainSettings, job: JobFolder, progress: Progress = silent, signals: StopSignals | None = None
) -> Path | None:
    """Run, or go on with, a pretraining job.

    On a CPU, a run that was stopped or killed ends with the same weights as one that was not.

    Args:
        settings: what to do.
        job: an existing job folder; with a checkpoint in it the run goes on from there.
        progress: told how far it is.
        signals: those that ask this process to stop.

    Returns:
        The model file ``result/model.safetensors`` in the job folder.

    Raises:
        UserError: if the recipe, the scans or the device cannot be used.
        KeyboardInterrupt: if it was interrupted; the last checkpoint stays.
    """
    return run_session(job, lambda: _train(settings, job, progress), signals=signals)


def _train(settings: PretrainSettings, job: JobFolder, progress: Progress) -> Path:
    job.amend(versions=library_versions())
    device = choose_device(settings.device)
    patch = settings.patch or (64 if device.type == "cuda" else 32)
    if settings.precision == "bf16" and device.type == "cpu" and patch < _SMALLEST_BF16_PATCH:
        raise UserError(
            f"--precision bf16: expected patches of {_SMALLEST_BF16_PATCH} voxels or more on a CPU, found {patch}, "
            "whose gradients overflow there; take float32"
        )

    def pause() -> None:
        if job.stop_requested() and settings.nodes == 1 and settings.devices <= 1:
            raise StoppedError

    L.seed_everything(settings.seed, verbose=False)
    recipe = make_recipe(settings.recipe, settings.network, **settings.options)
    model = build_model(recipe.architecture())
    if settings.start != "scratch":
        _go_on_from(Path(settings.start), model)
    open_source, described = _sources(settings, patch, device, job, told_to(job, progress, pause))
    module = Pretraining(model, recipe, settings.steps)
    conductor = Conductor(job, progress, settings.steps, settings.interval)
    trainer = make_trainer(device, job.path, conductor, settings.precision, settings.devices, settings.nodes)
    stopped = None
    try:
        _fit(trainer, module, conductor, settings, ExampleDataset(open_source, recipe, settings.seed), job)
    except StoppedError as asked:
        stopped = asked
    path = job.result / "model.safetensors"
    if trainer.is_global_zero:
        _finish(path, model, conductor, settings, patch, described, job)
    if stopped:
        raise StoppedError(path) from stopped
    return path


def _fit(
    trainer: L.Trainer,
    module: Pretraining,
    conductor: Conductor,
    settings: PretrainSettings,
    examples: ExampleDataset,
    job: JobFolder,
) -> None:
    """Train from the beginning or from the last checkpoint on."""
    done = steps_done(job)
    if done >= settings.steps and (checkpoint := read_checkpoint(job)):
        module.load_state_dict(checkpoint["state_dict"])
        conductor.load_state_dict(checkpoint["callbacks"][conductor.state_key])
        return
    sampler = ConsecutiveSampler(settings.batch, done, settings.steps, trainer.global_rank, trainer.world_size)
    loader = _loader(settings, examples, sampler, choose_device(settings.device))
    trainer.fit(module, loader, ckpt_path=checkpoint_path(job) if done else None, weights_only=True)


def _finish(
    path: Path,
    model: DiffusionModel,
    conductor: Conductor,
    settings: PretrainSettings,
    patch: int,
    described: list[str],
    job: JobFolder,
) -> None:
    card = ModelCard(
        recipe=settings.recipe,
        training_data=described,
        metrics={name: round(value, 4) for name, value in conductor.losses.items()},
        settings={**settings.to_json(), "patch": patch, "steps_done": conductor.step},
    )
    save_model(path, model, card)
    summary = {"steps": conductor.step, "metrics": conductor.losses}
    write_json(job.result / "metrics.json", summary)
    job.append("result", path="result/model.safetensors", **summary)


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
        # Workers have a core each; what is left is for the network, but no more than it was given (OMP_NUM_THREADS).
        torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - workers)))
    return DataLoader(
        examples,
        batch_size=settings.batch,
        sampler=sampler,
        collate_fn=list,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_begin_worker if workers else None,
    )


def _begin_worker(number: int) -> None:
    """A process that prepares data ends with the one that trains, and leaves requests to stop to that."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _sources(
    settings: PretrainSettings, patch: int, device: torch.device, job: JobFolder, progress: Progress
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
    from ..scans.find_scans import find_scans
    from .scan_source import MixedSource, ScanSource

    files = find_scans(folders)
    remember_inputs(job, _paths_of(files), progress)
    scans = ScanSource(files, patch, where, settings.b0_threshold, progress)
    described = [str(name) for name in scans.names]
    if SIMULATED not in settings.data:
        return partial(_same, scans), described
    mixed = partial(MixedSource, [(scans, 0.5), (simulated(), 0.5)])
    return mixed, [*described, "simulated brains and mosaics"]


def _paths_of(files: Sequence[ScanFiles]) -> list[Path]:
    """All files of the scans that can be used; of the others their reader will tell."""
    paths: list[Path] = []
    for scan in files:
        with suppress(UserError):
            paths += [path for path in scan.paths() if path.is_file()]
    return paths


def _same(source: PatchSource) -> PatchSource:
    """A source that is there already; a function of its own because spawned workers are sent it."""
    return source
