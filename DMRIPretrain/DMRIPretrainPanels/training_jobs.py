"""What the worker is told: settings of the training panel as specifications of jobs. Without Qt."""

from dataclasses import dataclass
from datetime import datetime

TASKS = ("segmentation", "crossings", "orientation")
SHIPPED, FILE, SCRATCH = "shipped", "file", "scratch"
NETWORKS = ("tiny", "base", "bvm")
PATCHES = (0, 16, 32, 48, 64)
#: Recipes without annotations; ``simulated`` knows the truth of what it simulates.
RECIPES = ("masked", "autoencoder", "restoration", "distortion", "artifact", "simulated")


@dataclass(frozen=True)
class TrainSettings:
    """What is set in the panel.

    Attributes:
        tasks: what to learn.
        start: ``shipped``, a model file, or ``scratch``.
        network: to build where there is no model to start from.
        steps: optimiser steps.
        interval: steps between measurements.
        batch: patches a step.
        patch: edge of a patch in voxels; 0 chooses one.
        patience: measurements without improvement before it ends.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of weights, patches and split.
    """

    tasks: tuple = ("segmentation",)
    start: str = SHIPPED
    network: str = "tiny"
    steps: int = 600
    interval: int = 50
    batch: int = 2
    patch: int = 0
    patience: int = 10
    device: str = "auto"
    seed: int = 0


def finetuneSpecification(settings, table, labelNames=None):
    """Of a fine-tuning job.

    Raises:
        UserError: if the starting model is missing or none.
    """
    from DMRIPretrainLib.training.choose_start import choose_start
    from DMRIPretrainLib.training.settings import FinetuneSettings

    start = choose_start(settings.start, settings.network if settings.start == SCRATCH else None)
    return FinetuneSettings(
        cases=str(table),
        tasks=settings.tasks,
        start=start.name,
        start_sha256=start.sha256,
        network=start.network,
        label_names=labelNames,
        patience=settings.patience,
        **_common(settings),
    ).to_json()


def pretrainSpecification(settings, recipe, folder):
    """Of a pretraining job; without a folder it learns from simulated scans.

    Raises:
        UserError: if the starting model is missing.
    """
    from DMRIPretrainLib.networks.catalogue import find_model
    from DMRIPretrainLib.training.choose_start import choose_start
    from DMRIPretrainLib.training.settings import SIMULATED, PretrainSettings

    start, network = SCRATCH, settings.network
    if settings.start != SCRATCH:
        chosen = choose_start(settings.start)
        start, network = str(find_model(chosen.name).absolute()), chosen.network
    data = (str(folder) if folder else SIMULATED,)
    return PretrainSettings(recipe, data, {}, start=start, network=network, **_common(settings)).to_json()


def labelSpecification(scans, tasks):
    """Of a job that makes reference labels."""
    from DMRIPretrainLib.studies.settings import LabelSettings

    return LabelSettings(tuple(str(scan) for scan in scans), tuple(tasks)).to_json()


def predictSpecification(scan, model, device):
    """Of a job that predicts one scan with one model.

    Raises:
        UserError: if the model is missing.
    """
    from DMRIPretrainLib.networks.catalogue import checksum, find_model
    from DMRIPretrainLib.studies.settings import PredictSettings

    return PredictSettings((str(scan),), (str(model),), (checksum(find_model(str(model))),), device=device).to_json()


def jobFolder(root, name, kind, now=None):
    """A folder for a new job that is not there yet, named by the user or after its kind and the time."""
    stem = "".join(letter if letter.isalnum() or letter in "-_ ." else "_" for letter in name.strip()).strip(". ")
    stem = stem or f"{kind} {(now or datetime.now()):%Y-%m-%d %H-%M-%S}"
    candidates = (root / (stem if number == 1 else f"{stem} {number}") for number in range(1, 10_000))
    return next(path for path in candidates if not path.exists())


def _common(settings):
    return {
        "steps": settings.steps,
        "interval": min(settings.interval, settings.steps),
        "batch": settings.batch,
        "patch": settings.patch,
        "seed": settings.seed,
        "device": settings.device,
    }
