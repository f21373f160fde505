import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.process import ProcessIdentity
from DMRIPretrainLib.jobs.worker import BusyError, introduce, live_workers, refuse_if_busy, working

WORK = """
import sys, time
from pathlib import Path
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.worker import working
with working(JobFolder(Path(sys.argv[1])), alone=sys.argv[2] == "alone"):
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def begin(job):
    """``begin("alone")`` or ``begin("shared")`` starts a process that works on the job."""
    processes = []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(job.path), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_worker_is_known_while_it_works(job):
    assert live_workers(job) == []
    with working(job):
        assert live_workers(job) == [ProcessIdentity.of(os.getpid())]
        refuse_if_busy(job)  # it does not stand in its own way
    assert live_workers(job) == []


def test_a_second_worker_is_refused_until_the_first_is_gone(job, begin):
    process, _ = begin("alone")
    with pytest.raises(BusyError, match=f"process {process.pid} on"), working(job):
        pass
    second, told = begin("alone")
    assert told == ""
    assert "BusyError" in second.communicate()[1]
    process.kill()
    process.wait()
    with working(job):
        assert [worker.pid for worker in live_workers(job)] == [os.getpid()]
        assert len(list(job.workers.glob("*.json"))) == 1, "the dead are forgotten"


def test_workers_of_a_study_work_together(job, begin):
    pids = {begin("shared")[0].pid for _ in range(2)}
    with working(job, alone=False):
        assert {worker.pid for worker in live_workers(job)} == {*pids, os.getpid()}


def elsewhere() -> ProcessIdentity:
    return replace(ProcessIdentity.of(os.getpid()), host="node17")


def test_a_worker_on_another_machine_lives_as_long_as_it_is_heard_of(job):
    path = introduce(job, elsewhere())
    assert live_workers(job) == [elsewhere()]
    with pytest.raises(BusyError, match="on node17"), working(job):
        pass
    silent = time.time() - 600
    os.utime(path, (silent, silent))
    assert live_workers(job) == []
    with working(job):
        pass


def test_a_beat_is_felt(job, monkeypatch):
    monkeypatch.setattr("DMRIPretrainLib.jobs.worker._SECONDS_BETWEEN_BEATS", 0.01)
    with working(job):
        (path,) = job.workers.glob("*.json")
        os.utime(path, (0, 0))
        time.sleep(0.3)
        assert time.time() - path.stat().st_mtime < 5


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"pid": 1}), "x" * 20_000])
def test_other_files_are_no_workers(job, content):
    job.workers.mkdir()
    (job.workers / "a.json").write_text(content)
    assert live_workers(job) == []


def test_a_link_is_no_worker(job, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(ProcessIdentity.of(os.getpid()).to_json()))
    job.workers.mkdir()
    (job.workers / "a.json").symlink_to(tmp_path / "own.json")
    assert live_workers(JobFolder(job.path)) == []
