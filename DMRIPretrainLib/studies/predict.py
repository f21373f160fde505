"""Predict every scan of a study in a job."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..inference.loaded_model import load_models
from ..inference.predict import predict
from ..jobs.failures import DataChangedError
from ..jobs.folder import JobFolder
from ..jobs.session import StopSignals
from ..jobs.settings import settings_from_json, settings_to_json
from ..networks.catalogue import checksum, find_model
from ..progress import Progress, silent
from ..scans.gradient_check import warn_of_wrong_gradients
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..scans.scan_files import ScanFiles
from .run import ScanWork, run_study


@dataclass(frozen=True)
class PredictSettings:
    """All that is needed to repeat the prediction of a study.

    Attributes:
        sources: BIDS or HCP folders, lists of scans, or scans.
        models: files, or names of shipped ones; where two answer the same task, the later one counts.
        sha256: checksum of each of their files.
        ensemble: number of subsets of directions, see ``predict``.
        device: ``auto``, ``cpu``, ``cuda``...
        workers: processes on this machine; further machines may run the same job.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    sources: tuple[str, ...]
    models: tuple[str, ...]
    sha256: tuple[str, ...]
    ensemble: int = 0
    device: str = "auto"
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "predict")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "PredictSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of such a job.
        """
        return settings_from_json(PredictSettings, content, "a prediction")


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
