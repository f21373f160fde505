"""Options and output that the commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .errors import UserError
from .files import plain_json, to_json

if TYPE_CHECKING:
    from .jobs.folder import JobFolder

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
BackgroundOption = Annotated[
    bool, typer.Option("--background", help="Run in a process of its own that outlives this one; see jobs watch.")
]
DevicesOption = Annotated[int, typer.Option(min=0, help="Devices on each machine; 0 takes all GPUs.")]
NodesOption = Annotated[int, typer.Option(min=1, help="Machines; start run on each with torchrun or srun.")]
WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Processes that work on a study side by side.")]
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


def absolute(path: Path | None) -> str | None:
    """For ``job.json``, which is read from other folders."""
    return str(path.absolute()) if path else None


def begin(
    specification: dict[str, Any],
    out: Path,
    *,
    background: bool,
    as_json: bool,
    resume: bool = False,
    is_study: bool = False,
) -> None:
    """Make a job, and run it here or in the background; that of a study is gone on with if it is there.

    Raises:
        UserError: if the folder holds another job, or from the run.
    """
    from .jobs.folder import JobFolder
    from .jobs.launch import start_job

    job = JobFolder(out)
    is_same = job.specification_path.exists() and job.specification() == plain_json(specification)
    job.create(specification, resume=resume or (is_study and is_same))
    if not background:
        run_here(job, as_json)
        return
    worker = start_job(job)
    following = f"dmri-pretrain jobs watch {out}"
    show({"job": str(out), "process": worker.pid, "watch": following}, as_json, title="started in the background")


def run_here(job: "JobFolder", as_json: bool) -> None:
    """Run a job in this process and tell what became of it."""
    from .jobs.folder import is_first_process
    from .jobs.kinds import run_kind
    from .jobs.session import StopSignals

    signals = StopSignals(job, console.messages.print)
    with console.progress_bar(str(job.specification().get("kind", "job"))) as progress, signals.handled():
        content = run_kind(job, progress, signals)
    if is_first_process() and content:
        show(content, as_json, title=f"job {job.path}: {content.get('state')}")
    if content.get("failed"):
        raise UserError(
            f"{job.path}: {content['failed']} of {content['failed'] + content['done']} scans cannot be used; "
            f"{content['table']} says why; mend them and run the job again"
        )
