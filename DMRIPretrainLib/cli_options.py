"""Options and output that the commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from . import console
from .errors import UserError
from .files import to_json

ScanArgument = Annotated[
    Path, typer.Argument(help="NIfTI with bval/bvec beside it, DWI NRRD, or a folder with one scan.")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
MaskOption = Annotated[Path | None, typer.Option(help="Brain mask; by default found beside the scan or computed.")]
BvalOption = Annotated[Path | None, typer.Option(help="b-values, where they are not beside the scan.")]
BvecOption = Annotated[Path | None, typer.Option(help="b-vectors (FSL), where they are not beside the scan.")]
TaskOption = Annotated[
    list[str] | None, typer.Option("--task", "-t", help="segmentation, crossings or orientation; repeat for several.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
B0Option = Annotated[float, typer.Option(help="Volumes up to this b-value (s/mm²) count as b0.")]


def chosen_tasks(names: list[str] | None) -> tuple[str, ...]:
    """The tasks that a user names, or all, in their usual order.

    Raises:
        UserError: if one is unknown.
    """
    known = ("segmentation", "crossings", "orientation")
    for name in names or ():
        if name not in known:
            raise UserError(f"--task {name}: expected {', '.join(known)}; choose one of them")
    return tuple(task for task in known if not names or task in names)


def show(content: dict[str, Any], as_json: bool, title: str) -> None:
    """Print what a command has found."""
    if as_json:
        print(to_json(content, indent=2))  # noqa: T201
    else:
        console.output.print(console.tree(title, content))
