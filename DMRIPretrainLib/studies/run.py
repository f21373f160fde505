"""One process's part in the job of a study, and the end of it."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

from ..errors import UserError
from ..jobs.folder import JobFolder
from ..jobs.helpers import helpers, is_helper
from ..jobs.session import LeftToOthersError, StopSignals, run_session
from ..jobs.study import OUTCOMES, Study, StudyItem
from ..jobs.versions import library_versions
from ..progress import Progress
from ..scans.find_scans import find_scans
from ..scans.fsl import stem
from ..scans.scan_files import ScanFiles

#: Does the work on one scan: its files, the folder of its results, and whom to tell how far it is.
ScanWork = Callable[[ScanFiles, Path, Progress], None]


class StudySettings(Protocol):
    """What the settings of all studies have.

    Attributes:
        sources: BIDS or HCP folders, lists of scans, or scans.
        workers: processes on this machine; further machines may run the same job.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    @property
    def sources(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def workers(self) -> int: ...  # noqa: D102
    @property
    def mask(self) -> str | None: ...  # noqa: D102
    @property
    def bval(self) -> str | None: ...  # noqa: D102
    @property
    def bvec(self) -> str | None: ...  # noqa: D102


def run_study(
    settings: StudySettings,
    job: JobFolder,
    open_work: Callable[[], ScanWork],
    progress: Progress,
    signals: StopSignals | None,
) -> dict[str, Any]:
    """Work on a study together with whoever else does, until all is done or claimed by others.

    Args:
        settings: what to work on.
        job: an existing job, opened as ``shared``.
        open_work: makes ready and returns what does the work, such as a loaded model.
        progress: told how far it is.
        signals: those that ask this process to stop.

    Returns:
        How many scans are ``done`` and ``failed``, and the ``table`` of outcomes; nothing where others still work.

    Raises:
        UserError: if nothing can be worked on.
    """
    helps = is_helper()

    def part() -> dict[str, Any]:
        if not helps:
            job.amend(versions=library_versions())
        scans = scans_of(settings)
        items = [StudyItem(name, files.scan, files.paths) for name, files in scans.items()]
        work = open_work()
        study = Study(job, items, lambda item, folder, tell: work(scans[item.name], folder, tell), progress)
        more = min(settings.workers, len(items)) - 1
        with nullcontext() if helps or more <= 0 else helpers(["run", str(job.path.absolute())], more, job.log_path):
            study.run()
        counts = None if helps else study.finish()
        if counts is None:
            raise LeftToOthersError
        job.append("result", path=f"result/{OUTCOMES}", **counts)
        return {**counts, "table": job.result / OUTCOMES}

    return run_session(job, part, alone=False, signals=signals, tell=not helps) or {}


def scans_of(settings: StudySettings) -> dict[str, ScanFiles]:
    """The scans of a study by the names of their folders of results.

    A scan is called as its file is, or where that is not unique as the way to it.

    Raises:
        UserError: if a source holds no scan, or files are named for a single scan of several.
    """
    files = find_scans(settings.sources)
    own = {name: Path(path) for name in ("mask", "bval", "bvec") if (path := getattr(settings, name))}
    if own and len(files) > 1:
        raise UserError(
            f"{settings.sources[0]}: expected a single scan with --{', --'.join(own)}, found {len(files)}; name these "
            "files in the columns of a table"
        )
    stems = [stem(scan.scan) for scan in files]
    names: dict[str, ScanFiles] = {}
    for scan, short in zip(files, stems, strict=True):
        name = short if stems.count(short) == 1 else "-".join([*Path(scan.name).parts[:-1], short])
        unique = next(n for n in (name, *(f"{name}-{k}" for k in range(2, len(files) + 2))) if n not in names)
        names[unique] = ScanFiles(**vars(scan) | own)
    return names
