import json
from pathlib import Path

import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks import catalogue
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, load_model, save_model
from DMRIPretrainLib.tasks.registry import TASKS, default_head

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Models"
LARGEST = 16_000_000


def save(folder: Path, name: str, *tasks: str, network: str = "tiny") -> None:
    model = build_model(Architecture(network, tuple(default_head(task) for task in tasks)))
    save_model(folder / f"{name}.safetensors", model, ModelCard(description=f"The {name} one."))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two models and their catalogue, which stands for that of the shipped ones."""
    torch.manual_seed(0)
    save(tmp_path, "tiny", *TASKS)
    save(tmp_path, "seed", "crossings", network="bvm")
    catalogue.write_catalogue(tmp_path)
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path)
    return tmp_path


def test_catalogue_lists_the_models_of_the_folder(folder):
    seed, tiny = catalogue.shipped_models()
    assert (seed.name, seed.network, seed.tasks) == ("seed", "bvm", ("crossings",))
    assert (tiny.name, tiny.network, tiny.tasks) == ("tiny", "tiny", TASKS)
    assert tiny.description == "The tiny one."
    assert {path.name for path in folder.iterdir()} == {
        *("catalogue.json", "tiny.md", "tiny.safetensors", "seed.md", "seed.safetensors")
    }
    assert "The seed one." in (folder / "seed.md").read_text()


def test_writing_it_again_changes_nothing(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    catalogue.write_catalogue(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_models_are_found_by_name_or_path(folder, tmp_path):
    assert catalogue.shipped_model() == catalogue.find_model("tiny") == folder / "tiny.safetensors"
    assert catalogue.find_model("seed") == folder / "seed.safetensors"
    own = folder / "seed.safetensors"
    assert catalogue.find_model(str(own)) == own
    with pytest.raises(UserError, match="seed, tiny"):
        catalogue.find_model("huge")
    with pytest.raises(UserError, match="expected one of seed, tiny"):
        catalogue.shipped_model("huge")


def test_a_damaged_file_is_noticed(folder):
    path = folder / "tiny.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="SHA-256") as caught:
        catalogue.find_model("tiny")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    catalogue.find_model("seed")


def test_a_missing_file_is_noticed(folder):
    (folder / "tiny.safetensors").unlink()
    with pytest.raises(UserError, match=r"tiny\.safetensors.*found no file"):
        catalogue.shipped_model()


@pytest.mark.parametrize("content", ["{", "[]", '{"models": [{"name": "tiny"}]}', '{"models": 3}'])
def test_a_damaged_catalogue_is_noticed(folder, content):
    (folder / "catalogue.json").write_text(content)
    with pytest.raises(UserError, match=r"catalogue\.json"):
        catalogue.shipped_models()


@pytest.mark.parametrize("content", [None, '{"models": []}'])
def test_a_build_without_models_is_told_so(tmp_path, monkeypatch, content):
    if content:
        (tmp_path / "catalogue.json").write_text(content)
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path)
    assert catalogue.shipped_models() == []
    with pytest.raises(UserError, match="no models in this build"):
        catalogue.shipped_model()


def test_models_are_beside_the_code_or_in_the_checkout(tmp_path, monkeypatch):
    assert catalogue.models_folder() == SHIPPED
    monkeypatch.setattr(catalogue, "_PACKAGED", tmp_path)
    assert catalogue.models_folder() == tmp_path


def test_what_ships_is_what_the_catalogue_and_the_cards_say():
    """After a change of the models: python -m DMRIPretrainLib.networks.catalogue Resources/Models."""
    written = {
        path.name: path.read_text(encoding="utf-8") for path in SHIPPED.iterdir() if path.suffix != ".safetensors"
    }
    assert written == catalogue.describe_folder(SHIPPED)
    listed = json.loads(written["catalogue.json"])["models"]
    assert [entry["file"] for entry in listed] == sorted(path.name for path in SHIPPED.glob("*.safetensors"))
    for entry in listed:
        assert (SHIPPED / entry["file"]).stat().st_size <= LARGEST
        model, card = load_model(SHIPPED / entry["file"])
        assert [head.task for head in model.architecture.heads] == entry["tasks"]
        assert card.description
        assert card.training_data
        assert card.metrics
        assert card.commands
        assert all(value is not None for value in card.metrics.values())
