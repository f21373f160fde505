import os
import signal
import subprocess
import sys

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.jobs.worker import BusyError


def start(job, sleeper, started):
    worker = start_job(job, python=sleeper)
    started.append(worker)
    return worker


def test_a_job_runs_in_the_background_and_stops_when_asked(job, sleeper, started, wait_until):
    worker = start(job, sleeper, started)
    assert read_status(job).state in ("queued", "running")
    wait_until(lambda: read_status(job).state == "running" and read_status(job).fraction)
    assert [w.pid for w in read_status(job).workers] == [worker.pid]
    with pytest.raises(BusyError):
        start_job(job, python=sleeper)
    job.request_stop()
    wait_until(lambda: read_status(job).state == "stopped")
    wait_until(lambda: not worker.is_alive())


def test_a_killed_job_is_lost_at_once_and_goes_on(job, sleeper, started, wait_until):
    worker = start(job, sleeper, started)
    wait_until(lambda: read_status(job).state == "running")
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not worker.is_alive())
    assert read_status(job).state == "lost"
    again = start(job, sleeper, started)
    wait_until(lambda: read_status(job).state == "running")
    os.kill(again.pid, signal.SIGTERM)
    wait_until(lambda: read_status(job).state == "stopped")


def test_a_request_to_stop_is_withdrawn_by_starting_again(job, sleeper, started, wait_until):
    job.request_stop()
    start(job, sleeper, started)
    wait_until(lambda: read_status(job).state == "running")
    assert not job.stop_requested()


def test_it_outlives_whoever_started_it(job, sleeper, started, wait_until):
    """Killed with its whole group and its output gone, as when a terminal or Slicer ends."""
    program = (
        "import sys, time; from pathlib import Path; from DMRIPretrainLib.jobs.folder import JobFolder; "
        "from DMRIPretrainLib.jobs.launch import start_job; "
        f"start_job(JobFolder(Path({str(job.path)!r})), python={str(sleeper)!r}); "
        "print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    starter.stdout.readline()
    wait_until(lambda: read_status(job).state == "running")
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    started += read_status(job).workers
    before = read_status(job).fraction
    wait_until(lambda: read_status(job).fraction > before)
    assert read_status(job).state == "running"


def test_an_interpreter_that_cannot_be_started_is_told(job, tmp_path):
    with pytest.raises(UserError, match="check its path"):
        start_job(job, python=tmp_path / "no-python")
    assert read_status(job).state == "failed"
    assert read_status(job).failure.code == "python-missing"


def test_a_worker_that_dies_before_it_begins_is_lost_and_leaves_its_words(job, tmp_path, wait_until):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho torch is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    worker = start_job(job, python=broken)
    wait_until(lambda: not worker.is_alive())
    assert read_status(job).state == "lost"
    assert "torch is broken" in job.log_path.read_text()


def test_a_request_to_stop_that_comes_before_the_worker_has_begun_is_met(job, tmp_path, started, wait_until):
    """By the real command: a pretraining that would go on for long."""
    settings = {"recipe": "autoencoder", "data": ["simulated"], "options": {}, "device": "cpu", "network": "bvm"}
    other = JobFolder(tmp_path / "other")
    other.create({"kind": "pretrain", **settings, "workers": 0, "patch": 16})
    started.append(start_job(other))
    other.request_stop()
    wait_until(lambda: read_status(other).is_over, 120)
    assert read_status(other).state == "stopped", other.log_path.read_text()


def test_the_real_worker_takes_the_job_up(job, started, wait_until):
    """The kind is unknown to it, which it says."""
    started.append(start_job(job))
    wait_until(lambda: "expected a job of the kind" in job.log_path.read_text(), 60)
