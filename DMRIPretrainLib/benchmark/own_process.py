"""Run something in a process of its own, to measure its time and memory."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Usage:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: of all its threads and processes; a busy computer changes it less than the time.
        answer: JSON object that it printed last.
    """

    seconds: float
    cpu_seconds: float | None
    answer: dict[str, Any]


def run_measured(module: str, arguments: list[str], threads: int) -> Usage:
    """Run ``python -m MODULE ARGUMENTS`` and read the JSON object of its last line.

    Args:
        module: below ``DMRIPretrainLib.benchmark``.
        arguments: for it.
        threads: of PyTorch and of linear algebra.

    Raises:
        UserError: if it fails; says the last line that it wrote to standard error.
    """
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"{__package__}.{module}", *arguments]
    before, begun = _children_seconds(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds, after = time.monotonic() - begun, _children_seconds()
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(said[-1] if said else f"{module}: ended with {done.returncode} and without a word")
    cpu = None if before is None or after is None else after - before
    return Usage(seconds, cpu, json.loads(done.stdout.splitlines()[-1]))


def peak_memory() -> int | None:
    """Largest main memory in bytes that this process or its largest child has held; None where it cannot be told."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    # A child's figure begins with what its parent held when it forked: where the system tells the peak since this
    # program began, that counts.
    unit = 1 if sys.platform == "darwin" else 1024
    own = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        own = next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), own)
    children = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(own, children)


def _children_seconds() -> float | None:
    """CPU seconds of all children that have ended."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
