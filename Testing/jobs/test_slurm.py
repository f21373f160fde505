import os
import subprocess
import sys

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.session import EXIT_REQUEUE
from DMRIPretrainLib.jobs.slurm import SlurmRequest, sbatch_script


@pytest.fixture
def make(tmp_path):
    def job(**specification):
        folder = JobFolder(tmp_path / "my job")
        folder.create({"kind": "finetune", **specification})
        return folder

    return job


@pytest.fixture
def cluster(tmp_path):
    """Runs a script with stand-ins for srun and scontrol; returns exit code and what they were called with."""

    def run(script, exit_code, **variables):
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        for tool, code in (("srun", exit_code), ("scontrol", 0)):
            told = f'printf "{tool}" >>"$LOG"; printf " [%s]" "$@" >>"$LOG"; echo >>"$LOG"'
            (tools / tool).write_text(f"#!/bin/sh\n{told}\nexit {code}\n")
            (tools / tool).chmod(0o755)
        path, log = tmp_path / "job.sh", tmp_path / "calls"
        path.write_text(script)
        log.write_text("")
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "LOG": str(log), **variables}
        done = subprocess.run(["bash", str(path)], env=environment, check=False)
        return done.returncode, log.read_text().splitlines()

    return run


def test_it_asks_for_what_the_job_needs(make):
    script = sbatch_script(make(devices=2, nodes=3, device="cuda"), SlurmRequest(time="01:00:00", partition="gpu"))
    lines = set(script.splitlines())
    options = "nodes=3", "ntasks-per-node=2", "gpus-per-node=2", "time=01:00:00", "partition=gpu", "signal=USR1@180"
    for option in options:
        assert f"#SBATCH --{option}" in lines
    assert "#SBATCH --requeue" in lines
    assert not any("--account" in line or "--array" in line for line in lines)


def test_a_job_for_the_cpu_asks_for_no_gpu(make):
    assert "gpus" not in sbatch_script(make(device="cpu"), SlurmRequest())


def test_it_runs_the_job_and_hands_its_exit_code_on(make, cluster):
    job = make()
    script = sbatch_script(job, SlurmRequest(), python=sys.executable)
    for code in (0, 1, 2):
        assert cluster(script, code) == (code, [f"srun [{sys.executable}] [-m] [DMRIPretrainLib] [run] [{job.path}]"])


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "7_2"),
    ],
)
def test_a_job_whose_time_ran_out_is_put_into_the_queue_again(make, cluster, variables, name):
    code, calls = cluster(sbatch_script(make(), SlurmRequest()), EXIT_REQUEUE, **variables)
    assert code == 0
    assert calls[1:] == [f"scontrol [requeue] [{name}]"]


def test_an_array_is_for_studies(make):
    with pytest.raises(UserError, match="--array 4"):
        sbatch_script(make(), SlurmRequest(array=4))


def test_a_study_may_be_an_array(tmp_path):
    job = JobFolder(tmp_path / "job")
    job.create({"kind": "predict", "device": "cuda"})
    script = sbatch_script(job, SlurmRequest(array=4, setup=("module load cuda",)))
    assert "#SBATCH --array=0-3" in script
    assert "#SBATCH --gpus-per-node=1" in script
    assert "\nmodule load cuda\n" in script


def test_nothing_can_be_slipped_into_the_script(tmp_path):
    job = JobFolder(tmp_path / "a; touch hacked")
    job.create({"kind": "finetune"})
    script = sbatch_script(job, SlurmRequest(partition="x; touch hacked"))
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "'x; touch hacked'" in script
    with pytest.raises(UserError, match="one line"):
        sbatch_script(job, SlurmRequest(account="a\nrm -rf b"))
