from types import SimpleNamespace

import pytest
import torch

import DMRIPretrainLib.training.conductor as module
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.session import StoppedError
from DMRIPretrainLib.training.best import Best
from DMRIPretrainLib.training.conductor import Conductor


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


@pytest.fixture
def saved(monkeypatch) -> list[int]:
    """Steps at which a checkpoint was written."""
    steps: list[int] = []
    monkeypatch.setattr(Conductor, "_keep", lambda conductor, _: steps.append(conductor.step))
    return steps


def a_trainer() -> SimpleNamespace:
    """What a conductor looks at of a trainer."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(should_stop=False, strategy=strategy, world_size=1)


def module_with(loss: float, **parts: float) -> SimpleNamespace:
    losses = {"loss": torch.tensor(loss), **{f"loss {name}": torch.tensor(value) for name, value in parts.items()}}
    return SimpleNamespace(losses=losses, model=torch.nn.Linear(1, 1))


def conductor_of(job: JobFolder, steps: int = 100, interval: int = 10, **options) -> Conductor:
    return Conductor(job, lambda *_: None, steps, interval, **options)


def metrics_of(job: JobFolder) -> dict[tuple[str, int], float]:
    return {(e["name"], e["step"]): e["value"] for e in job.read_events() if e["kind"] == "metric"}


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_is_an_error_where_nothing_is_kept(job, saved, loss):
    conductor = conductor_of(job)
    trainer = a_trainer()
    conductor.on_train_batch_end(trainer, module_with(1.5))
    with pytest.raises(UserError, match=rf"step 2: expected a finite number, found {loss}"):
        conductor.on_train_batch_end(trainer, module_with(loss))
    assert saved == []


def test_the_time_left_is_that_of_the_steps_since_the_start(job, clock, saved):
    """A job that is resumed at step 20 and does two steps a second has 35 seconds to go after ten of them."""
    conductor = conductor_of(job, interval=1000)
    conductor.step = 20
    trainer = a_trainer()
    conductor.on_train_start(trainer, module_with(0.5))
    for _ in range(10):
        clock.now += 0.5
        conductor.on_train_batch_end(trainer, module_with(0.5))
    events = [event for event in job.read_events() if event["kind"] == "progress"]
    assert [event["step"] for event in events] == [24, 28], "not every step is told"
    clock.now += 2
    conductor.on_train_batch_end(trainer, module_with(0.5))
    last = [event for event in job.read_events() if event["kind"] == "progress"][-1]
    assert (last["step"], last["fraction"], last["loss"]) == (31, 0.31, 0.5)
    assert last["seconds_left"] == round(7 / 11 * 69)


def test_losses_of_an_interval_are_means_and_waiting_is_a_share(job, clock, saved):
    """Per step 3 s for data and 1 s of work; the next interval is counted by itself."""
    conductor = conductor_of(job, steps=4, interval=2)
    trainer = a_trainer()
    conductor.on_train_start(trainer, module_with(0.0))
    for waiting in (3.0, 1.0):
        for loss in (0.5, 1.5):
            clock.now += waiting
            conductor.on_train_batch_start(trainer)
            clock.now += 1
            conductor.on_train_batch_end(trainer, module_with(loss * waiting, query=0.25))
    share = "share of time waiting for data"
    assert metrics_of(job) == {
        ("loss", 2): 3.0,
        ("loss query", 2): 0.25,
        (share, 2): 0.75,
        ("loss", 4): 1.0,
        ("loss query", 4): 0.25,
        (share, 4): 0.5,
    }
    assert conductor.losses == {"loss": 1.0, "loss query": 0.25, share: 0.5}
    assert saved == [2, 4]


def test_a_request_to_stop_is_met_after_the_step_with_a_checkpoint(job, saved):
    conductor = conductor_of(job)
    trainer = a_trainer()
    conductor.on_train_batch_end(trainer, module_with(1.0))
    job.request_stop()
    with pytest.raises(StoppedError):
        conductor.on_train_batch_end(trainer, module_with(1.0))
    assert saved == [2]


def test_the_mean_of_an_interval_that_was_stopped_counts_all_its_steps(job, saved):
    first = conductor_of(job, interval=2)
    first.on_train_batch_end(a_trainer(), module_with(1.0))
    second = conductor_of(job, interval=2)
    second.load_state_dict(first.state_dict())
    second.on_train_batch_end(a_trainer(), module_with(2.0))
    assert metrics_of(job)["loss", 2] == 1.5


def test_the_last_step_is_no_stop(job, saved):
    job.request_stop()
    conductor = conductor_of(job, steps=1)
    conductor.on_train_batch_end(a_trainer(), module_with(1.0))
    assert saved == [1]


def test_it_measures_the_start_and_every_interval_and_tells_of_the_best(job, saved):
    scores = iter([0.5, 0.7, 0.6])
    better: list[int] = []
    best = Best(patience=10)
    measure = {"measure": lambda: {"score": next(scores)}, "best": best, "on_better": better.append}
    conductor = conductor_of(job, steps=4, interval=2, **measure)
    trainer = a_trainer()
    conductor.on_train_start(trainer, module_with(1.0))
    for _ in range(4):
        conductor.on_train_batch_end(trainer, module_with(1.0))
    assert {step: value for (name, step), value in metrics_of(job).items() if name == "score"} == {
        0: 0.5,
        2: 0.7,
        4: 0.6,
    }
    assert better == [0, 2]
    assert [(e["step"], e["score"]) for e in job.read_events() if e["kind"] == "best"] == [(0, 0.5), (2, 0.7)]
    assert (best.step, best.score, best.start_score) == (2, 0.7, 0.5)


def test_a_stop_at_the_end_of_an_interval_measures_when_it_goes_on(job, saved):
    measured: list[int] = []

    def measure() -> dict[str, float]:
        measured.append(1)
        return {"score": 0.5}

    first = conductor_of(job, steps=4, interval=2, measure=measure)
    trainer = a_trainer()
    first.on_train_start(trainer, module_with(1.0))
    first.on_train_batch_end(trainer, module_with(1.0))
    job.request_stop()
    with pytest.raises(StoppedError):
        first.on_train_batch_end(trainer, module_with(1.0))
    assert (saved, len(measured)) == ([2], 1)
    second = conductor_of(job, steps=4, interval=2, measure=measure)
    second.load_state_dict(first.state_dict())
    second.on_train_start(a_trainer(), module_with(1.0))
    second.on_train_start(a_trainer(), module_with(1.0))
    assert len(measured) == 2, "once, not again"


def test_it_ends_when_it_does_not_become_better(job, saved):
    conductor = conductor_of(job, interval=1, measure=lambda: {"score": 0.5}, best=Best(patience=2))
    trainer = a_trainer()
    conductor.on_train_start(trainer, module_with(1.0))
    stops = []
    for _ in range(2):
        conductor.on_train_batch_end(trainer, module_with(1.0))
        stops.append(trainer.should_stop)
    assert stops == [False, True]
    again = conductor_of(job, interval=1, measure=lambda: {"score": 0.5}, best=Best(patience=2))
    again.load_state_dict(conductor.state_dict())
    fresh = a_trainer()
    again.on_train_start(fresh, module_with(1.0))
    assert fresh.should_stop, "a run that was killed at its end does not go on"


def test_best_weights_are_copies():
    best = Best(patience=1)
    weights = {"a": torch.zeros(2)}
    assert best.offer(0, {"score": 0.1}, weights)
    weights["a"] += 1
    assert not best.offer(1, {"score": 0.1}, weights)
    assert torch.equal(best.weights["a"], torch.zeros(2))
    other = Best(patience=1)
    other.load_state_dict(best.state_dict())
    assert (other.score, other.is_enough) == (0.1, True)
