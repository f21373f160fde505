import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks import catalogue
from DMRIPretrainLib.networks.model import Architecture, DiffusionModel, HeadSpec
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
from DMRIPretrainLib.tasks.registry import TASKS, default_head
from DMRIPretrainLib.training.choose_start import Start, choose_start
from DMRIPretrainLib.training.fine_tuning import FineTuning
from DMRIPretrainLib.training.settings import FRESH_RATE, TRAINED_RATE
from DMRIPretrainLib.training.starting_model import StartingModel, blend, open_start

HEADS = tuple(default_head(task) for task in TASKS)


def saved(folder: Path, heads: tuple[HeadSpec, ...], network: str = "tiny", **options) -> tuple[Path, DiffusionModel]:
    torch.manual_seed(5)
    model = build_model(Architecture(network, heads, **options))
    path = folder / f"{network}.safetensors"
    save_model(path, model, ModelCard(limits={"bvalue": [700, 3000]}))
    return path, model


def opened(folder: Path, known: tuple[HeadSpec, ...], wanted: tuple[HeadSpec, ...], **options) -> StartingModel:
    path, model = saved(folder, known, **options)
    start = open_start(Start(str(path), "tiny"), wanted)
    before, after = model.state_dict(), start.model.state_dict()
    for name, tensor in after.items():
        assert (name in start.fresh) != (name in before and torch.equal(tensor, before[name])), name
    return start


def parts(start: StartingModel) -> set[str]:
    """First words of the names of fresh weights, heads by task."""
    names = (name.split(".") for name in start.fresh)
    return {".".join(name[:2]) if name[0] == "heads" else name[0] for name in names}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with one, ``tiny``."""
    saved(tmp_path, HEADS)
    catalogue.write_catalogue(tmp_path)
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path)
    return tmp_path


def test_after_pretraining_without_labels_all_heads_and_the_fodf_are_fresh(tmp_path):
    start = opened(tmp_path, (), HEADS, reconstruction=True)
    assert parts(start) == {"heads.segmentation", "heads.crossings", "fodf"}
    assert start.model.reconstruction is None
    assert not start.model.architecture.reconstruction
    assert start.limits == {"bvalue": [700, 3000]}


def test_an_fodf_that_was_trained_is_kept(tmp_path):
    assert parts(opened(tmp_path, HEADS[2:], HEADS[1:])) == {"heads.crossings"}
    assert parts(opened(tmp_path, HEADS[2:], HEADS[2:])) == set()
    assert parts(opened(tmp_path, HEADS[1:2], HEADS[2:])) == {"fodf"}, "counting needs none"
    assert parts(opened(tmp_path, HEADS[:1], HEADS[2:])) == {"fodf"}


def test_a_head_that_answers_another_question_is_fresh(tmp_path):
    """Even where its weights have the same names and sizes."""
    other = replace(HEADS[0], values=(0, 1, 2, 7))
    assert parts(opened(tmp_path, HEADS, (other, HEADS[2]))) == {"heads.segmentation"}
    renamed = replace(HEADS[0], labels=("background", "a", "b", "c"))
    kept = opened(tmp_path, (renamed, HEADS[2]), HEADS)
    assert parts(kept) == {"heads.crossings"}
    assert kept.model.architecture.heads[0].labels == renamed.labels


def test_from_scratch_all_is_fresh():
    start = open_start(choose_start("scratch", "bvm"), HEADS)
    assert start.model.architecture == Architecture("bvm", HEADS)
    assert start.fresh == set(start.model.state_dict())


@pytest.mark.parametrize("known", [(), HEADS])
def test_heads_and_fresh_weights_learn_faster_after_a_warm_up(tmp_path, known):
    start = opened(tmp_path, known, HEADS)
    module = FineTuning(start.model, {}, start.fresh, steps=100)
    configured = module.configure_optimizers()
    groups = configured["optimizer"].param_groups
    names = {id(parameter): name for name, parameter in start.model.named_parameters()}
    rates = {names[id(p)]: group["initial_lr"] for group in groups for p in group["params"]}
    below = {name for name in names.values() if name.startswith(("adapter.", "backbone."))}
    assert {name: rate for name, rate in rates.items() if name in below} == dict.fromkeys(below, TRAINED_RATE)
    assert {rate for name, rate in rates.items() if name not in below} == {FRESH_RATE}
    assert all(group["lr"] == pytest.approx(group["initial_lr"] / 10) for group in groups)


def test_blend_lies_between_the_weights_and_leaves_fresh_ones():
    start = {"a": torch.zeros(2), "fodf.w": torch.zeros(1), "heads.crossings.w": torch.zeros(1)}
    tuned = {name: torch.ones_like(tensor) for name, tensor in start.items()}
    mixed = blend(start, tuned, 0.25, {"fodf.w"})
    assert {name: tensor[0].item() for name, tensor in mixed.items()} == {
        "a": 0.25,
        "fodf.w": 1.0,
        "heads.crossings.w": 0.25,
    }
    assert all(tensor[0] == 0.5 for tensor in blend(start, tuned, 0.5, set()).values())


def test_the_default_is_the_shipped_model(shipped):
    start = choose_start("shipped")
    assert start == Start("tiny", "tiny", catalogue.checksum(shipped / "tiny.safetensors"))
    assert choose_start("tiny") == choose_start("shipped", "tiny") == start
    assert open_start(start, HEADS).fresh == set()


def test_of_several_shipped_models_the_network_chooses(shipped):
    saved(shipped, HEADS, "base")
    catalogue.write_catalogue(shipped)
    assert choose_start("shipped").name == "tiny"
    assert choose_start("shipped", "base").name == "base"


def test_a_network_that_does_not_fit_is_refused(shipped):
    with pytest.raises(UserError, match=r"--network bvm.*shipped model.*--from scratch"):
        choose_start("shipped", "bvm")
    for start in ("tiny", str(shipped / "tiny.safetensors")):
        with pytest.raises(UserError, match="--network base: expected tiny"):
            choose_start(start, "base")


def test_a_build_without_models_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path)
    for network in (None, "bvm"):
        with pytest.raises(UserError, match=r"no models in this build.*--from scratch"):
            choose_start("shipped", network)
    assert choose_start("scratch") == Start("scratch", "tiny")


def test_a_file_is_known_by_its_path_and_checksum(shipped, tmp_path, monkeypatch):
    path, _ = saved(tmp_path / "own", HEADS[:1])
    monkeypatch.chdir(tmp_path)
    start = choose_start("own/tiny.safetensors")
    assert start == Start(str(path), "tiny", catalogue.checksum(path))
    save_model(path, build_model(Architecture("tiny", HEADS[:1])), ModelCard())
    with pytest.raises(UserError, match="found another"):
        open_start(start, HEADS)
    open_start(replace(start, sha256=None), HEADS)


def test_a_shipped_model_that_was_exchanged_is_noticed(shipped):
    """A later release may ship another model under the same name; the job must not go on with it in silence."""
    start = choose_start("shipped")
    save_model(shipped / "tiny.safetensors", build_model(Architecture("tiny", HEADS)), ModelCard())
    with pytest.raises(UserError, match="damaged or another"):
        open_start(start, HEADS)
    catalogue.write_catalogue(shipped)
    with pytest.raises(UserError, match="job was made with"):
        open_start(start, HEADS)


def test_a_start_survives_json(shipped):
    start = choose_start("shipped")
    assert Start(**json.loads(json.dumps(vars(start)))) == start
