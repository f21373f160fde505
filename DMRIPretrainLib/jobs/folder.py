"""The folder of one job: what to do, what has happened, and what came of it.

A job runs in a process of its own; the folder is all that it shares with those who started it.
Whoever opens the folder, now or after a restart, sees the same. Its files:

``job.json``
    What is needed to repeat the run, and the version of this layout.
``events.jsonl``
    One JSON object a line, oldest first.
``log.txt``
    What the process printed.
``stop``
    Its appearance asks the job to stop gracefully.
``checkpoints/``, ``result/``
    What the job writes.
"""

import errno
import json
import os
import time
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import UserError
from ..files import to_json, write_json

SCHEMA_VERSION = 1

#: ``state`` (running, stopped, finished, failed), ``progress`` (fraction, seconds left), ``metric`` (name, value),
#: ``warning`` (message), ``result`` (path) and ``failure`` (code, message, next action).
EventKind = Literal["state", "progress", "metric", "warning", "result", "failure"]

Event = dict[str, Any]


def is_first_process() -> bool:
    """Whether this is the first of the processes of a run on several devices; launchers number them so."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


class JobFolder:
    """Reads and writes the folder of one job.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

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
    def checkpoints(self) -> Path:
        """Folder of the states to resume from."""
        return self.path / "checkpoints"

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
            UserError: if the folder holds a job and ``resume`` is not set, or cannot be written.
        """
        if not self.specification_path.exists() or self._came_to_nothing():
            self.stop_path.unlink(missing_ok=True)
            self._end_torn_line()
            write_json(self.specification_path, {"schema_version": SCHEMA_VERSION, "specification": specification})
        elif not is_first_process():
            pass  # the first one has just made it
        elif resume:
            self.specification()
            self.stop_path.unlink(missing_ok=True)
            self._end_torn_line()
        else:
            raise UserError(
                f"{self.path}: expected a folder without a job, found job.json in it; choose another folder or resume"
            )

    def _came_to_nothing(self) -> bool:
        """Whether there is nothing to lose: a mistake in the input is mended and the job started again."""
        return self.state() == "failed" and not (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))

    def specification(self) -> dict[str, Any]:
        """What ``create`` was given.

        Raises:
            UserError: if ``job.json`` is missing, is not JSON or is of a later version of this layout.
        """
        path = self.specification_path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version, specification = content["schema_version"], content["specification"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: expected the description of a job, found none that can be read; start a new job"
            ) from error
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{path}: expected schema version {SCHEMA_VERSION}, found {version}; "
                "open it with the version of DMRIPretrain that made it"
            )
        return specification

    def append(self, kind: EventKind, **fields: Any) -> None:
        """Add an event, stamped with the time in seconds since 1970.

        The line goes out in a single write to a file opened for appending, so that lines of several
        processes never mix and a reader sees a line whole or, at worst while it is being written, its beginning.
        Of the processes of one run on several devices the first one speaks for all.

        Raises:
            UserError: if the file cannot be written.
            ValueError: if there is no such kind of event.
        """
        if kind not in get_args(EventKind):
            raise ValueError(f"no such kind of event: {kind}")
        if not is_first_process():
            return
        self._write((to_json({"time": time.time(), "kind": kind, **fields}) + "\n").encode())

    def _write(self, line: bytes) -> None:
        try:
            with self.events_path.open("ab", buffering=0) as events:
                if events.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise UserError(
                f"{self.events_path}: cannot be written ({error.strerror}); make space or check access"
            ) from error

    def _end_torn_line(self) -> None:
        """Keep the next event from being glued to one that a crash cut short."""
        if self.events_path.exists() and not self.events_path.read_bytes().endswith(b"\n"):
            self._write(b"\n")

    def read_events(self) -> list[Event]:
        """All events so far, oldest first; a line that a crash or a full disk cut short is left out."""
        try:
            lines = self.events_path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [event for event in map(_parse, lines) if event is not None]

    def state(self) -> str | None:
        """The state that was told last, None before the first."""
        states = [event.get("state") for event in self.read_events() if event["kind"] == "state"]
        return states[-1] if states else None

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


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None
