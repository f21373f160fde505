import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from DMRIPretrainLib import cli
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.jobs.worker import working


@pytest.fixture
def jobs(tmp_path) -> Path:
    """A folder with a finished, a failed, a lost and an unusable job."""
    for name, state in (("good", "finished"), ("bad", "failed"), ("gone", "running")):
        job = JobFolder(tmp_path / "jobs" / name)
        job.create({"kind": "finetune", "seed": 3})
        job.append("metric", name="score", step=0, value=0.5)
        job.append("best", step=0, score=0.5)
        if state == "failed":
            job.append("failure", code="disk-full", message="the disk is full", action="make space")
        job.append("state", state=state)
    (tmp_path / "jobs" / "odd").mkdir()
    (tmp_path / "jobs" / "odd" / "job.json").write_text("{")
    return tmp_path / "jobs"


def test_jobs_are_listed_with_their_states(run_command, jobs):
    code, out, _ = run_command("jobs", "list", jobs)
    assert code == 0
    for words in ("finished", "failed", "lost", "unusable"):
        assert words in out


def test_programs_are_told_of_jobs_as_well(run_command, jobs):
    (jobs / "odd" / "job.json").unlink()
    code, out, _ = run_command("jobs", "list", jobs, "--json")
    states = {Path(path).name: content["state"] for path, content in json.loads(out).items()}
    assert (code, states) == (0, {"good": "finished", "bad": "failed", "gone": "lost"})
    code, out, _ = run_command("jobs", "show", jobs / "bad", "--json")
    assert json.loads(out)["failure"]["code"] == "disk-full"
    assert json.loads(out)["specification"]["seed"] == 3


def test_watching_a_job_that_is_over_shows_it_and_ends(run_command, jobs):
    code, out, _ = run_command("jobs", "watch", jobs / "gone")
    assert code == 0
    for words in ("lost", "killed", "score", "0.5000 at step 0", "jobs resume"):
        assert words in out
    assert "make space" in run_command("jobs", "watch", jobs / "bad")[1]


def test_stopping_what_does_not_run_changes_nothing(run_command, jobs):
    code, out, _ = run_command("jobs", "stop", jobs / "good", "--json")
    assert (code, json.loads(out)["state"]) == (0, "finished")
    assert not JobFolder(jobs / "good").stop_requested()


def test_stopping_asks_and_waits(run_command, jobs):
    job = JobFolder(jobs / "gone")
    with working(job):
        assert run_command("jobs", "stop", jobs / "gone", "--no-wait")[0] == 0
        assert job.stop_requested()
        assert read_status(job).state == "stopping"


def test_a_finished_training_is_not_resumed(run_command, jobs):
    code, _, err = run_command("jobs", "resume", jobs / "good")
    assert code == 2
    assert "its result is in" in err
    assert read_status(JobFolder(jobs / "good")).state == "finished"


def test_cleaning_frees_space(run_command, jobs):
    job = JobFolder(jobs / "good")
    job.checkpoints.mkdir()
    (job.checkpoints / "last.ckpt").write_bytes(b"x" * 2_000_000)
    assert "2.0 MB freed" in run_command("jobs", "clean", jobs / "good")[1]


def test_a_script_for_slurm_is_printed_or_written(run_command, jobs, tmp_path):
    code, out, _ = run_command("sbatch", jobs / "good", "--time", "02:00:00")
    assert code == 0
    assert out.startswith("#!/bin/bash\n#SBATCH")
    assert run_command("sbatch", jobs / "good", "--time", "02:00:00", "--out", tmp_path / "job.sh")[0] == 0
    assert (tmp_path / "job.sh").read_text() == out


@pytest.mark.parametrize("command", ["show", "watch", "stop", "resume", "clean"])
def test_what_is_no_job_is_told_in_one_line(run_command, tmp_path, command):
    code, out, err = run_command("jobs", command, tmp_path)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "job.json" in err


def test_a_second_run_of_a_job_at_work_is_refused(jobs):
    job = JobFolder(jobs / "gone")
    with working(job):
        command = [sys.executable, "-m", "DMRIPretrainLib", "run", str(job.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"process {os.getpid()} on" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_library_fails_a_job_with_what_to_do(jobs, tmp_path):
    """A Python in which torch cannot be imported stands for one without it."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    job = JobFolder(jobs / "gone")
    command = [sys.executable, "-m", "DMRIPretrainLib", "run", str(job.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[1])])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert read_status(job).state == "failed"
    assert read_status(job).failure.code == "package-missing"
    assert "install torch" in read_status(job).failure.action


def test_training_in_the_background(run_command, make_dwi, save_dwi, tmp_path):
    """It is there at once, and ends by itself."""
    scan = save_dwi(make_dwi((16, 16, 16), directions=8, snr=30))
    settings = ("--device", "cpu", "--steps", 1, "--patch", 16, "--network", "bvm", "--workers", 0)
    arguments = ("pretrain", "autoencoder", "--data", scan, "--out", tmp_path / "job", *settings)
    begun = time.monotonic()
    code, out, err = run_command(*arguments, "--background", "--json")
    assert code == 0, err
    assert json.loads(out)["job"] == str(tmp_path / "job")
    job = JobFolder(tmp_path / "job")
    while not read_status(job).is_over:
        assert time.monotonic() - begun < 200
        time.sleep(0.1)
    assert read_status(job).state == "finished", job.log_path.read_text()
    assert (job.result / "model.safetensors").is_file()
