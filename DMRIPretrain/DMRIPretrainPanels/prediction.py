"""Starts the job of a prediction, without PyTorch."""

from dataclasses import dataclass
from pathlib import Path

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.failures import Failure
from DMRIPretrainLib.jobs.folder import JobFolder, read_json
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.study import OUTCOME
from DMRIPretrainLib.networks.catalogue import checksum, find_model
from DMRIPretrainLib.studies.settings import PredictSettings

from .background import libraryEnvironment, pythonExecutable
from .scan_files import writer
from .training_jobs import jobFolder


@dataclass(frozen=True)
class Wish:
    """What to predict with.

    Attributes:
        model: name of a shipped model, or path of a file.
        device: ``auto``, ``cpu``, ``cuda``.
        ensemble: number of subsets of directions.
    """

    model: str
    device: str = "auto"
    ensemble: int = 0


def starter(scan, wish, root):
    """What starts a prediction; it may run in a thread.

    Args:
        scan: node of the scan.
        wish: what to predict with.
        root: folder of all jobs.

    Returns:
        A function without arguments that returns the ``JobFolder``; it raises ``UserError`` where that fails.

    Raises:
        UserError: if the scan cannot be predicted.
    """
    write = writer(scan, root / "scans")
    folder = jobFolder(root, "", f"{scan.GetName()[:60]} prediction")
    python, environment = pythonExecutable(), libraryEnvironment()

    def start():
        files, model = write(), find_model(wish.model)
        settings = PredictSettings(
            sources=(str(files.image),),
            models=(wish.model,),
            sha256=(checksum(model),),
            ensemble=wish.ensemble,
            device=wish.device,
            bval=str(files.bval),
            bvec=str(files.bvec),
        )
        job = JobFolder(folder)
        job.create(settings.to_json())
        start_job(job, python=python, environment=environment)
        return job

    return start


def imageOf(job):
    """The file of the scan that a prediction is of, with its b-values and b-vectors.

    Raises:
        UserError: if the job cannot be read.
    """
    settings = PredictSettings.from_json(job.specification())
    return Path(settings.sources[0]), Path(settings.bval or ""), Path(settings.bvec or "")


def resultFolder(job):
    """Folder with the maps of the only scan of a job; None where there is none."""
    folders = sorted(path for path in job.result.glob("*/") if (path / "report.json").is_file())
    return folders[0] if folders else None


def outcomeOf(job):
    """Why a job that ended well has no result, a ``Failure``."""
    for path in sorted(job.result.glob(f"*/{OUTCOME}")):
        try:
            outcome = read_json(path, "the outcome of a scan")
        except UserError as error:
            return Failure("input", str(error), "")
        if outcome.get("state") == "failed":
            return Failure.from_event(outcome)
    return Failure("nothing", "the process has left no result", "predict again")
