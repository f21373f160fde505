"""Make reference labels for every scan of a study in a job."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..jobs.folder import JobFolder
from ..jobs.session import StopSignals
from ..jobs.settings import settings_from_json, settings_to_json
from ..progress import Progress, silent
from ..scans.gradient_check import warn_of_wrong_gradients
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..scans.scan_files import ScanFiles
from ..tasks.reference.label import make_labels
from .run import ScanWork, run_study


@dataclass(frozen=True)
class LabelSettings:
    """All that is needed to repeat the labelling of a study.

    Attributes:
        sources: BIDS or HCP folders, lists of scans, or scans.
        tasks: what to label.
        workers: processes on this machine; further machines may run the same job.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    sources: tuple[str, ...]
    tasks: tuple[str, ...]
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "label")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "LabelSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of such a job.
        """
        return settings_from_json(LabelSettings, content, "labelling")


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
