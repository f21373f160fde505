import errno
import os
import signal

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.session import (
    EXIT_REQUEUE,
    LeftToOthersError,
    RequeueError,
    StoppedError,
    StopSignals,
    run_session,
    told_to,
)
from DMRIPretrainLib.jobs.worker import live_workers


def states(job):
    return [event["state"] for event in job.read_events() if event["kind"] == "state"]


def failing(error):
    def run():
        raise error

    return run


def test_what_is_returned_comes_back_and_the_job_is_finished(job):
    assert run_session(job, lambda: [w.pid for w in live_workers(job)]) == [os.getpid()]
    assert states(job) == ["running", "finished"]
    assert live_workers(job) == []


def test_a_stopped_run_returns_what_there_is(job):
    assert run_session(job, failing(StoppedError("half"))) == "half"
    assert states(job)[-1] == "stopped"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupted_run_is_stopped(job, error):
    with pytest.raises(KeyboardInterrupt):
        run_session(job, failing(error))
    assert states(job)[-1] == "stopped"
    assert "Traceback" not in job.log_path.read_text()


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("a: b"), "input"), (MemoryError(), "out-of-memory"), (OSError(errno.ENOSPC, "No space"), "disk-full")],
)
def test_a_failure_is_told_with_what_to_do_and_its_traceback_logged(job, error, code):
    with pytest.raises(UserError):
        run_session(job, failing(error))
    (failure,) = [event for event in job.read_events() if event["kind"] == "failure"]
    assert failure["code"] == code
    assert failure["action"]
    assert states(job)[-1] == "failed"
    assert "Traceback" in job.log_path.read_text()


def test_what_nobody_expected_is_raised_as_it_is(job):
    with pytest.raises(ZeroDivisionError):
        run_session(job, failing(ZeroDivisionError("a bug")))
    assert states(job)[-1] == "failed"


def test_who_leaves_the_rest_to_others_says_nothing(job):
    assert run_session(job, failing(LeftToOthersError()), alone=False) is None
    assert states(job) == ["running"]


def test_helpers_say_nothing_of_the_state(job):
    assert run_session(job, lambda: 3, alone=False, tell=False) == 3
    assert states(job) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(job, number):
    said = []
    before = signal.getsignal(number)
    with StopSignals(job, said.append).handled():
        signal.raise_signal(number)
        assert job.stop_requested()
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_the_notice_of_a_cluster_puts_the_job_into_the_queue_again(job):
    signals = StopSignals(job)

    def work():
        signal.raise_signal(signal.SIGUSR1)
        assert job.stop_requested()
        raise StoppedError

    with signals.handled(), pytest.raises(RequeueError) as caught:
        run_session(job, work, signals=signals)
    assert caught.value.code == EXIT_REQUEUE
    assert states(job) == ["running", "stopped", "queued"]
    assert not job.stop_requested()


def test_a_job_that_finishes_after_the_notice_is_finished(job):
    signals = StopSignals(job)
    with signals.handled():
        run_session(job, lambda: signal.raise_signal(signal.SIGUSR1), signals=signals)
    assert states(job)[-1] == "finished"


def test_reading_is_told_now_and_then_and_may_be_stopped(job):
    told = []

    def pause():
        if job.stop_requested():
            raise StoppedError

    tell = told_to(job, lambda what, fraction: told.append(what), pause)
    for number in range(100):
        tell(f"reading {number}", number / 100)
    assert len(told) == 100
    assert [e["what"] for e in job.read_events() if e["kind"] == "progress"] == ["reading 0"]
    job.request_stop()
    tell("step 3 of 4", 0.75)  # steps are stopped by who leads them
    with pytest.raises(StoppedError):
        tell("reading 100", 1.0)
