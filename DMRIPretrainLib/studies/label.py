"""Make reference labels for every scan of a study in a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..jobs.folder import JobFolder
from ..jobs.session import StopSignals
from ..progress import Progress, silent
from ..scans.gradient_check import warn_of_wrong_gradients
from ..scans.scan_files import ScanFiles
from ..tasks.reference.label import make_labels
from .run import ScanWork, run_study
from .settings import LabelSettings


def label_study(
    settings: LabelSettings, job: JobFolder, progress: Progress = silent, signals: StopSignals | None = None
) -> dict[str, Any]:
    """Label what is not labelled yet, see ``run_study``; the labels of a scan are those of :func:`.label.make_labels`.

    Raises:
        UserError: if no scan can be found.
    """
    return run_study(settings, job, _open(settings), progress, signals)


def _open(settings: LabelSettings) -> Callable[[], ScanWork]:
    def work(files: ScanFiles, folder: Path, tell: Progress) -> None:
        scan = files.load(settings.b0_threshold)
        warn_of_wrong_gradients(scan)
        make_labels(scan, settings.tasks, folder, tell)

    return lambda: work
