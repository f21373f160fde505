import json
import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.device import choose_device
from DMRIPretrainLib.networks.model import Architecture, HeadSpec
from DMRIPretrainLib.networks.model_card import FORMAT_VERSION
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, load_model, save_model
from DMRIPretrainLib.tasks.registry import TASKS, default_head

ARCHITECTURE = Architecture("tiny", tuple(default_head(task) for task in TASKS))
KEY = "dmri_pretrain"


@pytest.fixture
def model_path(tmp_path):
    torch.manual_seed(4)
    path = tmp_path / "model.safetensors"
    card = ModelCard("scratch", ["sub-1", "sub-2"], {"validation score": 0.5}, {"patch": 16}, "MIT")
    save_model(path, build_model(ARCHITECTURE), card)
    return path


def header_of(path) -> dict:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()[KEY])


def rewrite(path, header=None, **tensors) -> None:
    """Write the file anew with another header or other tensors."""
    text = json.dumps(header_of(path)) if header is None else header
    save_file({**load_file(path), **tensors}, path, metadata={KEY: text if isinstance(text, str) else json.dumps(text)})


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("network", ["tiny", "bvm"])
@torch.inference_mode()
def test_round_trip_gives_the_same_model(tmp_path, random_features, network):
    torch.manual_seed(1)
    spots = HeadSpec("segmentation", ("background", "spot"), ((0, 0, 0), (255, 0, 9)), (0, 17))
    model = build_model(Architecture(network, (spots, default_head("orientation")), skips=False))
    path = tmp_path / "new" / "model.safetensors"
    save_model(path, model, ModelCard())
    loaded, _ = load_model(path)
    assert loaded.architecture == model.architecture
    assert not loaded.training
    features = random_features((16, 12, 9))
    expected = model.eval()(features)
    for task, output in loaded(features).items():
        assert torch.equal(output, expected[task])


def test_card_comes_back(model_path):
    _, card = load_model(model_path)
    assert card == ModelCard("scratch", ["sub-1", "sub-2"], {"validation score": 0.5}, {"patch": 16}, "MIT")


def test_architecture_round_trip_through_json():
    architecture = replace(ARCHITECTURE, network="bvm", skips=False)
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


def test_a_missing_file_is_refused(tmp_path):
    assert "found none" in refusal(tmp_path / "nothing.safetensors")


def test_a_folder_is_refused(tmp_path):
    refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    refusal(path)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_and_never_opened(tmp_path, zipped):
    path, sprung = tmp_path / "model.safetensors", tmp_path / "sprung"
    if zipped:
        torch.save({"state": Trap(str(sprung))}, path)
    else:
        path.write_bytes(pickle.dumps(Trap(str(sprung))))
    refusal(path)
    assert not sprung.exists()


def test_header_is_only_data(model_path, tmp_path):
    """Strings that are code somewhere else are mere names here."""
    sprung = tmp_path / "sprung"
    code = f"__import__('os').mkdir({str(sprung)!r})"
    header = header_of(model_path)
    header["architecture"]["heads"][0]["labels"][1] = code
    header["recipe"] = code
    header["settings"] = {"__reduce__": code, "!!python/object/apply:os.mkdir": [str(sprung)]}
    rewrite(model_path, header)
    model, card = load_model(model_path)
    assert model.architecture.heads[0].labels[1] == code
    assert card.recipe == code
    assert not sprung.exists()


def test_another_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert "something else" in refusal(path)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.999])
def test_a_truncated_file_is_refused(model_path, share):
    content = model_path.read_bytes()
    model_path.write_bytes(content[: int(share * len(content))])
    refusal(model_path)


@pytest.mark.parametrize(
    ("version", "advice"), [(FORMAT_VERSION + 1, "update"), (FORMAT_VERSION - 1, "train it again")]
)
def test_another_format_is_refused(model_path, version, advice):
    rewrite(model_path, header_of(model_path) | {"format_version": version})
    message = refusal(model_path)
    assert f"found {version}" in message
    assert advice in message


@pytest.mark.parametrize("header", ["{", "[]", "3", "null", '"text"', "{}", '{"format_version": 2}'])
def test_a_broken_header_is_refused(model_path, header):
    rewrite(model_path, header)
    refusal(model_path)


@pytest.mark.parametrize(
    "change",
    [
        {"network": "huge"},
        {"network": 7},
        {"heads": [{"task": "segmentation"}]},
        {"heads": [{"task": "unknown", "labels": [], "colours": [], "values": []}]},
        {"heads": "segmentation"},
        {"heads": None},
        {"heads": []},
        {"network": "bvm"},
        {"skips": False},
    ],
)
def test_a_header_that_does_not_fit_is_refused(model_path, change):
    header = header_of(model_path)
    header["architecture"] |= change
    rewrite(model_path, header)
    refusal(model_path)


@pytest.mark.parametrize("values", [[0, 2, 1, 3], [0, 1, 1, 3], [1, 2, 3, 4], [-1, 0, 1, 2]])
def test_label_values_out_of_order_are_refused(model_path, values):
    """The values are searched as a sorted list; any other would give wrong labels."""
    header = header_of(model_path)
    header["architecture"]["heads"][0]["values"] = values
    rewrite(model_path, header)
    assert "ascending" in refusal(model_path)


def test_two_heads_for_one_task_are_refused(model_path):
    header = header_of(model_path)
    header["architecture"]["heads"].append(header["architecture"]["heads"][0])
    rewrite(model_path, header)
    assert "two heads" in refusal(model_path)


def test_odd_entries_of_the_card_count_as_missing(model_path):
    rewrite(model_path, header_of(model_path) | {"settings": ["patch"], "recipe": 3, "training_data": None})
    _, card = load_model(model_path)
    assert card == ModelCard(metrics={"validation score": 0.5}, licence="MIT")


def test_labels_without_values_are_refused(model_path):
    header = header_of(model_path)
    header["architecture"]["heads"][0]["values"].pop()
    rewrite(model_path, header)
    assert "differ in number" in refusal(model_path)


def test_other_shapes_are_refused(model_path):
    rewrite(model_path, **{"adapter.first.weight": torch.zeros(32, 29)})
    assert "adapter.first.weight" in refusal(model_path)


def test_missing_weights_are_refused(model_path):
    tensors = load_file(model_path)
    tensors.pop("adapter.first.weight")
    save_file(tensors, model_path, metadata={KEY: json.dumps(header_of(model_path))})
    refusal(model_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(model_path, value):
    weight = load_file(model_path)["adapter.first.bias"]
    weight[3] = value
    rewrite(model_path, **{"adapter.first.bias": weight})
    assert "finite" in refusal(model_path)


def test_half_precision_weights_are_read(model_path):
    tensors = {name: tensor.half() for name, tensor in load_file(model_path).items()}
    save_file(tensors, model_path, metadata={KEY: json.dumps(header_of(model_path))})
    model, _ = load_model(model_path)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_writing_over_a_model_leaves_it_whole_on_failure(model_path, monkeypatch):
    before = model_path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("DMRIPretrainLib.networks.model_file.save", full)
    with pytest.raises(UserError, match="No space left"):
        save_model(model_path, build_model(ARCHITECTURE), ModelCard())
    assert model_path.read_bytes() == before
    assert [path.name for path in model_path.parent.iterdir()] == [model_path.name]


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    for name in ("nonsense", "cuda:97"):
        with pytest.raises(UserError, match=f"--device {name}") as caught:
            choose_device(name)
        assert "\n" not in str(caught.value)
