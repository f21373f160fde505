"""Further processes that share the work of this one, each with its share of the cores."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..computer.hardware import usable_cores
from .launch import own_command, with_package
from .process import end_with_parent

#: Set in the environment of these processes.
_HELPER = "DMRI_PRETRAIN_HELPER"


@contextmanager
def helpers(words: Sequence[str], count: int, log: Path) -> Iterator[None]:
    """Have further processes run a command of ours; wait for them at the end.

    They end with this process, however it ends.

    Args:
        words: what follows ``dmri-pretrain``.
        count: how many.
        log: gets what they print.
    """
    threads = str(max(1, usable_cores() // (count + 1)))
    variables = with_package(os.environ) | {_HELPER: "1", "OMP_NUM_THREADS": threads}
    with log.open("ab") as file:
        processes = [
            subprocess.Popen(own_command(words), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=variables)
            for _ in range(count)
        ]
    try:
        yield
    finally:
        for process in processes:
            process.wait()


def is_helper() -> bool:
    """Whether this process is one of them; from then on it ends with the one that started it."""
    helps = bool(os.environ.get(_HELPER))
    if helps:
        end_with_parent()
    return helps
