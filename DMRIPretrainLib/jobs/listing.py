"""Jobs below a folder, and what may be thrown away of them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from .folder import JobFolder
from .worker import refuse_if_busy

#: A job is looked for this many levels below a folder.
_DEPTH = 4


def find_jobs(folder: Path, depth: int = _DEPTH) -> list[JobFolder]:
    """The jobs in a folder and those below it, by path; links are not followed.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder with jobs, found none; check the path")
    return [JobFolder(path) for path in _jobs_below(folder, depth)]


def _jobs_below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name == "job.json" for entry in entries):
        yield folder
        return
    for entry in entries:
        if depth > 0 and entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _jobs_below(folder / entry.name, depth - 1)


def clean_up(job: JobFolder, *, everything: bool = False) -> int:
    """Delete what a job needs only to go on: checkpoints and pictures; its result and its story stay.

    Args:
        job: a job that nobody works on.
        everything: delete the whole folder, result included.

    Returns:
        How many bytes were freed.

    Raises:
        BusyError: if a process works on it.
        UserError: if it is no job, or something cannot be deleted.
    """
    job.specification()
    refuse_if_busy(job)
    doomed = [job.path] if everything else [job.checkpoints, job.pictures, job.workers]
    freed = 0
    for path in filter(Path.is_dir, doomed):
        freed += sum(file.lstat().st_size for file in path.rglob("*"))
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be deleted ({error.strerror}); check access") from error
    return freed
