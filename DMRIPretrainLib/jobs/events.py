"""``events.jsonl``: one JSON object a line, written by the worker, read by whoever watches.

A line goes out in a single write to a file opened for appending, so that lines of several processes never mix and a
reader sees a line whole or, at worst while it is being written, its beginning. Readers take nothing on trust: the file
may be torn, or come from a stranger.
"""

import errno
import json
import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import UserError
from ..files import to_json

#: ``state`` (state), ``progress`` (what, fraction, seconds_left, ...), ``metric`` (name, value, step), ``best`` (step,
#: score), ``estimate`` (seconds, memory), ``picture`` and ``result`` (path), ``warning`` (message) and ``failure``
#: (code, message, action).
EventKind = Literal["state", "progress", "metric", "best", "estimate", "picture", "result", "warning", "failure"]

Event = dict[str, Any]

#: Longer lines are nothing of ours and are left out.
_LONGEST_LINE = 1_000_000
#: Bytes that are read at once.
_BLOCK = 1 << 18
#: Bytes kept free for the last words on a full disk.
_RESERVE = 1 << 16


def append_event(path: Path, kind: EventKind, fields: dict[str, Any]) -> None:
    """Add an event, stamped with the time in seconds since 1970.

    On a full disk a reserve beside the file, see :func:`keep_reserve`, makes room for what must be said.

    Raises:
        UserError: if the file cannot be written.
        ValueError: if there is no such kind of event.
    """
    if kind not in get_args(EventKind):
        raise ValueError(f"no such kind of event: {kind}")
    line = (to_json({"time": time.time(), "kind": kind, **fields}) + "\n").encode()
    try:
        _write(path, line)
    except OSError as error:
        reserve = _reserve_of(path)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.is_file():
            raise _unwritable(path, error) from error
        reserve.unlink(missing_ok=True)
        try:
            _write(path, b"\n" + line)  # what did not fit may have left its beginning
        except OSError as still:
            raise _unwritable(path, still) from still


def _write(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}); make space or check access")


def keep_reserve(path: Path) -> None:
    """Keep some bytes free for the last events of a job whose disk is full; do nothing if it is full now."""
    reserve = _reserve_of(path)
    if reserve.is_file() and reserve.stat().st_size == _RESERVE:
        return
    try:
        reserve.write_bytes(b"\0" * _RESERVE)
    except OSError:
        with suppress(OSError):
            reserve.unlink()


def _reserve_of(path: Path) -> Path:
    return path.with_name(".reserve")


def end_torn_line(path: Path) -> None:
    """Keep the next event from being glued to one that a crash cut short.

    Raises:
        UserError: if the file cannot be written.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            torn = file.read(1) not in (b"", b"\n")
        if torn:
            _write(path, b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error


class EventReader:
    """Reads a growing file of events piece by piece, in constant memory.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._torn = b""
        self._skipping = False
        #: Whether there was more to read than the last :meth:`read` took.
        self.behind = False

    def read(self) -> list[Event]:
        """The next events, oldest first: at most those in a quarter of a megabyte; none at the end of the file.

        Lines that are no events, or that a crash cut short, are left out. A file that has shrunk is read anew.
        """
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset:
                    self._offset, self._torn, self._skipping = 0, b"", False
                file.seek(self._offset)
                block = file.read(_BLOCK)
        except FileNotFoundError:
            return []
        self._offset += len(block)
        self.behind = self._offset < size
        return [event for event in map(_parse, self._lines(block)) if event is not None]

    def _lines(self, block: bytes) -> list[bytes]:
        *lines, rest = block.split(b"\n")
        if lines:
            lines[0] = b"" if self._skipping else self._torn + lines[0]
            self._torn, self._skipping = rest, False
        else:
            self._torn += rest
        if len(self._torn) > _LONGEST_LINE:
            self._torn, self._skipping = b"", True
        return lines


def latest_events(path: Path, kinds: Collection[EventKind]) -> dict[str, Event]:
    """The last event of each kind that occurs, found from the end of the file in constant memory."""
    wanted: set[EventKind] = set(kinds)
    found: dict[str, Event] = {}
    overlap = b""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0 and wanted:
                start = max(0, end - _BLOCK)
                file.seek(start)
                block = file.read(end - start) + overlap
                for kind in sorted(wanted):
                    if event := _last_in(block, kind, whole=start == 0):
                        found[kind] = event
                        wanted.discard(kind)
                # A line that lies across two blocks is looked at with the earlier one.
                overlap = block[: block.find(b"\n") + 1][:_LONGEST_LINE]
                end = start
    except FileNotFoundError:
        pass
    return found


def _last_in(block: bytes, kind: str, whole: bool) -> Event | None:
    """The last event of a kind in a block of which the first line is complete only if it is the ``whole`` beginning."""
    # Inside a string of JSON these quotes would have backslashes.
    mark = f'"kind": "{kind}"'.encode()
    position = block.rfind(mark)
    while position >= 0:
        start = block.rfind(b"\n", 0, position) + 1
        end = block.find(b"\n", position)
        event = _parse(block[start:end]) if end >= 0 and (start > 0 or whole) else None
        if event is not None and event["kind"] == kind:
            return event
        position = block.rfind(mark, 0, position)
    return None


def _parse(line: bytes) -> Event | None:
    if not line.strip() or len(line) > _LONGEST_LINE:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(event, dict) and isinstance(event.get("kind"), str)
    return event if known and isinstance(event.get("time"), int | float) else None
