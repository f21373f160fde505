"""The same work on every scan of a study: resumable, by as many workers as there are, and no scan stops the others.

A scan is claimed by a lock, so that workers on any number of machines that share the folder need no further agreement.
What became of it is written to ``outcome.json`` in its folder; with that, and as long as its files stay the same, it is
not touched again. ``outcomes.tsv`` has a line for each scan.
"""

import csv
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import atomic_path, write_json
from ..progress import Progress
from .failures import failure_of
from .folder import JobFolder, read_json
from .lock import locked
from .session import StoppedError

OUTCOME = "outcome.json"
OUTCOMES = "outcomes.tsv"
_ATTEMPTS = ".attempts"
#: A scan at which the process died so often without a word is given up.
_MOST_ATTEMPTS = 2
#: Between two events that tell how far a single scan is.
_SECONDS_BETWEEN_PARTS = 1.0


@dataclass(frozen=True)
class StudyItem:
    """One scan of a study.

    Attributes:
        name: of its folder of results, unique.
        scan: its path.
        files: returns all its files; may raise ``UserError``.
    """

    name: str
    scan: Path
    files: Callable[[], list[Path]]

    def signature(self) -> list[list[Any]]:
        """Path, size and time of modification of its files, as far as they are there."""
        try:
            paths = self.files()
        except UserError:
            paths = [self.scan]
        found: list[list[Any]] = []
        for path in paths:
            with suppress(OSError):
                status = path.stat()
                found.append([str(path), status.st_size, status.st_mtime_ns])
        return found


class Study:
    """Works through the scans of a study.

    Args:
        job: the job; results go to a folder a scan in its ``result``.
        items: the scans.
        work: does the work: the scan, its folder, and whom to tell how far it is.
        progress: told how far the whole is.
    """

    def __init__(
        self,
        job: JobFolder,
        items: Sequence[StudyItem],
        work: Callable[[StudyItem, Path, Progress], None],
        progress: Progress,
    ) -> None:
        self._job, self._items, self._work, self._progress = job, items, work, progress
        self._begun = time.monotonic()
        self._done_here = 0
        self._told = 0.0

    def run(self) -> None:
        """Do what nobody has done or is doing.

        Raises:
            StoppedError: if the job was asked to stop.
        """
        for item in self._in_own_order():
            self._pause()
            if self.outcome(item) is None:
                with locked(self.folder(item) / ".lock") as mine:
                    # Another worker may have done it since.
                    if mine and self.outcome(item) is None:
                        self._do(item)
                        self._tell()

    def _in_own_order(self) -> list[StudyItem]:
        """Workers of a SLURM array begin at different scans, so as not to queue for the same locks."""
        count, number = (os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("COUNT", "ID"))
        if not (count.isdigit() and number.isdigit() and int(count)):
            return list(self._items)
        first = len(self._items) * (int(number) % int(count)) // int(count)
        return [*self._items[first:], *self._items[:first]]

    def folder(self, item: StudyItem) -> Path:
        """Where the results of a scan are."""
        return self._job.result / item.name

    def outcome(self, item: StudyItem) -> dict[str, Any] | None:
        """What became of a scan; None where that is still to be found out, or its files have changed since."""
        path = self.folder(item) / OUTCOME
        if not path.is_file():
            return None
        with suppress(UserError):
            outcome = read_json(path, "the outcome of a scan")
            return outcome if outcome.get("files") == item.signature() else None
        return None

    def _do(self, item: StudyItem) -> None:
        folder, signature, begun = self.folder(item), item.signature(), time.monotonic()
        attempts = folder / _ATTEMPTS
        before = attempts.stat().st_size if attempts.is_file() else 0
        result: dict[str, Any] = {"state": "done", "code": "", "message": ""}
        if before >= _MOST_ATTEMPTS:
            message = f"the process died {before} times at this scan; memory may not suffice for it"
            result = {"state": "failed", "code": "killed", "message": message}
        else:
            attempts.write_bytes(b"." * (before + 1))
            try:
                self._work(item, folder, self._part)
            except StoppedError:
                attempts.unlink(missing_ok=True)
                raise
            except Exception as error:
                failure = failure_of(error)
                if failure.code == "disk-full":
                    raise
                result = {"state": "failed", "code": failure.code, "message": failure.message}
        seconds = round(time.monotonic() - begun, 1)
        attempts.unlink(missing_ok=True)
        write_json(folder / OUTCOME, {**result, "scan": str(item.scan), "seconds": seconds, "files": signature})
        self._done_here += 1
        if result["state"] == "failed":
            self._job.append("warning", code=result["code"], message=f"{item.name}: {result['message']}")

    def _part(self, what: str, fraction: float) -> None:
        self._pause()
        self._progress(what, (self._done_here + fraction) / max(1, len(self._items)))
        # Of several scans it is told how many are done; of a single one that would say nothing until the end.
        now = time.monotonic()
        if len(self._items) == 1 and now - self._told >= _SECONDS_BETWEEN_PARTS:
            self._told = now
            left = round((now - self._begun) * (1 - fraction) / fraction) if fraction > 0.05 else None
            self._job.append("progress", what=what, fraction=fraction, seconds_left=left)

    def _tell(self) -> None:
        outcomes = sum((self.folder(item) / OUTCOME).is_file() for item in self._items)
        seconds = (time.monotonic() - self._begun) / max(1, self._done_here)
        left = round(seconds * (len(self._items) - outcomes))
        what = f"{outcomes} of {len(self._items)} scans"
        self._progress(what, outcomes / len(self._items))
        self._job.append("progress", what=what, fraction=outcomes / len(self._items), seconds_left=left)

    def _pause(self) -> None:
        if self._job.stop_requested():
            raise StoppedError

    def finish(self) -> dict[str, int] | None:
        """Write the table of outcomes.

        Returns:
            How many scans are ``done`` and ``failed``; None where others still work on some.

        Raises:
            UserError: if it cannot be written.
        """
        outcomes = [(item, self.outcome(item)) for item in self._items]
        if not all(outcome for _, outcome in outcomes):
            return None
        columns = ("state", "code", "message", "seconds")
        with atomic_path(self._job.result / OUTCOMES) as temporary, temporary.open("w", encoding="utf-8") as file:
            table = csv.writer(file, delimiter="\t", lineterminator="\n")
            table.writerow(["name", "scan", *columns])
            for item, outcome in outcomes:
                values = outcome or {}
                table.writerow([item.name, item.scan, *(" ".join(str(values.get(c, "")).split()) for c in columns)])
        states = [outcome["state"] for _, outcome in outcomes if outcome]
        return {"done": states.count("done"), "failed": states.count("failed")}
