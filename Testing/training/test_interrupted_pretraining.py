import itertools
import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.networks.model_file import load_model
from DMRIPretrainLib.training.settings import PretrainSettings
from Testing.training.finished_jobs import assert_same_weights, weights_of
from Testing.training.short_pretraining import INTERVAL, each_step, run, settings_for

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("step", "workers"), [(1, 0), (4, 0), (4, 1)])
def test_an_interrupted_run_loses_an_interval_at_most(two_scans, unbroken, tmp_path, step, workers):
    """Workers begin with the examples of an interval before the trainer does."""
    settings = settings_for(two_scans, workers=workers)

    def interrupt(number: int) -> None:
        if number == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "job", settings, each_step(interrupt))
    assert JobFolder(tmp_path / "job").told_state() == "stopped"
    steps: list[int] = []
    job = run(tmp_path / "job", settings, each_step(steps.append))
    assert steps == list(range(step - (step % INTERVAL or INTERVAL) + 1, 6))
    assert_same_weights(weights_of(job), weights_of(unbroken))


def test_a_torn_checkpoint_is_not_taken_for_one(two_scans, unbroken, tmp_path, monkeypatch):
    """Power goes while the second checkpoint is written; the first one counts."""
    save, number = torch.save, itertools.count(1)

    def torn(content, file) -> None:
        save(content, file)
        if next(number) == 2:
            file.truncate(1000)
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(torch, "save", torn)
        run(tmp_path / "job", settings_for(two_scans))
    steps: list[int] = []
    job = run(tmp_path / "job", settings_for(two_scans), each_step(steps.append))
    assert steps == [3, 4, 5]
    assert_same_weights(weights_of(job), weights_of(unbroken))


def test_a_stop_file_ends_the_run_with_a_usable_model_and_it_goes_on(two_scans, unbroken, tmp_path):
    path = tmp_path / "job"
    job = run(
        path, settings_for(two_scans), each_step(lambda step: JobFolder(path).request_stop() if step == 3 else None)
    )
    assert job.told_state() == "stopped"
    assert load_model(job.result / "model.safetensors")[1].settings["steps_done"] == 3
    job = run(path, settings_for(two_scans))
    assert job.told_state() == "finished"
    assert_same_weights(weights_of(job), weights_of(unbroken))


def run_and_note(folder: Path, settings: PretrainSettings) -> None:
    """Pretrain, or go on, and write every step that was done to a file at once."""
    with (folder.parent / "steps").open("a", buffering=1) as file:
        run(folder, settings, each_step(lambda step: file.write(f"{step}\n")))


def steps_of(folder: Path) -> list[int]:
    path = folder.parent / "steps"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def begin() -> Iterator[Callable[[Path, PretrainSettings], BaseProcess]]:
    """``begin(folder, settings)`` starts a run in a process of its own, forked from one that has all imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["DMRIPretrainLib.training.pretrain", "DMRIPretrainLib.training.scan_source"])
    started: list[BaseProcess] = []

    def start(folder: Path, settings: PretrainSettings) -> BaseProcess:
        process = context.Process(target=run_and_note, args=(folder, settings))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def kill_after(process: BaseProcess, folder: Path, steps: int, delay: float) -> None:
    """Kill a run some time after it has done so many steps."""
    done = len(steps_of(folder))
    while process.is_alive() and len(steps_of(folder)) < done + steps:
        time.sleep(0.01)
    process.join(delay)
    process.kill()
    process.join()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(two_scans, tmp_path, begin, seed):
    settings = settings_for(two_scans, steps=12, interval=3, workers=1)
    whole, broken = tmp_path / "whole" / "job", tmp_path / "broken" / "job"
    whole.parent.mkdir()
    broken.parent.mkdir()
    process = begin(whole, settings)
    process.join()
    assert process.exitcode == 0
    assert steps_of(whole) == list(range(1, 13))

    chance = random.Random(seed)
    lost = []
    for _ in range(4):
        process = begin(broken, settings)
        before = steps_of(broken)
        kill_after(process, broken, chance.randint(0, 3), chance.uniform(0, 1))
        assert process.exitcode in (-signal.SIGKILL, 0)
        fresh = steps_of(broken)[len(before) :]
        if before and fresh:
            lost.append(before[-1] - (fresh[0] - 1))
    before = steps_of(broken)
    process = begin(broken, settings)
    process.join()
    assert process.exitcode == 0
    lost += [before[-1] - (step - 1) for step in steps_of(broken)[len(before) :][:1]]
    assert lost  # the run went on from a checkpoint at least once
    assert all(0 <= count <= settings.interval for count in lost)
    assert steps_of(broken)[-1] == 12
    assert_same_weights(weights_of(JobFolder(broken)), weights_of(JobFolder(whole)))
    assert JobFolder(broken).told_state() == "finished"
