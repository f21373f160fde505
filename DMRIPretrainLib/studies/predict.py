"""Predict every scan of a study in a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..inference.loaded_model import load_models
from ..inference.predict import predict
from ..jobs.failures import DataChangedError
from ..jobs.folder import JobFolder
from ..jobs.session import StopSignals
from ..networks.catalogue import checksum, find_model
from ..progress import Progress, silent
from ..scans.gradient_check import warn_of_wrong_gradients
from ..scans.scan_files import ScanFiles
from .run import ScanWork, run_study
from .settings import PredictSettings


def predict_study(
    settings: PredictSettings, job: JobFolder, progress: Progress = silent, signals: StopSignals | None = None
) -> dict[str, Any]:
    """Predict what is not predicted yet, see ``run_study``; the results of a scan are those of ``predict``.

    Raises:
        UserError: if no scan or model can be found.
    """
    return run_study(settings, job, _open(settings, job), progress, signals)


def _open(settings: PredictSettings, job: JobFolder) -> Callable[[], ScanWork]:
    def open_work() -> ScanWork:
        for name, expected in zip(settings.models, settings.sha256, strict=True):
            path = find_model(name)
            if checksum(path) != expected:
                raise DataChangedError(f"{path}: expected the model that {job.path} began with, found another")
        models = load_models(settings.models)

        def work(files: ScanFiles, folder: Path, tell: Progress) -> None:
            scan = files.load(settings.b0_threshold)
            warn_of_wrong_gradients(scan)
            predict(scan, models, folder, device=settings.device, ensemble=settings.ensemble, progress=tell)

        return work

    return open_work
