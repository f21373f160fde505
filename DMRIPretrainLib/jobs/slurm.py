"""The script that runs a job on a cluster with SLURM."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .folder import JobFolder
from .session import EXIT_REQUEUE

#: Seconds before the end of its time at which SLURM tells a job, which then keeps its state.
_NOTICE = 180


@dataclass(frozen=True)
class SlurmRequest:
    """What is asked of the cluster.

    Attributes:
        time: limit, as ``sbatch --time`` takes it, such as ``12:00:00``.
        cpus: cores of each process.
        memory: of each machine, such as ``32G``.
        partition: empty for the default one.
        account: empty for the default one.
        array: independent workers of a study.
        setup: shell lines that make the environment ready, such as ``module load cuda``.
    """

    time: str = "12:00:00"
    cpus: int = 4
    memory: str = "32G"
    partition: str = ""
    account: str = ""
    array: int = 1
    setup: tuple[str, ...] = ()


def sbatch_script(job: JobFolder, request: SlurmRequest, python: str | Path = sys.executable) -> str:
    """A script for ``sbatch``; a job whose time runs out is put into the queue again and goes on.

    Args:
        job: an existing job; of a training its ``devices`` and ``nodes`` are asked for.
        request: what else is asked for.
        python: the interpreter on the cluster.

    Raises:
        UserError: if there is no such job, or an array is asked for what is no study.
    """
    specification = job.specification()
    is_study = specification.get("kind") in ("predict", "label")
    if request.array > 1 and not is_study:
        raise UserError(f"--array {request.array}: expected the job of a study, found a training; use --nodes for that")
    wants_gpu = not is_study and not str(specification.get("device", "auto")).startswith("cpu")
    wants_gpu = wants_gpu or (is_study and str(specification.get("device", "cpu")).startswith("cuda"))
    devices = max(1, int(specification.get("devices") or 1))
    nodes = max(1, int(specification.get("nodes") or 1))
    folder = job.path.resolve()
    options = {
        "job-name": folder.name,
        "output": folder / "slurm-%A_%a.txt" if request.array > 1 else folder / "slurm-%j.txt",
        "open-mode": "append",
        "nodes": nodes,
        "ntasks-per-node": devices,
        "cpus-per-task": request.cpus,
        "mem": request.memory,
        "time": request.time,
        "signal": f"USR1@{_NOTICE}",
        "partition": request.partition,
        "account": request.account,
        "gpus-per-node": devices if wants_gpu else "",
        "array": f"0-{request.array - 1}" if request.array > 1 else "",
    }
    lines = [f"#SBATCH --{name}={_checked(value)}" for name, value in options.items() if value != ""]
    run = f"srun {shlex.quote(str(python))} -m DMRIPretrainLib run {shlex.quote(str(folder))}"
    return "\n".join(
        [
            "#!/bin/bash",
            *lines,
            "#SBATCH --requeue",
            "",
            *request.setup,
            "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}",
            run,
            "code=$?",
            "# Its time ran out: it has kept its state and goes on when its turn comes again.",
            f"if [ $code -eq {EXIT_REQUEUE} ]; then",
            '    scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"',
            "    code=0",
            "fi",
            "exit $code",
            "",
        ]
    )


def _checked(value: object) -> str:
    text = str(value)
    if "\n" in text:
        raise UserError(f"{text!r}: expected one line, found several; choose another name")
    return shlex.quote(text)
