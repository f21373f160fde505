"""What the worker is told: settings of the training panel as specifications of jobs. Without Qt."""

import os
from dataclasses import replace
from datetime import datetime

from DMRIPretrainLib.networks.catalogue import find_model
from DMRIPretrainLib.studies.settings import LabelSettings
from DMRIPretrainLib.training.choose_start import SCRATCH, choose_start
from DMRIPretrainLib.training.settings import SIMULATED, PretrainSettings

TASKS = ("segmentation", "crossings", "orientation")
NETWORKS = ("tiny", "base", "bvm")
PATCHES = (0, 16, 32, 48, 64)
#: Recipes without annotations; ``simulated`` knows the truth of what it simulates.
RECIPES = ("masked", "autoencoder", "restoration", "distortion", "artifact", "simulated")

# What is set in the panel is a ``FinetuneSettings`` of the library that names no cases yet; its ``start`` is in the
# words of ``choose_start``, its ``network`` the one to build where there is no model to start from.


def finetuneSpecification(chosen, table, labelNames=None):
    """Of a fine-tuning job on a table of cases.

    Raises:
        UserError: if the starting model is missing or none.
    """
    start = choose_start(chosen.start, chosen.network if chosen.start == SCRATCH else None)
    return replace(
        chosen,
        cases=str(table),
        start=start.name,
        start_sha256=start.sha256,
        network=start.network,
        label_names=labelNames,
        interval=min(chosen.interval, chosen.steps),
    ).to_json()


def dryRunArguments(chosen, table):
    """Of the command that checks the cases and says how long a fine-tuning on them will take."""
    arguments = ["finetune", str(table), "--out", str(table.parent / "job"), "--dry-run", "--json"]
    for task in chosen.tasks:
        arguments += ["--task", task]
    if chosen.start == SCRATCH:
        arguments += ["--network", chosen.network]
    arguments += ["--from", chosen.start, "--device", chosen.device]
    for name in ("steps", "interval", "batch", "patch", "patience", "seed"):
        arguments += [f"--{name}", str(getattr(chosen, name))]
    return arguments


def pretrainSpecification(chosen, recipe, folder):
    """Of a pretraining job; without a folder it learns from simulated scans.

    Raises:
        UserError: if the starting model is missing.
    """
    start, network = SCRATCH, chosen.network
    if chosen.start != SCRATCH:
        found = choose_start(chosen.start)
        start, network = str(find_model(found.name).absolute()), found.network
    return PretrainSettings(
        recipe=recipe,
        data=(str(folder) if folder else SIMULATED,),
        options={},
        start=start,
        network=network,
        steps=chosen.steps,
        interval=min(chosen.interval, chosen.steps),
        batch=chosen.batch,
        patch=chosen.patch,
        seed=chosen.seed,
        device=chosen.device,
    ).to_json()


def labelSpecification(scans, tasks):
    """Of a job that makes reference labels."""
    return LabelSettings(tuple(str(scan) for scan in scans), tuple(tasks)).to_json()


def jobFolder(root, name, kind, now=None):
    """A folder for a new job that is not there yet, named by the user or after its kind and the time."""
    stem = _plain(name) or f"{_plain(kind)} {(now or datetime.now()):%Y-%m-%d %H-%M-%S}"
    candidates = (root / (stem if number == 1 else f"{stem} {number}") for number in range(1, 10_000))
    return next(path for path in candidates if not os.path.exists(path))  # noqa: PTH110 - no error where a folder may not be read


def _plain(name):
    """What a folder may be called on all systems."""
    return "".join(letter if letter.isalnum() or letter in "-_ ." else "_" for letter in name.strip())[:80].strip(". ")
