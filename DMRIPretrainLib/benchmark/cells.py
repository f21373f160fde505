"""Pieces of work that are done once, by whichever process comes first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import plain_json, write_json
from ..jobs.folder import read_json
from ..jobs.lock import locked

_PLAN = "plan.json"


def keep_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Write what a folder is for, or see that it is for the same.

    Raises:
        UserError: if it is for something else, or cannot be written to.
    """
    path, wanted = folder / _PLAN, plain_json(plan)
    if not path.is_file():
        write_json(path, wanted)
    elif read_json(path, "the plan of a benchmark") != wanted:
        raise UserError(f"{folder}: expected the benchmark that was asked for, found another; choose another --out")


def once(path: Path, work: Callable[[], dict[str, Any]]) -> None:
    """Do a piece of work and keep what came of it, unless it is there or another process is at it."""
    if path.is_file():
        return
    with locked(path.with_suffix(".lock")) as mine:
        if mine and not path.is_file():
            write_json(path, work())


def read_cell(path: Path) -> dict[str, Any] | None:
    """What came of a piece of work; None where it is not done."""
    return read_json(path, "a cell of a benchmark") if path.is_file() else None
