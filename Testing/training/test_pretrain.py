import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.networks.model import Architecture, HeadSpec
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, load_model, save_model
from DMRIPretrainLib.pretext.registry import RECIPES
from DMRIPretrainLib.simulation.export import save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.registry import default_head
from DMRIPretrainLib.training.finetune import finetune
from DMRIPretrainLib.training.pretraining import Pretraining
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings
from Testing.training.finished_jobs import assert_same_weights, events, weights_of
from Testing.training.short_pretraining import each_step, run, settings_for

pytestmark = pytest.mark.usefixtures("one_thread")


def test_settings_survive_json(two_scans):
    settings = settings_for(
        two_scans, recipe="distortion", options={"strength": "light"}, data=(str(two_scans), "simulated")
    )
    assert PretrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize("content", [{}, {"recipe": "masked"}, {"kind": "finetune", "cases": "x", "tasks": ["y"]}])
def test_foreign_specifications_are_refused(content):
    with pytest.raises(UserError, match="pretraining job"):
        PretrainSettings.from_json(content)


def test_the_same_run_gives_the_same_weights(two_scans, unbroken, tmp_path):
    again = run(tmp_path / "again", settings_for(two_scans))
    assert_same_weights(weights_of(again), weights_of(unbroken))
    other = weights_of(run(tmp_path / "other", settings_for(two_scans, seed=1, steps=1)))
    difference = (other["adapter.first.weight"] - weights_of(unbroken)["adapter.first.weight"]).abs().max()
    assert difference > 0.05  # more than five steps at 1e-3 can do: other weights to begin with


def test_job_folder_tells_the_whole_story(two_scans, unbroken):
    specification = json.loads(unbroken.specification_path.read_text())["specification"]
    assert PretrainSettings.from_json(specification) == settings_for(two_scans)
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


def test_waiting_for_data_is_told(two_scans, tmp_path, monkeypatch):
    """A source that takes most of the time is seen to."""
    from DMRIPretrainLib.training.scan_source import ScanSource

    draw = ScanSource.draw

    def slow_draw(source, generator):
        time.sleep(1.0)
        return draw(source, generator)

    monkeypatch.setattr(ScanSource, "draw", slow_draw)
    job = run(tmp_path / "job", settings_for(two_scans, network="bvm", steps=2, interval=2))
    (share,) = [e["value"] for e in events(job, "metric") if e["name"] == "share of time waiting for data"]
    assert share > 0.5


def test_model_knows_what_it_is_and_how_it_was_made(two_scans, unbroken):
    model, card = load_model(unbroken.result / "model.safetensors")
    assert model.architecture.network == "tiny"
    assert model.architecture.reconstruction
    assert card.recipe == "masked"
    assert card.training_data == [f"{two_scans.name}/scan0.nii", f"{two_scans.name}/scan1.nii"]
    assert card.settings["patch"] == 16
    assert card.settings["steps_done"] == 5
    assert np.isfinite(card.metrics["loss"])


def test_a_run_can_start_from_another_one(two_scans, unbroken, tmp_path):
    start = unbroken.result / "model.safetensors"
    job = run(tmp_path / "job", settings_for(two_scans, recipe="autoencoder", start=str(start), steps=1))
    drift = [
        (tensor - weights_of(unbroken)[name]).abs().max().item()
        for name, tensor in weights_of(job).items()
        if name in weights_of(unbroken) and tensor.is_floating_point()
    ]
    assert 0 < max(drift) < 2e-3  # one step at a learning rate of 1e-3
    with pytest.raises(UserError, match="--network tiny"):
        run(tmp_path / "other", settings_for(two_scans, start=str(start), network="bvm"))


def weights_before_training(monkeypatch, folder: Path, settings: PretrainSettings) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}

    def stop(_: L.Trainer, module: Pretraining, *args, **options) -> None:
        found.update(module.model.state_dict())
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(L.Trainer, "fit", stop)
        run(folder, settings)
    return found


def test_a_run_goes_on_from_the_weights_of_another_model(two_scans, tmp_path, monkeypatch):
    """Heads that it lacks, or that answer with other labels, begin anew."""
    torch.manual_seed(8)
    lesions = HeadSpec("segmentation", ("background", "lesion"), ((0, 0, 0), (255, 0, 0)), (0, 1))
    heads = (lesions, default_head("crossings"), default_head("orientation"))
    start = build_model(Architecture("tiny", heads, reconstruction=True))
    with torch.no_grad():
        for parameter in start.parameters():  # some start as zero
            parameter.add_(0.01)
    save_model(tmp_path / "start.safetensors", start, ModelCard())
    known, settings = start.state_dict(), settings_for(two_scans, recipe="simulated", data=("simulated",))
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
def test_a_model_of_another_network_is_no_start(two_scans, tmp_path, other):
    path = tmp_path / "other.safetensors"
    save_model(path, build_model(other), ModelCard())
    with pytest.raises(UserError, match=f"expected a tiny network with skips, found {other.network} with") as caught:
        run(tmp_path / "job", settings_for(two_scans, start=str(path)))
    assert str(path) in str(caught.value)
    assert JobFolder(tmp_path / "job").told_state() == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(two_scans, tmp_path, monkeypatch, value):
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
        run(tmp_path / "job", settings_for(two_scans), each_step(steps.append))
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


def test_a_broken_scan_among_good_ones_is_told(two_scans, make_dwi, save_dwi, tmp_path):
    broken = save_dwi(make_dwi((8, 8, 8)), "broken.nii", tmp_path / "poor")
    os.truncate(broken, broken.stat().st_size // 2)
    job = run(tmp_path / "job", settings_for(two_scans, data=(str(two_scans), str(broken)), network="bvm", steps=1))
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
def test_wrong_settings_fail_with_one_clear_line(two_scans, tmp_path, changes, expected):
    with pytest.raises(UserError, match=expected) as caught:
        run(tmp_path / "job", settings_for(two_scans, **changes))
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
def test_every_recipe_runs_with_every_kind_of_network(two_scans, tmp_path, recipe, network):
    data = ("simulated",) if recipe == "simulated" else (str(two_scans),)
    job = run(tmp_path / "job", settings_for(two_scans, recipe=recipe, network=network, data=data, steps=2))
    model, card = load_model(job.result / "model.safetensors")
    assert model.architecture.network == network
    assert card.recipe == recipe
    assert all(np.isfinite(value) for value in card.metrics.values())


@pytest.mark.slow
def test_scans_and_simulation_together(two_scans, tmp_path):
    settings = settings_for(two_scans, data=(str(two_scans), "simulated"), network="bvm", steps=4, workers=1)
    _, card = load_model(run(tmp_path / "job", settings).result / "model.safetensors")
    assert len(card.training_data) == 3
    assert "simulated" in card.training_data[2]


@pytest.mark.gpu
def test_on_a_gpu(two_scans, tmp_path):
    job = run(tmp_path / "job", settings_for(two_scans, device="cuda"))
    assert all(torch.isfinite(tensor).all() for tensor in weights_of(job).values())
