from types import SimpleNamespace

import DMRIPretrainLib.training.callbacks as module
import pytest
import torch
from DMRIPretrainLib.training.callbacks import TellJob, TellLosses

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder


@pytest.fixture
def job(tmp_path) -> JobFolder:
    folder = JobFolder(tmp_path / "job")
    folder.create({"kind": "pretrain"})
    return folder


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """``clock.now`` is the time in seconds."""
    told = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: told.now)
    return told


def trainer_at(step: int, **metrics: float) -> SimpleNamespace:
    """What callbacks look at of a trainer."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    values = {name.replace("__", " "): torch.tensor(value) for name, value in metrics.items()}
    return SimpleNamespace(global_step=step, callback_metrics=values, should_stop=False, strategy=strategy)


def metrics_of(job: JobFolder) -> dict[tuple[str, int], float]:
    return {(e["name"], e["step"]): e["value"] for e in job.read_events() if e["kind"] == "metric"}


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_is_an_error(job, loss):
    teller = TellLosses(job)
    teller.on_train_batch_end(trainer_at(3, loss=1.5))
    with pytest.raises(UserError, match=rf"step 4: expected a finite number, found {loss}"):
        teller.on_train_batch_end(trainer_at(4, loss=loss))


def test_the_time_left_is_that_of_the_steps_since_the_start(job, clock):
    """A job that is resumed at step 20 and does two steps a second has 35 seconds to go after ten of them."""
    teller = TellJob(job, lambda *_: None, steps=100, interval=10)
    teller.on_train_start(trainer_at(20), None)
    clock.now += 5
    trainer = trainer_at(30, loss=0.5)
    teller.on_train_batch_end(trainer)
    (event,) = [event for event in job.read_events() if event["kind"] == "progress"]
    assert (event["step"], event["fraction"], event["seconds_left"], event["loss"]) == (30, 0.3, 35, 0.5)
    assert not trainer.should_stop
    clock.now += 1
    teller.on_train_batch_end(trainer)  # not every step is told
    assert sum(event["kind"] == "progress" for event in job.read_events()) == 1


@pytest.mark.parametrize(("step", "asked", "stops"), [(9, False, False), (10, False, True), (3, True, True)])
def test_training_ends_where_it_should(job, step, asked, stops):
    if asked:
        job.request_stop()
    trainer = trainer_at(step, loss=1.0)
    TellJob(job, lambda *_: None, steps=10, interval=5).on_train_batch_end(trainer)
    assert trainer.should_stop == stops


def test_losses_of_an_interval_are_means_and_waiting_is_a_share(job, clock):
    """Per step 3 s for data and 1 s of work; the next interval is counted by itself."""
    teller = TellLosses(job)
    for last, waiting in ((2, 3.0), (4, 1.0)):
        teller.on_train_epoch_start(trainer_at(last - 2), None)
        for step in (last - 1, last):
            clock.now += waiting
            teller.on_train_batch_start(trainer_at(step - 1))
            clock.now += 1
            teller.on_train_batch_end(trainer_at(step, loss=1.0))
        metrics = {"loss": 0.1 * last, "loss_step": 9.0, "loss_epoch": 0.5 * last, "loss__query_epoch": 0.25}
        teller.on_train_epoch_end(trainer_at(last, **metrics), None)
        clock.now += 60  # validation, checkpoints
    share = "share of time waiting for data"
    assert metrics_of(job) == {
        ("loss", 2): 1.0,
        ("loss query", 2): 0.25,
        (share, 2): 0.75,
        ("loss", 4): 2.0,
        ("loss query", 4): 0.25,
        (share, 4): 0.5,
    }
    assert teller.latest == {"loss": 2.0, "loss query": 0.25, share: 0.5}
