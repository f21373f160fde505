"""Further processes that work on a benchmark beside this one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..computer.hardware import usable_cores
from ..jobs.launch import HELPER
from ..jobs.process import end_with_parent


@contextmanager
def helpers(command: Sequence[str], count: int, log: Path) -> Iterator[None]:
    """Have further processes run a command of ours, each with its share of the cores; wait for them at the end.

    They end with this process, however it ends.

    Args:
        command: words after ``dmri-pretrain``.
        count: how many.
        log: gets what they print.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    threads = str(max(1, usable_cores() // (count + 1)))
    variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": threads, HELPER: "1"}
    words = [sys.executable, "-m", "DMRIPretrainLib", *command]
    with log.open("ab") as file:
        processes = [
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=variables)
            for _ in range(count)
        ]
    try:
        yield
    finally:
        for process in processes:
            process.wait()


def is_helper() -> bool:
    """Whether this process is one of them; from then on it ends with the one that started it."""
    helps = bool(os.environ.get(HELPER))
    if helps:
        end_with_parent()
    return helps
