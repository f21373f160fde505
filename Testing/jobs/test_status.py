import os
import time
from dataclasses import replace

import pytest

from DMRIPretrainLib.jobs.failures import LOST
from DMRIPretrainLib.jobs.process import ProcessIdentity
from DMRIPretrainLib.jobs.status import JobWatcher, read_status
from DMRIPretrainLib.jobs.worker import introduce, working


def test_a_job_that_nobody_started_has_no_state(job):
    status = read_status(job)
    assert status.state is None
    assert status.is_over
    assert status.fraction is None


def test_states_as_told(job):
    for told in ("stopped", "finished", "failed"):
        job.append("state", state=told)
        assert read_status(job).state == told
        assert read_status(job).is_over
    assert read_status(job).can_resume


def test_running_stopping_and_lost_depend_on_the_process(job):
    with working(job):
        job.append("state", state="running")
        assert read_status(job).state == "running"
        job.request_stop()
        assert read_status(job).state == "stopping"
        assert not read_status(job).is_over
    status = read_status(job)
    assert status.state == "lost"
    assert status.failure == LOST
    assert status.can_resume


def test_a_job_in_the_queue_of_a_cluster_waits(job):
    job.append("state", state="queued")
    assert read_status(job).state == "queued"


def test_a_job_whose_process_died_before_it_began_is_lost(job):
    job.append("state", state="queued")
    own = ProcessIdentity.of(os.getpid())
    introduce(job, own)
    assert read_status(job).state == "queued"
    introduce(job, replace(own, started="never"))  # forgets none that lives
    for path in job.workers.glob("*.json"):
        if "never" not in path.read_text():
            path.unlink()
    assert read_status(job).state == "lost"


def test_a_failure_says_what_to_do(job):
    job.append("failure", code="disk-full", message="the disk is full", action="make space")
    job.append("state", state="failed")
    failure = read_status(job).failure
    assert (failure.code, failure.action) == ("disk-full", "make space")
    job.append("state", state="finished")
    assert read_status(job).failure is None


def test_progress_and_the_best_are_the_latest(job):
    with working(job):
        job.append("state", state="running")
        for step in (1, 2):
            job.append("progress", what=f"step {step}", fraction=step / 4, seconds_left=10 - step)
            job.append("best", step=step, score=step / 10)
        status = read_status(job)
        assert (status.fraction, status.seconds_left) == (0.5, 8)
        assert status.latest["best"]["step"] == 2
    job.append("state", state="finished")
    assert read_status(job).fraction == 1.0
    assert read_status(job).seconds_left is None


def test_a_watcher_knows_the_state_at_once_and_reads_the_story_bit_by_bit(job):
    job.append("state", state="running")
    job.append("metric", name="loss", step=0, value=1.0)
    line = job.events_path.read_bytes().splitlines(keepends=True)[-1]
    job.events_path.write_bytes(job.events_path.read_bytes() + line * 30_000)
    job.append("state", state="finished")
    watcher = JobWatcher(job)
    assert watcher.status().state == "finished"
    first = watcher.read()
    assert watcher.behind
    assert first[0] == {"time": first[0]["time"], "kind": "state", "state": "running"}
    assert watcher.status().state == "finished", "the past does not come back"
    count = len(first)
    while watcher.behind:
        count += len(watcher.read())
    assert count == 30_003
    job.append("state", state="running")
    watcher.read()
    assert watcher.status().state == "lost"


@pytest.mark.parametrize("fields", [{"state": "dancing"}, {"state": None}, {}])
def test_a_state_that_there_is_not_is_none(job, fields):
    job.append("state", **fields)
    assert read_status(job).state is None


def test_nonsense_in_the_events_of_a_stranger_harms_nobody(job):
    job.append("progress", fraction="half", seconds_left=[3])
    job.append("state", state="running")
    status = read_status(job)
    assert status.fraction is None
    assert status.seconds_left is None
    assert status.to_json()["state"] == "lost"
    assert time.time() - status.latest["state"]["time"] < 60
