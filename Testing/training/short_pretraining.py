"""Short pretraining runs, which several tests look at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.progress import Progress, silent
from DMRIPretrainLib.training.pretrain import pretrain
from DMRIPretrainLib.training.settings import PretrainSettings

INTERVAL = 2


def settings_for(scans: Path, **changes) -> PretrainSettings:
    """The recipe ``masked`` learns something beside the model, which checkpoints must keep too."""
    usual = PretrainSettings(
        "masked", (str(scans),), {}, steps=5, interval=INTERVAL, batch=2, patch=16, device="cpu", workers=0
    )
    return replace(usual, **changes)


def run(folder: Path, settings: PretrainSettings, progress: Progress = silent) -> JobFolder:
    job = JobFolder(folder)
    job.create(settings.to_json(), resume=folder.exists())
    pretrain(settings, job, progress)
    return job


def each_step(act: Callable[[int], None]) -> Progress:
    """A listener that does something after every step."""

    def listen(step: str, _: float) -> None:
        if step.startswith("step "):
            act(int(step.split()[1]))

    return listen
