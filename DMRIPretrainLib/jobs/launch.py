"""Start a job in a process of its own that outlives whoever started it."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .failures import Failure
from .folder import JobFolder
from .process import ProcessIdentity
from .worker import introduce, refuse_if_busy

#: The folder that holds the package, for the Python of the worker.
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def start_job(
    job: JobFolder, *, python: str | Path = sys.executable, environment: Mapping[str, str] | None = None
) -> ProcessIdentity:
    """Start, or go on with, a job in the background; it goes on when this process ends.

    Args:
        job: an existing job.
        python: the interpreter that has the library's dependencies.
        environment: variables of the process; by default those of this one.

    Returns:
        The process, to be waited for by nobody: watch the folder.

    Raises:
        BusyError: if a process works on it.
        UserError: if there is no such job, or the interpreter cannot be started.
    """
    job.specification()
    refuse_if_busy(job)
    job.resume()
    variables = with_package(os.environ if environment is None else environment)
    command = own_command(["run", str(job.path.absolute())], python)
    job.append("state", state="queued")
    try:
        with job.log_path.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=variables, **_apart()
            )
    except OSError as error:
        failure = Failure("python-missing", f"{python}: cannot be started ({error.strerror})", "check its path")
        job.append("failure", **failure.to_json())
        job.append("state", state="failed")
        raise UserError(f"{failure.message}; {failure.action}") from error
    worker = ProcessIdentity.of(process.pid)
    introduce(job, worker)
    # Else a worker that ends before this process stays in the system's list of processes.
    threading.Thread(target=process.wait, daemon=True).start()
    return worker


def with_package(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables of a process whose Python is to find this package, from others."""
    paths = [str(_PACKAGE_PARENT), *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def own_command(words: Sequence[str], python: str | Path = sys.executable) -> list[str]:
    """The words of ``dmri-pretrain ...`` as a command line for a Python."""
    return [str(python), "-m", "DMRIPretrainLib", *words]


def _apart() -> dict[str, Any]:
    """What keeps signals and the end of this process from the new one."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
