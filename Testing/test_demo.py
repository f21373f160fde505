"""The demo from end to end, shortened: what ``make demo`` does in minutes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from DMRIPretrainLib import demo
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks import catalogue
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
from DMRIPretrainLib.tasks.registry import TASKS, default_head


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_BRAIN_SIZE", 20)
    monkeypatch.setattr(demo, "_STEPS", 2)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shipped model of random weights."""
    torch.manual_seed(0)
    folder = tmp_path / "models"
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS), reconstruction=True))
    save_model(folder / "tiny.safetensors", model, ModelCard("simulated", settings={"patch": 16}))
    catalogue.write_catalogue(folder)
    monkeypatch.setattr(catalogue, "models_folder", lambda: folder)


@pytest.mark.usefixtures("short", "shipped")
def test_demo_writes_results_in_the_geometry_of_the_scan(
    tmp_path: Path, small_64d: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    demo.run_demo(None, out)
    real, simulated = nib.load(small_64d[0]), nib.load(out / "simulated/dwi.nii.gz")
    results = {"real/prediction": real, "real/fine-tuned-prediction": real, "simulated/prediction": simulated}
    for folder, scan in results.items():
        for name, volumes in (("segmentation", ()), ("crossings", ()), ("peaks", (9,)), ("fod", (45,))):
            image = nib.load(out / folder / f"{name}.nii.gz")
            assert image.shape == (*scan.shape[:3], *volumes)
            np.testing.assert_allclose(image.affine, scan.affine, atol=1e-4)
        assert (out / folder / "preview.png").stat().st_size > 10_000
    assert json.loads((out / "real/fine-tuned/job.json").read_text())["specification"]["start"] == "tiny"
    printed = capsys.readouterr().out
    for text in ("Dice", "fine-tuned", "not the truth", "preview.png"):
        assert text in printed
    demo.run_demo(None, out)  # replaces the former one


@pytest.mark.usefixtures("short", "shipped")
def test_demo_leaves_a_folder_of_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="choose another --out"):
        demo.run_demo(None, folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_demo_without_a_shipped_model_names_what_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path / "nowhere")
    with pytest.raises(UserError, match="dmri-pretrain pretrain simulated"):
        demo.run_demo(None, tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_comparison_has_the_figures_of_both_sides() -> None:
    def report(value: float) -> dict:
        return {
            "segmentation": {"white matter": {"dice": value}},
            "crossings": {"macro_f1": value, "crossing_f1": value},
            "orientation": {"dominant_mean": 10 * value, "dominant_median": 10 * value},
        }

    columns = [list(column.cells) for column in demo._comparison(report(0.25), report(0.75)).columns]
    assert columns[1:] == [["0.250"] * 3 + ["2.500"] * 2, ["0.750"] * 3 + ["7.500"] * 2]
