import itertools
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.networks.model import Architecture, HeadSpec
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, load_model, save_model
from DMRIPretrainLib.pretext.registry import RECIPES
from DMRIPretrainLib.progress import Progress, silent
from DMRIPretrainLib.simulation.export import save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.registry import default_head
from DMRIPretrainLib.training.finetune import finetune
from DMRIPretrainLib.training.pretrain import pretrain
from DMRIPretrainLib.training.pretraining import Pretraining
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings

INTERVAL = 2


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The number of threads, which a run sets, changes the last digits."""
    patched = pytest.MonkeyPatch()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    patched.setattr(torch, "set_num_threads", lambda _: None)
    yield
    patched.undo()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def scans(make_dwi, tmp_path_factory) -> Path:
    """Folder with two small scans of different tables."""
    folder = tmp_path_factory.mktemp("scans")
    for seed, bvalues in enumerate([(1000.0,), (1000.0, 2000.0)]):
        scan = make_dwi((18, 20, 17), bvalues=bvalues, directions=12, snr=20, seed=seed)
        save_scan(folder / f"scan{seed}.nii", scan)
    return folder


def settings_for(scans: Path, **changes) -> PretrainSettings:
    """The recipe ``masked`` learns something beside the model, which checkpoints must keep too."""
    usual = PretrainSettings(
        "masked", (str(scans),), {}, steps=5, interval=INTERVAL, batch=2, patch=16, device="cpu", workers=0
    )
    return replace(usual, **changes)


def run(folder: Path, settings: PretrainSettings, progress: Progress = silent) -> JobFolder:
    job = JobFolder(folder)
    job.create(settings.to_json(), resume=folder.exists())
    pretrain(settings, job, progress)
    return job


def weights_of(job: JobFolder) -> dict[str, torch.Tensor]:
    return load_file(job.result / "model.safetensors")


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def events(job: JobFolder, kind: str) -> list[dict]:
    return [event for event in job.read_events() if event["kind"] == kind]


def each_step(act: Callable[[int], None]) -> Progress:
    """A listener that does something after every step."""

    def listen(step: str, _: float) -> None:
        if step.startswith("step "):
            act(int(step.split()[1]))

    return listen


@pytest.fixture(scope="module")
def unbroken(scans, tmp_path_factory) -> JobFolder:
    """A finished job of five steps, with checkpoints after the second, the fourth and the last."""
    return run(tmp_path_factory.mktemp("unbroken") / "job", settings_for(scans))


def test_settings_survive_json(scans):
    settings = settings_for(scans, recipe="distortion", options={"strength": "light"}, data=(str(scans), "simulated"))
    assert PretrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize("content", [{}, {"recipe": "masked"}, {"kind": "finetune", "cases": "x", "tasks": ["y"]}])
def test_foreign_specifications_are_refused(content):
    with pytest.raises(UserError, match="pretraining job"):
        PretrainSettings.from_json(content)


def test_the_same_run_gives_the_same_weights(scans, unbroken, tmp_path):
    again = run(tmp_path / "again", settings_for(scans))
    assert_same_weights(weights_of(again), weights_of(unbroken))
    other = weights_of(run(tmp_path / "other", settings_for(scans, seed=1, steps=1)))
    difference = (other["adapter.first.weight"] - weights_of(unbroken)["adapter.first.weight"]).abs().max()
    assert difference > 0.05  # more than five steps at 1e-3 can do: other weights to begin with


def test_job_folder_tells_the_whole_story(scans, unbroken):
    specification = json.loads(unbroken.specification_path.read_text())["specification"]
    assert PretrainSettings.from_json(specification) == settings_for(scans)
    assert [event["state"] for event in events(unbroken, "state")] == ["running", "finished"]
    metrics = {(event["name"], event["step"]): event["value"] for event in events(unbroken, "metric")}
    for step in (2, 4, 5):
        parts = [value for (name, at), value in metrics.items() if at == step and name.startswith("loss ")]
        assert len(parts) > 1
        assert metrics["loss", step] == pytest.approx(sum(parts), rel=1e-4)
        assert 0 < metrics["share of time waiting for data", step] < 1
    (result,) = events(unbroken, "result")
    assert result["path"] == "result/model.safetensors"
    assert result["steps"] == 5


def test_waiting_for_data_is_told(scans, tmp_path, monkeypatch):
    """A source that takes most of the time is seen to."""
    from DMRIPretrainLib.training.scan_source import ScanSource

    draw = ScanSource.draw

    def slow_draw(source, generator):
        time.sleep(1.0)
        return draw(source, generator)

    monkeypatch.setattr(ScanSource, "draw", slow_draw)
    job = run(tmp_path / "job", settings_for(scans, network="bvm", steps=2, interval=2))
    (share,) = [e["value"] for e in events(job, "metric") if e["name"] == "share of time waiting for data"]
    assert share > 0.5


def test_model_knows_what_it_is_and_how_it_was_made(scans, unbroken):
    model, card = load_model(unbroken.result / "model.safetensors")
    assert model.architecture.network == "tiny"
    assert model.architecture.reconstruction
    assert card.recipe == "masked"
    assert card.training_data == [f"{scans.name}/scan0.nii", f"{scans.name}/scan1.nii"]
    assert card.settings["patch"] == 16
    assert card.settings["steps_done"] == 5
    assert np.isfinite(card.metrics["loss"])


@pytest.mark.parametrize(("step", "workers"), [(1, 0), (4, 0), (4, 1)])
def test_an_interrupted_run_loses_an_interval_at_most(scans, unbroken, tmp_path, step, workers):
    """Workers begin with the examples of an interval before the trainer does."""
    settings = settings_for(scans, workers=workers)

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


def test_a_torn_checkpoint_is_not_taken_for_one(scans, unbroken, tmp_path, monkeypatch):
    """Power goes while the second checkpoint is written; the first one counts."""
    save, number = torch.save, itertools.count(1)

    def torn(content, file) -> None:
        save(content, file)
        if next(number) == 2:
            file.truncate(1000)
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(torch, "save", torn)
        run(tmp_path / "job", settings_for(scans))
    steps: list[int] = []
    job = run(tmp_path / "job", settings_for(scans), each_step(steps.append))
    assert steps == [3, 4, 5]
    assert_same_weights(weights_of(job), weights_of(unbroken))


def test_a_stop_file_ends_the_run_with_a_usable_model_and_it_goes_on(scans, unbroken, tmp_path):
    path = tmp_path / "job"
    job = run(path, settings_for(scans), each_step(lambda step: JobFolder(path).request_stop() if step == 3 else None))
    assert job.told_state() == "stopped"
    assert load_model(job.result / "model.safetensors")[1].settings["steps_done"] == 3
    job = run(path, settings_for(scans))
    assert job.told_state() == "finished"
    assert_same_weights(weights_of(job), weights_of(unbroken))


def test_a_run_can_start_from_another_one(scans, unbroken, tmp_path):
    start = unbroken.result / "model.safetensors"
    job = run(tmp_path / "job", settings_for(scans, recipe="autoencoder", start=str(start), steps=1))
    drift = [
        (tensor - weights_of(unbroken)[name]).abs().max().item()
        for name, tensor in weights_of(job).items()
        if name in weights_of(unbroken) and tensor.is_floating_point()
    ]
    assert 0 < max(drift) < 2e-3  # one step at a learning rate of 1e-3
    with pytest.raises(UserError, match="--network tiny"):
        run(tmp_path / "other", settings_for(scans, start=str(start), network="bvm"))


def weights_before_training(monkeypatch, folder: Path, settings: PretrainSettings) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}

    def stop(_: L.Trainer, module: Pretraining, *args, **options) -> None:
        found.update(module.model.state_dict())
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(L.Trainer, "fit", stop)
        run(folder, settings)
    return found


def test_a_run_goes_on_from_the_weights_of_another_model(scans, tmp_path, monkeypatch):
    """Heads that it lacks, or that answer with other labels, begin anew."""
    torch.manual_seed(8)
    lesions = HeadSpec("segmentation", ("background", "lesion"), ((0, 0, 0), (255, 0, 0)), (0, 1))
    heads = (lesions, default_head("crossings"), default_head("orientation"))
    start = build_model(Architecture("tiny", heads, reconstruction=True))
    with torch.no_grad():
        for parameter in start.parameters():  # some start as zero
            parameter.add_(0.01)
    save_model(tmp_path / "start.safetensors", start, ModelCard())
    known, settings = start.state_dict(), settings_for(scans, recipe="simulated", data=("simulated",))
    options = {"start": str(tmp_path / "start.safetensors")}
    fresh = weights_before_training(monkeypatch, tmp_path / "fresh", settings)
    found = weights_before_training(monkeypatch, tmp_path / "job", replace(settings, **options))
    assert found.keys() == fresh.keys()
    same = {name for name, weight in found.items() if name in known and weight.shape == known[name].shape}
    assert found.keys() - same == {n for n in found if n.startswith("heads.segmentation.layers.4.")} != set()
    for name, weight in found.items():
        assert torch.equal(weight, known[name] if name in same else fresh[name]), name
    assert any(name.startswith("fodf.") for name in same)


@pytest.mark.parametrize("other", [Architecture("base", reconstruction=True), Architecture("tiny", skips=False)])
def test_a_model_of_another_network_is_no_start(scans, tmp_path, other):
    path = tmp_path / "other.safetensors"
    save_model(path, build_model(other), ModelCard())
    with pytest.raises(UserError, match=f"expected a tiny network with skips, found {other.network} with") as caught:
        run(tmp_path / "job", settings_for(scans, start=str(path)))
    assert str(path) in str(caught.value)
    assert JobFolder(tmp_path / "job").told_state() == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(scans, tmp_path, monkeypatch, value):
    """At once, with a line that says so, and without a model; the last checkpoint stays."""
    step, number = Pretraining.training_step, itertools.count(1)

    def broken(module: Pretraining, batch, index: int) -> torch.Tensor:
        loss = step(module, batch, index)
        if next(number) < 3:
            return loss
        module.losses["loss"] = loss.detach() * value
        return loss * value

    monkeypatch.setattr(Pretraining, "training_step", broken)
    steps: list[int] = []
    with pytest.raises(UserError, match=rf"loss at step 3: expected a finite number, found {value}; .*float32"):
        run(tmp_path / "job", settings_for(scans), each_step(steps.append))
    job = JobFolder(tmp_path / "job")
    assert steps == [1, 2]
    assert job.told_state() == "failed"
    assert f"found {value}" in events(job, "failure")[0]["message"]
    assert not (job.result / "model.safetensors").exists()
    assert (job.checkpoints / "last.ckpt").is_file()


def test_finetuning_starts_from_a_pretrained_model(unbroken, tmp_path):
    phantom = simulate_brain((16, 16, 16), seed=0)
    save_scan(tmp_path / "dwi.nii", simulate_signal(phantom, make_gradient_table([(1000, 12)], 2), seed=0))
    save_truth(tmp_path / "truth", phantom)
    settings = FinetuneSettings(
        str(tmp_path / "dwi.nii"),
        ("segmentation", "orientation"),
        str(tmp_path / "truth"),
        start=str(unbroken.result / "model.safetensors"),
        steps=1,
        interval=1,
        batch=1,
        patch=16,
        device="cpu",
    )
    job = JobFolder(tmp_path / "job")
    job.create(settings.to_json())
    finetune(settings, job)
    model, _ = load_model(job.result / "model.safetensors")
    assert [head.task for head in model.architecture.heads] == ["segmentation", "orientation"]
    pretrained, tuned = weights_of(unbroken), weights_of(job)
    shared = [name for name in pretrained if name in tuned and name.startswith(("adapter", "backbone"))]
    assert len(shared) > 20
    assert all((tuned[name] - pretrained[name]).abs().max() < 2e-3 for name in shared)


def test_a_broken_scan_among_good_ones_is_told(scans, make_dwi, save_dwi, tmp_path):
    broken = save_dwi(make_dwi((8, 8, 8)), "broken.nii", tmp_path / "poor")
    os.truncate(broken, broken.stat().st_size // 2)
    job = run(tmp_path / "job", settings_for(scans, data=(str(scans), str(broken)), network="bvm", steps=1))
    assert str(broken) in job.log_path.read_text()
    _, card = load_model(job.result / "model.safetensors")
    assert len(card.training_data) == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recipe": "jigsaw"}, "recipe jigsaw: expected autoencoder"),
        ({"options": {"strenght": "light"}}, "option strenght"),
        ({"recipe": "distortion", "options": {"strength": "brutal"}}, "strength brutal"),
        ({"recipe": "simulated", "options": {"only": "tissue"}}, "--only: expected crossings"),
        ({"recipe": "simulated", "options": {"only": "crossings"}}, "simulated alone"),
        ({"network": "huge"}, "network huge"),
        ({"device": "cuda:99"}, "--device cuda:99"),
        ({"device": "abacus"}, "--device abacus"),
        ({"precision": "float8"}, "--precision float8"),
        ({"precision": "bf16"}, "--precision bf16: expected patches of 32 voxels or more on a CPU, found 16"),
        ({"data": ()}, "--data"),
        ({"data": ("nowhere",)}, "nowhere: no such file or folder"),
        ({"recipe": "simulated"}, "--data simulated"),
        ({"start": "nowhere.safetensors"}, "nowhere.safetensors"),
    ],
)
def test_wrong_settings_fail_with_one_clear_line(scans, tmp_path, changes, expected):
    with pytest.raises(UserError, match=expected) as caught:
        run(tmp_path / "job", settings_for(scans, **changes))
    assert "\n" not in str(caught.value)
    job = JobFolder(tmp_path / "job")
    assert job.told_state() == "failed"
    assert events(job, "failure")[0]["message"] == str(caught.value)
    assert not (job.result / "model.safetensors").exists()


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: expected diffusion scans.*found none"):
        run(tmp_path / "job", settings_for(tmp_path / "empty"))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["tiny", "bvm"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_runs_with_every_kind_of_network(scans, tmp_path, recipe, network):
    data = ("simulated",) if recipe == "simulated" else (str(scans),)
    job = run(tmp_path / "job", settings_for(scans, recipe=recipe, network=network, data=data, steps=2))
    model, card = load_model(job.result / "model.safetensors")
    assert model.architecture.network == network
    assert card.recipe == recipe
    assert all(np.isfinite(value) for value in card.metrics.values())


@pytest.mark.slow
def test_scans_and_simulation_together(scans, tmp_path):
    settings = settings_for(scans, data=(str(scans), "simulated"), network="bvm", steps=4, workers=1)
    _, card = load_model(run(tmp_path / "job", settings).result / "model.safetensors")
    assert len(card.training_data) == 3
    assert "simulated" in card.training_data[2]


@pytest.mark.gpu
def test_on_a_gpu(scans, tmp_path):
    job = run(tmp_path / "job", settings_for(scans, device="cuda"))
    assert all(torch.isfinite(tensor).all() for tensor in weights_of(job).values())


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
def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(scans, tmp_path, begin, seed):
    settings = settings_for(scans, steps=12, interval=3, workers=1)
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
