"""Works through the benchmark of recipes, together with whoever else does; what is done is never done again.

The folder of a benchmark:

``plan.json``
    What is compared.
``sites/``
    Simulated scans, one BIDS folder a set.
``cases/``
    Tables of the labelled scans, which runs of all starts share.
``pretrained/``, ``runs/``
    A job folder for each pretraining and each fine-tuning. ``outcome.json`` beside the job says what came of it.

A piece of work is claimed by a lock that the system lets go of however its owner ends.
"""

import csv
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import atomic_path, write_json
from ..inference.loaded_model import load_models
from ..jobs.curves import Curves
from ..jobs.folder import JobFolder, read_json
from ..jobs.kinds import run_kind
from ..jobs.listing import clean_up
from ..jobs.lock import locked
from ..progress import Progress, silent
from ..tasks.registry import TASKS
from ..training.choose_start import SCRATCH, SHIPPED, choose_start
from ..training.settings import FRESH_RATE, SIMULATED, TRAINED_RATE, FinetuneSettings, PretrainSettings
from .domains import FINE_TUNING, FIRST_SEEDS, PRETRAINING, protocols, simulate_site
from .measure import KnownScan, load_test_scans, measure
from .plan import Plan, Run

OUTCOME = "outcome.json"
_PLAN = "plan.json"


def found_plan(folder: Path) -> Plan | None:
    """The plan of the benchmark in a folder; None where there is none.

    Raises:
        UserError: if it cannot be read.
    """
    path = folder / _PLAN
    return Plan.from_json(read_json(path, "the plan of a benchmark")) if path.is_file() else None


