"""The files that a run reads, so that it can be repeated with the same ones, or say that they have changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..progress import Progress, silent
from .failures import DataChangedError
from .folder import JobFolder

#: In ``job.json``: a list of ``path``, ``bytes``, ``modified`` (ns since 1970) and ``sha256``.
_KEY = "inputs"


def remember_inputs(job: JobFolder, paths: Iterable[Path], progress: Progress = silent) -> None:
    """Write the checksums of the files of a run to ``job.json``; if they are there, see that nothing has changed.

    A file of the same size and time of modification is not read again.

    Args:
        job: the job.
        paths: all files that it reads, each once.
        progress: told how far it is.

    Raises:
        DataChangedError: if a file is gone or is another one now, or others are read than at the beginning.
        UserError: if a file cannot be read.
    """
    recorded = job.description().get(_KEY)
    known = {str(entry.get("path")): entry for entry in recorded or [] if isinstance(entry, dict)}
    files = sorted(dict.fromkeys(path.absolute() for path in paths))
    entries = []
    for number, path in enumerate(files):
        progress(f"checking {path.name}", number / len(files))
        entries.append(_entry(path, known.get(str(path))))
    if recorded is None:
        job.amend(**{_KEY: entries})
        return
    for entry in entries:
        before = known.pop(entry["path"], None)
        if before is None or before.get("sha256") != entry["sha256"]:
            what = "was not read then" if before is None else "has other content now"
            raise DataChangedError(f"{entry['path']}: expected the file that {job.path} began with, but it {what}")
    if known:
        raise DataChangedError(f"{next(iter(known))}: expected the file that {job.path} began with, but it is not read")


def _entry(path: Path, known: dict[str, Any] | None) -> dict[str, Any]:
    try:
        status = path.stat()
        entry = {"path": str(path), "bytes": status.st_size, "modified": status.st_mtime_ns}
        if known and all(known.get(name) == value for name, value in entry.items()) and "sha256" in known:
            return known
        with path.open("rb") as file:
            return {**entry, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except FileNotFoundError as error:
        raise DataChangedError(f"{path}: expected the file that the job began with, found none") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check access") from error
