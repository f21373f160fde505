"""Who works on a job: one process, or the independent processes of a study.

Each has a file in ``workers/``, which names it, and touches that file every few seconds as long as it lives, so
that a job on a cluster can be watched from a desk. Of a training run a second worker is refused by a lock, which the
system lets go of however its owner ends.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import UserError
from ..files import write_json
from .folder import JobFolder
from .lock import locked
from .process import ProcessIdentity

_SECONDS_BETWEEN_BEATS = 5.0
#: A worker on another machine that was silent for so long is taken for dead; clocks may differ by some seconds.
_SILENT_SECONDS = 90.0
_LARGEST = 10_000


class BusyError(UserError):
    """Another process works on the job."""

    code = "busy"
    action = "watch the job that runs, or stop it first"


@contextmanager
def working(job: JobFolder, *, alone: bool = True) -> Iterator[None]:
    """Be a worker of a job.

    Args:
        job: an existing job.
        alone: refuse to begin where another process works on it, and be refused by others.

    Raises:
        BusyError: if another process works on it.
        UserError: if the folder cannot be written.
    """
    job.check()
    if not alone:
        with _named(job):
            yield
        return
    refuse_if_busy(job)
    with locked(job.workers / "lock") as mine:
        if not mine:
            refuse_if_busy(job)
            raise _busy(job, "another process")
        with _named(job):
            yield


def refuse_if_busy(job: JobFolder) -> None:
    """See that no other process works on a job.

    Raises:
        BusyError: if one does.
    """
    own = ProcessIdentity.of(os.getpid())
    for worker in live_workers(job):
        if worker != own:
            raise _busy(job, worker.describe())


def _busy(job: JobFolder, who: str) -> BusyError:
    return BusyError(f"{job.path}: expected a job that nobody works on, found {who} at it; watch it, or stop it first")


def introduce(job: JobFolder, worker: ProcessIdentity) -> Path:
    """Write who works on a job, or is about to.

    Returns:
        The file, which must be touched every few seconds for those who watch from other machines.

    Raises:
        UserError: if it cannot be written.
    """
    for path, identity in _workers(job):
        if not _is_alive(path, identity):
            with suppress(OSError):
                path.unlink()
    name = hashlib.sha256(repr(worker).encode()).hexdigest()[:16]
    path = job.workers / f"{name}.json"
    write_json(path, worker.to_json())
    return path


@contextmanager
def _named(job: JobFolder) -> Iterator[None]:
    path = introduce(job, ProcessIdentity.of(os.getpid()))
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with suppress(OSError):
            path.unlink()


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(_SECONDS_BETWEEN_BEATS):
        with suppress(OSError):
            os.utime(path)


def live_workers(job: JobFolder) -> list[ProcessIdentity]:
    """The processes that work on a job now, here or elsewhere."""
    return [identity for path, identity in _workers(job) if _is_alive(path, identity)]


def has_dead_worker(job: JobFolder) -> bool:
    """Whether one of them ended without taking leave."""
    return any(not _is_alive(path, identity) for path, identity in _workers(job))


def _workers(job: JobFolder) -> list[tuple[Path, ProcessIdentity]]:
    found = []
    for path in sorted(job.workers.glob("*.json")):
        with suppress(OSError, ValueError, RecursionError):
            if path.is_symlink() or path.stat().st_size > _LARGEST:
                continue
            identity = ProcessIdentity.from_json(json.loads(path.read_text(encoding="utf-8")))
            if identity is not None:
                found.append((path, identity))
    return found


def _is_alive(path: Path, identity: ProcessIdentity) -> bool:
    if identity.is_here():
        return identity.is_alive()
    with suppress(OSError):
        return time.time() - path.stat().st_mtime < _SILENT_SECONDS
    return False