class RecipeBenchmark:
    """The benchmark in a folder.

    Args:
        plan: what to compare.
        folder: where to work; what was begun there is gone on with.

    Raises:
        UserError: if the folder holds another benchmark, or cannot be written.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, Path(folder).absolute()
        self._test: list[KnownScan] | None = None
        self._protocols: dict[str, list[KnownScan]] = {}
        found = found_plan(self.folder)
        if found is None:
            write_json(self.folder / _PLAN, plan.to_json())
        elif found != plan:
            changed = [name for name, value in found.to_json().items() if value != plan.to_json()[name]]
            raise UserError(
                f"{self.folder / _PLAN}: expected the plan of this benchmark, found other {', '.join(changed)}; choose "
                "another --out"
            )

    def run(self, progress: Progress = silent) -> int:
        """Do what nobody has done or is doing.

        Args:
            progress: told how far it is.

        Returns:
            How many runs are left to others, who are at them.

        Raises:
            UserError: if scans cannot be simulated, or nothing can be written.
        """
        for name in FIRST_SEEDS:
            self._site(name, progress)
        runs = list(self.plan.runs())
        while self._pass(runs, progress):
            pass  # what had to wait for others may be free now
        return sum(self.outcome(run) is None for run in runs)

    def _pass(self, runs: list[Run], progress: Progress) -> bool:
        """Go through the runs once; whether there was anything to do."""
        has_worked = False
        for number, run in enumerate(runs):
            progress(f"{run.name} ({number} of {len(runs)})", number / len(runs))
            has_worked |= self._claimed(self.folder / "runs" / run.name, partial(self._finetune, run))
        return has_worked

    def outcome(self, run: Run) -> dict[str, Any] | None:
        """What became of a run; None where it is not over."""
        return _outcome(self.folder / "runs" / run.name)

    def outcomes(self) -> dict[Run, dict[str, Any]]:
        """What became of all runs that are over."""
        found = ((run, self.outcome(run)) for run in self.plan.runs())
        return {run: outcome for run, outcome in found if outcome is not None}

    def _site(self, name: str, progress: Progress = silent) -> Path:
        site = PRETRAINING if name == "pretraining" else FINE_TUNING
        plan = self.plan
        subjects = {
            "pretraining": plan.pretrain_scans,
            "training": plan.training_scans,
            "validation": plan.validation_scans,
            "test": plan.test_scans,
        }[name]
        return simulate_site(self.folder / "sites" / name, site, FIRST_SEEDS[name], subjects, progress)

    def _claimed(self, folder: Path, work: Callable[[], dict[str, Any]]) -> bool:
        """Do a piece of work that is not done and that nobody is at, and write what came of it.

        Returns:
            Whether it was done here.
        """
        if _outcome(folder) is not None:
            return False
        with locked(folder / ".lock") as mine:
            if not mine or _outcome(folder) is not None:
                return False
            begun = time.monotonic()
            try:
                result = {"state": "done", **work()}
            except _WaitError:
                return False
            except UserError as error:
                if getattr(error, "code", "") == "disk-full":
                    raise
                result = {"state": "failed", "message": str(error)}
            write_json(folder / OUTCOME, {**result, "seconds": round(time.monotonic() - begun, 1)})
        return True

    def _finetune(self, run: Run) -> dict[str, Any]:
        plan = self.plan
        start = choose_start(str(self._start_of(run)), None if run.start == SHIPPED else plan.network_of(run))
        settings = FinetuneSettings(
            cases=str(self._cases(run)),
            tasks=tuple(TASKS),
            start=start.name,
            start_sha256=start.sha256,
            network=start.network,
            steps=plan.steps,
            interval=plan.interval,
            batch=plan.batch,
            patch=plan.patch,
            patience=plan.steps,
            # Those who use the shipped model fine-tune it so; recipes are compared with all else equal.
            trained_rate=TRAINED_RATE if run.start == SHIPPED else FRESH_RATE,
            seed=run.seed,
            device=plan.device,
        )
        job = JobFolder(self.folder / "runs" / run.name / "job")
        model = _result_of(job, settings.to_json())
        curves = Curves()
        curves.add(job.read_events())
        loaded = load_models([model])[0]
        result: dict[str, Any] = {
            "best_step": read_json(job.result / "metrics.json", "metrics")["best_step"],
            "curves": {name: points for name, points in curves.by_name.items() if name.endswith("score")},
            "test": measure(loaded, self._test_scans(), plan.device),
        }
        if run.labels == max(plan.labels) and plan.protocol_scans:
            result["protocols"] = {
                name: measure(loaded, scans, plan.device) for name, scans in self._protocol_scans().items()
            }
        clean_up(job)
        return result

    def _start_of(self, run: Run) -> str | Path:
        """``scratch``, ``shipped``, or the model that was pretrained for the run, here and now if need be."""
        if run.recipe is None:
            return SHIPPED if run.start == SHIPPED else SCRATCH
        folder = self.folder / "pretrained" / f"{run.start}-seed{run.seed}"
        self._claimed(folder, partial(self._pretrain, folder, run))
        outcome = _outcome(folder)
        if outcome is None:
            raise _WaitError
        if outcome["state"] != "done":
            raise UserError(f"its pretraining failed: {outcome['message']}")
        return folder / "job" / "result" / "model.safetensors"

    def _pretrain(self, folder: Path, run: Run) -> dict[str, Any]:
        plan, recipe = self.plan, str(run.recipe)
        data = (str(self.folder / "sites" / "pretraining"), *([SIMULATED] if recipe == SIMULATED else []))
        settings = PretrainSettings(
            recipe,
            data,
            {},
            network=plan.network_of(run),
            steps=plan.pretrain_steps,
            interval=max(1, plan.pretrain_steps // 5),
            batch=plan.pretrain_batch,
            patch=plan.patch,
            seed=run.seed,
            device=plan.device,
            workers=0,
        )
        job = JobFolder(folder / "job")
        _result_of(job, settings.to_json())
        clean_up(job)
        return {}

    def _cases(self, run: Run) -> Path:
        """A table of labelled scans, which depend on the seed; more labels are those of fewer and further ones."""
        path = self.folder / "cases" / f"labels{run.labels}-seed{run.seed}.csv"
        order = np.random.default_rng(run.seed).permutation(self.plan.training_scans)[: run.labels]
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["scan", "labels", "subject", "split"])
            for split, numbers in (("training", order), ("validation", range(self.plan.validation_scans))):
                for number in numbers:
                    subject = f"sub-{FIRST_SEEDS[split] + number}"
                    site, scan = f"../sites/{split}", f"{subject}_dwi"
                    row = (f"{site}/{subject}/dwi/{scan}.nii.gz", f"{site}/derivatives/truth/{scan}", subject, split)
                    table.writerow(row)
        return path

    def _test_scans(self) -> list[KnownScan]:
        if self._test is None:
            self._test = load_test_scans(self._site("test"))
        return self._test

    def _protocol_scans(self) -> dict[str, list[KnownScan]]:
        """The first test brains, scanned by other protocols."""
        if not self._protocols:
            for name, site in protocols(FINE_TUNING).items():
                folder = self.folder / "sites" / name.replace(" ", "-")
                simulate_site(folder, site, FIRST_SEEDS["test"], self.plan.protocol_scans)
                self._protocols[name] = load_test_scans(folder)
        return self._protocols


class _WaitError(Exception):
    """Somebody else is making what this needs."""


def _outcome(folder: Path) -> dict[str, Any] | None:
    path = folder / OUTCOME
    return read_json(path, "the outcome of a run") if path.is_file() else None


def _result_of(job: JobFolder, specification: dict[str, Any]) -> Path:
    """The model that a job makes; one that is finished is not run again."""
    job.create(specification, resume=True)
    if job.told_state() != "finished":
        run_kind(job, silent)
    return job.result / "model.safetensors"
