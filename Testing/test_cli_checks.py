"""The commands ``doctor`` and ``check``."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.computer import report
from DMRIPretrainLib.computer.devices import Device, TorchState


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes, which take seconds, are tried in ``computer/test_report.py``."""
    torch = TorchState("2.8.0", devices=(Device("cpu", "CPU", works=True),))
    monkeypatch.setattr(report, "try_torch", lambda *_: torch)
    monkeypatch.setattr(report, "import_findings", lambda *_, **__: [])


def test_doctor_here(run_command, quick_probes, tmp_path: Path) -> None:
    code, output, _ = run_command("doctor", "--folder", tmp_path)
    assert code == 0
    assert "can work here" in output
    assert str(tmp_path) in output.replace("\n", "")


def test_doctor_in_json_with_an_error(run_command, quick_probes, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output, _ = run_command("doctor", "--folder", tmp_path / "file", "--json")
    assert code == 2
    content = json.loads(output)
    assert content["works"] is False
    assert content["findings"][0]["code"] == "folder"


@pytest.fixture
def table(tmp_path: Path, make_dwi, save_dwi) -> Path:
    lines = ["scan,segmentation"]
    for name in ("a", "b"):
        scan = make_dwi((10, 10, 10), snr=30, seed=ord(name))
        path = save_dwi(scan, f"{name}/dwi.nii.gz")
        labels = np.ones(scan.shape, dtype=np.uint8)
        labels[5:] = 2
        nib.save(nib.Nifti1Image(labels * scan.mask, scan.affine), path.with_name("seg.nii.gz"))
        lines.append(f"{name}/dwi.nii.gz,{name}/seg.nii.gz")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    return tmp_path / "cases.csv"


def test_check_of_good_cases(run_command, table: Path) -> None:
    code, output, _ = run_command("check", table, "--task", "segmentation", "--no-gradients")
    assert code == 0
    assert "0 errors" in output
    assert "a/dwi.nii.gz" in output


def test_check_prints_all_errors(run_command, table: Path) -> None:
    (table.parent / "a/dwi.bval").unlink()
    (table.parent / "b/seg.nii.gz").write_text("no image")
    code, output, _ = run_command("check", table, "--task", "segmentation", "--no-gradients")
    assert code == 2
    assert "2 errors" in output


def test_check_in_json_with_the_names_of_labels(run_command, table: Path) -> None:
    names = table.with_name("dseg.tsv")
    names.write_text("index\tname\n1\tleft\n2\tright\n3\tnowhere\n")
    arguments = ("--task", "segmentation", "--no-gradients", "--label-names", names, "--json")
    code, output, _ = run_command("check", table, *arguments)
    assert code == 0
    content = json.loads(output)
    assert [label["name"] for label in content["labels"]] == ["left", "right"]
    assert [finding["code"] for finding in content["findings"]] == ["label-unused"]


def test_dry_run_of_finetune_tells_findings_and_what_it_will_take(run_command, table: Path) -> None:
    settings = ("--task", "segmentation", "--device", "cpu", "--batch", 1, "--patch", 16)
    arguments = ("finetune", table, "--out", table.parent / "job", "--dry-run", "--json", *settings)
    code, output, _ = run_command(*arguments, "--steps", 4)
    few = json.loads(output)
    assert code == 0
    assert few["works"]
    assert few["estimate"]["device"] == "cpu"
    assert few["estimate"]["patch"] == 16
    assert few["estimate"]["seconds"] > 4 * few["estimate"]["seconds_a_step"]
    assert not (table.parent / "job").exists()
    (table.parent / "a/seg.nii.gz").write_text("no image")
    code, output, _ = run_command(*arguments)
    wrong = json.loads(output)
    assert code == 2
    assert wrong["estimate"] is None
    assert "seg.nii.gz" in wrong["findings"][0]["message"]


def test_dry_run_says_what_else_would_stop_the_training(run_command, monkeypatch, table: Path) -> None:
    from DMRIPretrainLib.errors import UserError
    from DMRIPretrainLib.training import finetune

    def refuse(*_: object) -> None:
        raise UserError("the memory is too short for the smallest step; close other programs")

    monkeypatch.setattr(finetune, "estimate_finetune", refuse)
    arguments = ("finetune", table, "--out", table.parent / "job", "--dry-run", "--json", "--task", "segmentation")
    code, output, _ = run_command(*arguments)
    content = json.loads(output)
    assert (code, content["works"], content["estimate"]) == (2, False, None)
    assert content["findings"][0]["message"] == "the memory is too short for the smallest step"
