"""A job, and a stand-in for the interpreter whose worker does nothing until it is asked to stop."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.process import ProcessIdentity

REPOSITORY = Path(__file__).resolve().parents[2]

_WORKER = f"""#!{sys.executable}
import sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.session import StoppedError, StopSignals, run_session

job = JobFolder(Path(sys.argv[-1]))
signals = StopSignals(job)

def work():
    for step in range(10_000):
        job.append("progress", what=f"step {{step}}", fraction=step / 10_000, seconds_left=1.0)
        if job.stop_requested():
            raise StoppedError
        time.sleep(0.02)

with signals.handled():
    run_session(job, work, signals=signals)
"""


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "study" / "job")
    folder.create({"kind": "sleep", "seed": 3})
    return folder


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """A program to start jobs with in place of Python: its worker waits for the request to stop."""
    path = tmp_path / "python"
    path.write_text(_WORKER)
    path.chmod(0o755)
    return path


@pytest.fixture
def started() -> Iterator[list[ProcessIdentity]]:
    """Processes to put here, which are killed at the end of the test."""
    processes: list[ProcessIdentity] = []
    yield processes
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """``wait_until(condition)`` fails after some seconds."""

    def wait(condition: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.01)

    return wait
