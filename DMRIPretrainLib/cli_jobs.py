"""Commands for jobs: ``run``, ``jobs ...`` and ``sbatch``."""

import time
from pathlib import Path
from typing import Annotated

import typer

from . import console
from .cli_options import JsonOption, run_here, show
from .errors import UserError
from .files import atomic_path
from .jobs.folder import JobFolder
from .jobs.launch import start_job
from .jobs.listing import clean_up, find_jobs
from .jobs.slurm import SlurmRequest, sbatch_script
from .jobs.status import JobWatcher, read_status

jobs = typer.Typer(name="jobs", help="List, watch, stop and resume jobs.", no_args_is_help=True)

JobArgument = Annotated[Path, typer.Argument(help="Job folder.")]
_SECONDS_BETWEEN_LOOKS = 0.5


def run(job: JobArgument, json: JsonOption = False) -> None:
    """Run, or go on with, the job in a folder, here and now.

    Example: dmri-pretrain run job
    """
    folder = JobFolder(job)
    # Of a job that waited in a queue, whoever asked it to stop meant this run, not a former one.
    if folder.told_state() != "queued":
        folder.create(folder.specification(), resume=True)
    run_here(folder, json)


@jobs.command("list")
def list_jobs(
    folder: Annotated[Path, typer.Argument(help="Folder with jobs, at any depth.")] = Path(),
    json: JsonOption = False,
) -> None:
    """List the jobs in a folder.

    Example: dmri-pretrain jobs list studies
    """
    from .job_views import job_table

    found = find_jobs(folder)
    if json:
        show({str(job.path): read_status(job).to_json() for job in found}, json, title="")
    else:
        console.output.print(job_table(found))


@jobs.command("show")
def show_job(job: JobArgument, json: JsonOption = False) -> None:
    """Say what a job is, how it goes, and what came of it.

    Example: dmri-pretrain jobs show job
    """
    folder = JobFolder(job)
    content = {**folder.description(), **read_status(folder).to_json()}
    if not json:
        content["inputs"] = f"{len(content.get('inputs', []))} files, with checksums in job.json"
    show(content, json, title=str(job))


@jobs.command("watch")
def watch(job: JobArgument) -> None:
    """Follow a job live until it is over; Ctrl-C ends the view, not the job.

    Example: dmri-pretrain jobs watch job
    """
    from .job_views import follow

    folder = JobFolder(job)
    folder.specification()
    follow(JobWatcher(folder), job, _SECONDS_BETWEEN_LOOKS)


@jobs.command("stop")
def stop(
    job: JobArgument,
    wait: Annotated[bool, typer.Option(help="Wait until it has stopped.")] = True,
    json: JsonOption = False,
) -> None:
    """Ask a job to stop after its step; it keeps its state and the best model so far.

    Example: dmri-pretrain jobs stop job
    """
    folder = JobFolder(job)
    folder.specification()
    if not read_status(folder).is_over:
        folder.request_stop()
    while wait and not (status := read_status(folder)).is_over and status.workers:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    show(read_status(folder).to_json() if json else {"state": read_status(folder).state}, json, title=str(job))


@jobs.command("resume")
def resume(job: JobArgument, json: JsonOption = False) -> None:
    """Go on with a job in the background.

    Example: dmri-pretrain jobs resume job
    """
    folder = JobFolder(job)
    is_study = folder.specification().get("kind") in ("predict", "label")
    if read_status(folder).state == "finished" and not is_study:
        raise UserError(f"{job}: expected a job that is not finished, found one that is; its result is in {job}/result")
    worker = start_job(folder)
    show({"job": str(job), "process": worker.pid, "watch": f"dmri-pretrain jobs watch {job}"}, json, title="resumed")


@jobs.command("clean")
def clean(
    job: JobArgument,
    everything: Annotated[bool, typer.Option("--all", help="Delete the whole folder, result included.")] = False,
) -> None:
    """Delete the checkpoints and pictures of a job that is over; its result stays.

    Example: dmri-pretrain jobs clean job
    """
    freed = clean_up(JobFolder(job), everything=everything)
    console.output.print(f"{job}: {freed / 1e6:.1f} MB freed", highlight=False, soft_wrap=True)


def sbatch(
    job: JobArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the script here, not to the screen.")] = None,
    time_limit: Annotated[str, typer.Option("--time", help="Limit, as sbatch takes it.")] = "12:00:00",
    cpus: Annotated[int, typer.Option(min=1, help="Cores of each process.")] = 4,
    memory: Annotated[str, typer.Option(help="Of each machine.")] = "32G",
    partition: Annotated[str, typer.Option(help="By default that of the cluster.")] = "",
    account: Annotated[str, typer.Option(help="By default yours.")] = "",
    array: Annotated[int, typer.Option(min=1, help="Independent workers of a study.")] = 1,
    setup: Annotated[list[str] | None, typer.Option(help="Shell line to make ready; repeat for more.")] = None,
) -> None:
    """Write a SLURM script for a job; when its time runs out, it queues again and goes on.

    Example: dmri-pretrain sbatch job --time 24:00:00 --setup "module load cuda" > job.sh; sbatch job.sh
    """
    request = SlurmRequest(time_limit, cpus, memory, partition, account, array, tuple(setup or ()))
    script = sbatch_script(JobFolder(job), request)
    if out is None:
        print(script, end="")  # noqa: T201
        return
    with atomic_path(out) as temporary:
        temporary.write_text(script, encoding="utf-8")
    console.output.print(f"wrote {out}; hand it in with: sbatch {out}", highlight=False, soft_wrap=True)
