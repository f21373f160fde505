"""The folder of one job: what to do, what has happened, and what came of it.

A job runs in a process of its own; the folder is all that it shares with those who started it.
Whoever opens the folder, now or after a restart, sees the same. Its files:

``job.json``
    What is needed to repeat the run, and the version of this layout.
``events.jsonl``
    One JSON object a line, oldest first; see ``events``.
``log.txt``
    What the process printed.
``stop``
    Its appearance asks the job to stop gracefully.
``workers/``
    Who works on it; see ``worker``.
``checkpoints/``, ``pictures/``, ``result/``
    What the job writes.

A folder may come from a stranger: what is in it is read within limits, never through links, and never executed.
"""

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import UserError
from ..files import write_json
from .events import Event, EventKind, EventReader, append_event, end_torn_line, keep_reserve, latest_events

SCHEMA_VERSION = 2

_LARGEST_JSON = 16_000_000
_PARTS = ("job.json", "events.jsonl", "log.txt", "stop", "workers", "checkpoints", "pictures", "result")
_FOLDERS = ("workers", "checkpoints", "pictures", "result")


def is_first_process() -> bool:
    """Whether this is the first of the processes of a run on several devices or machines; launchers number them so.

    torchrun and Lightning set ``RANK`` or ``NODE_RANK`` and ``LOCAL_RANK``, SLURM's srun ``SLURM_PROCID``.
    """
    ranks = ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


class JobFolder:
    """Reads and writes the folder of one job.

    Args:
        path: the folder; it need not exist yet.
        shared: whether independent processes work on it together; each of them then speaks for itself.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = Path(path)
        self._shared = shared

    @property
    def specification_path(self) -> Path:
        """What is to be done."""
        return self.path / "job.json"

    @property
    def events_path(self) -> Path:
        """What has happened."""
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """What the process printed."""
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        """The file that asks the job to stop."""
        return self.path / "stop"

    @property
    def workers(self) -> Path:
        """Folder of who works on it."""
        return self.path / "workers"

    @property
    def checkpoints(self) -> Path:
        """Folder of the states to resume from."""
        return self.path / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Folder of pictures of how it goes."""
        return self.path / "pictures"

    @property
    def result(self) -> Path:
        """Folder of what the job made."""
        return self.path / "result"

    def create(self, specification: dict[str, Any], *, resume: bool = False) -> None:
        """Write ``job.json``, or take up the job that is there; one that failed without a checkpoint is replaced.

        Args:
            specification: all that is needed to repeat the run, as JSON can hold it.
            resume: take up an unfinished job: its specification stays, and an old request to stop is withdrawn.

        Raises:
            UserError: if the folder holds a job and ``resume`` is not set, or cannot be used or written.
        """
        self.check()
        if not self.specification_path.exists() or self._came_to_nothing():
            self.stop_path.unlink(missing_ok=True)
            end_torn_line(self.events_path)
            content = {
                "schema_version": SCHEMA_VERSION,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "made_with": __version__,
                "specification": specification,
            }
            write_json(self.specification_path, content)
            keep_reserve(self.events_path)
        elif not is_first_process():
            pass  # the first one has just made it
        elif resume:
            self.resume()
        else:
            raise UserError(
                f"{self.path}: expected a folder without a job, found job.json in it; choose another folder or resume"
            )

    def resume(self) -> None:
        """Make ready to go on: a request to stop is withdrawn.

        Raises:
            UserError: if there is no job that can be used, or the folder cannot be written.
        """
        self.specification()
        self.stop_path.unlink(missing_ok=True)
        end_torn_line(self.events_path)
        keep_reserve(self.events_path)

    def check(self) -> None:
        """See that nothing in the folder leads out of it.

        Raises:
            UserError: if one of the parts of a job is a link or something else than it should be.
        """
        for name in _PARTS:
            path = self.path / name
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            expected, right = ("folder", stat.S_ISDIR(mode)) if name in _FOLDERS else ("file", stat.S_ISREG(mode))
            if not right:
                found = "a link" if stat.S_ISLNK(mode) else "something else"
                raise UserError(f"{path}: expected a {expected} of a job, found {found}; do not use this job folder")

    def inside(self, name: str) -> Path:
        """The path of a file that an event names.

        Raises:
            UserError: if it leads out of the folder.
        """
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise UserError(f"{self.events_path}: expected a path inside the job folder, found {name}; do not use it")
        return path

    def _came_to_nothing(self) -> bool:
        """Whether there is nothing to lose: a mistake in the input is mended and the job started again."""
        return self.told_state() == "failed" and not (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))

    def description(self) -> dict[str, Any]:
        """All of ``job.json``: ``specification``, ``created``, ``made_with``; once begun ``versions``, ``inputs``.

        Raises:
            UserError: if it is missing, no such JSON, too large, or of another version of this layout.
        """
        self.check()
        path = self.specification_path
        content = read_json(path, "the description of a job")
        version = content.get("schema_version")
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{path}: expected schema version {SCHEMA_VERSION}, found {version}; "
                "open it with the version of DMRIPretrain that made it"
            )
        if not isinstance(content.get("specification"), dict):
            raise UserError(f"{path}: expected the description of a job, found none; start a new job")
        return content

    def specification(self) -> dict[str, Any]:
        """What ``create`` was given.

        Raises:
            UserError: as :meth:`description`.
        """
        return self.description()["specification"]

    def amend(self, **entries: Any) -> None:
        """Add entries to ``job.json``; of the processes of one run on several devices the first one does.

        Raises:
            UserError: if it cannot be read or written.
        """
        if not (self._shared or is_first_process()):
            return
        write_json(self.specification_path, self.description() | entries)

    def append(self, kind: EventKind, **fields: Any) -> None:
        """Add an event; of the processes of one run on several devices the first one speaks for all.

        Args:
            kind: what sort of event.
            fields: what it says, as JSON can hold it.

        Raises:
            UserError: if the file cannot be written.
            ValueError: if there is no such kind of event.
        """
        if self._shared or is_first_process():
            append_event(self.events_path, kind, fields)

    def read_events(self) -> list[Event]:
        """All events so far, oldest first; a line that a crash or a full disk cut short is left out."""
        reader = EventReader(self.events_path)
        events = reader.read()
        while reader.behind:
            events += reader.read()
        return events

    def told_state(self) -> str | None:
        """The state that the job told last, None before the first; whether it is still true: see ``status``."""
        event = latest_events(self.events_path, ["state"]).get("state")
        return event.get("state") if event else None

    def request_stop(self) -> None:
        """Ask the job to stop as soon as it can do so without loss.

        Raises:
            UserError: if there is no such folder, or it cannot be written.
        """
        try:
            self.stop_path.touch()
        except OSError as error:
            raise UserError(
                f"{self.stop_path}: cannot be made ({error.strerror}); check the path of the job"
            ) from error

    def stop_requested(self) -> bool:
        """Whether somebody asked for that."""
        return self.stop_path.exists()


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """A JSON object from a file that may come from a stranger.

    Args:
        path: the file.
        expected: what it should be, for messages.

    Raises:
        UserError: if it is missing, no JSON object, or larger than any of ours.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise UserError(f"{path}: expected {expected}, found a file of over {_LARGEST_JSON // 10**6} MB; delete it")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected {expected}, found none that can be read; start a new job") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: expected {expected}, found something else; start a new job")
    return dict(content)
