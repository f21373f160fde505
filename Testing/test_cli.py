"""The command line: exit codes, one clear line for bad input, JSON, and nothing written where nothing came of it."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from DMRIPretrainLib import cli
from DMRIPretrainLib.networks import catalogue
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, load_model, save_model
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.nrrd_file import write_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.tasks.registry import TASKS, default_head

Change = Callable[[Path], None]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def scan_path(make_dwi: Callable[..., Scan], save_dwi: Callable[..., Path]) -> Path:
    return save_dwi(make_dwi((14, 14, 14), directions=30, b0s=2, snr=30), "dwi.nii.gz")


def edit_image(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(path: Path) -> None:
        image = nib.load(path)
        nib.save(nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine), path)

    return apply


def edit_text(suffix: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(path: Path) -> None:
        side = path.with_name("dwi" + suffix)
        np.savetxt(side, np.atleast_2d(change(np.loadtxt(side))), fmt="%.6g")

    return apply


def set_voxel(value: float) -> Change:
    def change(data: np.ndarray) -> np.ndarray:
        data[7, 7, 7, 5] = value
        return data

    return edit_image(change)


def set_volume(value: float) -> Change:
    def change(data: np.ndarray) -> np.ndarray:
        data[..., 4] = value
        return data

    return edit_image(change)


def truncate(path: Path) -> None:
    raw = gzip.decompress(path.read_bytes())
    whole = gzip.compress(raw)
    path.write_bytes(whole[: int(len(whole) * 0.7)])


def zero_vector(vectors: np.ndarray) -> np.ndarray:
    vectors[:, 10] = 0
    return vectors


def few_directions(vectors: np.ndarray) -> np.ndarray:
    vectors[:, 2:] = vectors[:, 2 + np.arange(30) % 5]
    return vectors


BROKEN: dict[str, tuple[Change, str]] = {
    "fewer b-values": (edit_text(".bval", lambda b: b[:-1]), "dwi.bv"),
    "fewer b-vectors": (edit_text(".bvec", lambda v: v[:, :-1]), "dwi.bv"),
    "fewer volumes": (edit_image(lambda d: d[..., :-1]), "volumes"),
    "NaN": (set_voxel(np.nan), "volume"),
    "infinity": (set_voxel(np.inf), "volume"),
    "empty volume": (set_volume(0), "volume"),
    "constant volume": (set_volume(7), "volume"),
    "long b-vectors": (edit_text(".bvec", lambda v: 1.4 * v), "length"),
    "zero b-vector": (edit_text(".bvec", zero_vector), "zero"),
    "no b0": (edit_text(".bval", lambda b: np.maximum(b, 1000)), "b0"),
    "five directions": (edit_text(".bvec", few_directions), "directions"),
    "b-values in ms/µm²": (edit_text(".bval", lambda b: b / 1000), "µm²"),
    "b-values in s/m²": (edit_text(".bval", lambda b: b * 1e6), "s/m²"),
    "truncated gzip": (truncate, "dwi.nii.gz"),
    "3D": (edit_image(lambda d: d[..., 0]), "4D"),
    "no side files": (lambda path: path.with_name("dwi.bval").unlink(), "bval"),
    "no scan": (lambda path: path.unlink(), "dwi.nii.gz"),
    "text instead of an image": (lambda path: path.write_text("hello"), "dwi.nii.gz"),
}


@pytest.mark.parametrize("command", ["info", "label"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_scan_gives_one_line_and_writes_nothing(
    kind: str,
    command: str,
    scan_path: Path,
    run_command: Command,
) -> None:
    change, word = BROKEN[kind]
    change(scan_path)
    before = sorted(scan_path.parent.rglob("*"))
    extra = ["--out", scan_path.parent / "out"] if command == "label" else []
    code, out, err = run_command(command, scan_path, *extra)
    lines = [line for line in err.splitlines() if not line.startswith("WARNING")]
    assert code == 2
    assert out == ""
    assert len(lines) == 1
    assert str(scan_path.parent) in lines[0]
    assert word in lines[0]
    assert sorted(scan_path.parent.rglob("*")) == before


def test_mask_of_another_geometry(scan_path: Path, tmp_path: Path, run_command: Command) -> None:
    mask = tmp_path / "other.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((14, 14, 14), np.uint8), np.diag([3.0, 3, 3, 1])), mask)
    code, out, err = run_command("label", scan_path, "--mask", mask, "--out", tmp_path / "out")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "other.nii.gz" in err
    assert not (tmp_path / "out").exists()


def test_label_map_of_another_geometry(scan_path: Path, tmp_path: Path, run_command: Command) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    nib.save(nib.Nifti1Image(np.ones((14, 14, 13), np.uint8), np.diag([2.0, 2, 2, 1])), labels / "segmentation.nii.gz")
    arguments = ("finetune", scan_path, "--labels", labels, "--task", "segmentation", "--from", "scratch")
    code, _, err = run_command(*arguments, "--out", tmp_path / "job")
    assert code == 2
    assert "segmentation.nii.gz" in err
    assert not (tmp_path / "job" / "result").exists()


def test_info_speaks_json(scan_path: Path, run_command: Command) -> None:
    code, out, _ = run_command("info", scan_path, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["shape"] == [14, 14, 14, 32]
    assert [(s["bvalue"], s["directions"]) for s in content["shells"]] == [(1000, 30)]
    assert content["gradient_check"]["verdict"] == "uncertain"  # one tensor everywhere has no bundles


@pytest.mark.parametrize(
    ("name", "table"),
    [("toshiba", "5 b0 + 60 x 1500"), ("prisma", "1 b0 + 20 x 2500"), ("elition", "5 b0 + 12 x 1000")],
)
def test_info_of_the_real_scans(
    name: str,
    table: str,
    shared_scan_path: Callable[[str], Path],
    run_command: Command,
) -> None:
    code, out, _ = run_command("info", shared_scan_path(name), "--json")
    content = json.loads(out)
    assert (code, content["table"], content["gradient_check"]["verdict"]) == (0, table, "right")


def test_fix_gradients_repairs_a_flipped_axis(
    shared_scan_path: Callable[[str], Path],
    tmp_path: Path,
    run_command: Command,
) -> None:
    original = shared_scan_path("toshiba")
    for path in original.parent.glob("dwi.*"):
        shutil.copyfile(path, tmp_path / path.name)
    shutil.copyfile(original.with_name("mask.nii.gz"), tmp_path / "mask.nii.gz")
    scan, bvec = tmp_path / "dwi.nii.gz", tmp_path / "dwi.bvec"
    right = np.loadtxt(bvec)
    np.savetxt(bvec, right * [[1], [-1], [1]], fmt="%.8f")
    code, out, _ = run_command("info", scan, "--json", "--fix-gradients", tmp_path / "fixed.bvec")
    check = json.loads(out)["gradient_check"]
    assert code == 0
    assert (check["verdict"], check["best"]) == ("wrong", "flip y")
    assert json.loads(out)["corrected"] == str(tmp_path / "fixed.bvec")
    fixed = np.loadtxt(tmp_path / "fixed.bvec")
    np.testing.assert_allclose(np.abs(np.sum(fixed * right, axis=0)), np.sum(right**2, axis=0), atol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_wrong_table_is_not_used_in_silence(
    sign: int,
    shared_scan_path: Callable[[str], Path],
    tmp_path: Path,
    run_command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    original = shared_scan_path("toshiba")
    bvec = tmp_path / "flipped.bvec"
    np.savetxt(bvec, np.loadtxt(original.with_name("dwi.bvec")) * [[sign], [1], [1]], fmt="%.8f")
    arguments = ("label", original, "--bval", original.with_name("dwi.bval"), "--bvec", bvec, "--task", "segmentation")
    assert run_command(*arguments, "--out", tmp_path / "labels")[0] == 0
    assert ("flip x" in caplog.text) == (sign < 0)


def test_fix_gradients_of_an_nrrd_writes_an_nrrd(
    shared_scan_path: Callable[[str], Path],
    tmp_path: Path,
    run_command: Command,
) -> None:
    scan = load_scan(shared_scan_path("toshiba"))
    flipped = scan.gradients.transformed(np.diag([1.0, 1.0, -1.0]))
    write_nrrd_scan(tmp_path / "dwi.nrrd", replace(scan, gradients=flipped))
    command = ("info", tmp_path / "dwi.nrrd", "--fix-gradients")
    code, out, err = run_command(*command, tmp_path / "fixed.bvec")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert run_command(*command, tmp_path / "fixed.nrrd")[0] == 0
    fixed = load_scan(tmp_path / "fixed.nrrd").gradients.directions
    weighted = ~scan.gradients.is_b0
    cosine = np.abs(np.sum(fixed * scan.gradients.directions, axis=1))[weighted]
    assert cosine.min() > np.cos(np.radians(0.01))


def test_an_output_folder_that_cannot_be_written_is_refused_before_the_work(
    scan_path: Path, tmp_path: Path, run_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("DMRIPretrainLib.scans.load.load_scan", lambda *_, **__: pytest.fail("began to work"))
    code, _, err = run_command("label", scan_path, "--out", tmp_path / "file" / "out")
    assert code == 2
    assert "can be written" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", "x.nii.gz", "--out", "y", "--task", "everything"),
        ("simulate", "--out", "y", "--shell", "1000"),
        ("simulate", "--out", "y", "--shell", "1000x3"),
        ("finetune", "x.csv", "--out", "y"),
        ("finetune", "x.nii.gz", "--out", "y", "--network", "huge"),
        ("finetune", "x.nii.gz", "--out", "y", "--patch", 5),
        ("finetune", "x.nii.gz", "--out", "y", "--from", "none.safetensors"),
        ("predict", "x.nii.gz", "--model", "none.safetensors", "--out", "y"),
        ("run", "nowhere"),
        ("info",),
        ("no-such-command",),
    ],
)
def test_mistakes_exit_with_two(
    arguments: tuple[str, ...], tmp_path: Path, run_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.strip()


def test_our_own_errors_exit_with_one(scan_path: Path, run_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("DMRIPretrainLib.scans.info.scan_info", fail)
    code, _, err = run_command("info", scan_path)
    assert code == 1
    assert "internal error" in err
    assert len(err.splitlines()) == 1


def test_simulate_writes_a_scan_that_info_reads(tmp_path: Path, run_command: Command) -> None:
    out = tmp_path / "phantom"
    shells = ("--shell", "1000x20", "--shell", "2500x30")
    assert run_command("simulate", "--out", out, "--size", 24, "--b0", 2, *shells)[0] == 0
    code, text, _ = run_command("info", out / "sub-01", "--json")
    assert code == 0
    assert [(s["bvalue"], s["directions"]) for s in json.loads(text)["shells"]] == [(1000, 20), (2500, 30)]


def test_a_bids_folder_is_labelled_and_learned_from(
    make_dwi: Callable[..., Scan],
    save_dwi: Callable[..., Path],
    tmp_path: Path,
    run_command: Command,
) -> None:
    study = tmp_path / "study"
    for subject in ("01", "02"):
        scan = make_dwi((14, 14, 14), directions=12, snr=30, seed=int(subject))
        save_dwi(scan, f"sub-{subject}_dwi.nii.gz", study / f"sub-{subject}" / "dwi")
    labels, job = tmp_path / "labels", tmp_path / "job"
    code, out, _ = run_command("label", study, "--out", labels, "--task", "orientation", "--json")
    assert code == 0
    assert (json.loads(out)["state"], json.loads(out)["done"]) == ("finished", 2)
    assert sorted(path.parent.name for path in labels.rglob("peaks.nii.gz")) == ["sub-01_dwi", "sub-02_dwi"]
    arguments = ("finetune", study, "--labels", labels, "--task", "orientation", "--from", "scratch", "--out", job)
    code, out, _ = run_command(*arguments, "--device", "cpu", "--steps", 1, "--patch", 16, "--json")
    assert code == 0
    assert Path(json.loads(out)["model"]).is_file()
    assert not (job / "result" / "held_out.nii.gz").exists()


def test_a_bids_folder_without_scans_is_no_success(tmp_path: Path, run_command: Command) -> None:
    (tmp_path / "study" / "sub-01" / "anat").mkdir(parents=True)
    code, out, err = run_command("label", tmp_path / "study", "--out", tmp_path / "labels")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "found none" in err


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped model ``tiny`` of random weights that has seen another b-value than that of the scan."""
    torch.manual_seed(0)
    folder = tmp_path / "models"
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS), reconstruction=True))
    card = ModelCard("simulated", settings={"patch": 16}, limits={"bvalue": [2000, 3000]})
    save_model(folder / "tiny.safetensors", model, card)
    catalogue.write_catalogue(folder)
    monkeypatch.setattr(catalogue, "models_folder", lambda: folder)
    return folder


def test_predict_takes_the_shipped_model_and_says_what_it_has_not_seen(
    shipped: Path,
    scan_path: Path,
    tmp_path: Path,
    run_command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, options in (("default", ()), ("named", ("--model", "tiny"))):
        out = tmp_path / name
        code, text, _ = run_command("predict", scan_path, "--out", out, "--json", *options)
        report = json.loads(text)
        assert code == 0
        assert report["tasks"] == ["crossings", "orientation", "segmentation"]
        assert list(report["models"]) == [str(shipped / "tiny.safetensors")]
        assert report["outside"] == ["tiny: b-value 1000 s/mm², seen 2000 to 3000"]
        assert json.loads((out / "report.json").read_text())["outside"] == report["outside"]
    assert caplog.text.count("outside what the model has seen") == 2
    _, text, _ = run_command("predict", scan_path, "--out", tmp_path / "table")
    assert "outside: tiny: b-value 1000" in " ".join(text.split())


def test_finetune_starts_from_the_shipped_model_and_writes_down_which(
    shipped: Path,
    scan_path: Path,
    tmp_path: Path,
    run_command: Command,
) -> None:
    labels, job = tmp_path / "labels", tmp_path / "job"
    assert run_command("label", scan_path, "--out", labels, "--task", "orientation")[0] == 0
    arguments = ("finetune", scan_path, "--labels", labels, "--task", "orientation", "--device", "cpu", "--steps", 1)
    mask = labels.parent / "own_mask.nii.gz"
    image = nib.load(scan_path)
    brain = image.get_fdata()[..., 0] > 0
    nib.save(nib.Nifti1Image(brain.astype(np.uint8), image.affine), mask)
    code, text, err = run_command(*arguments, "--patch", 16, "--out", job, "--mask", mask, "--json")
    assert code == 0, err
    specification = json.loads((job / "job.json").read_text())["specification"]
    assert (specification["start"], specification["network"]) == ("tiny", "tiny")
    assert specification["start_sha256"] == catalogue.shipped_models()[0].sha256
    assert specification["mask"] == str(mask)
    model, card = load_model(Path(json.loads(text)["model"]))
    assert card.recipe == "fine-tuned from tiny"
    assert card.limits["bvalue"] == [pytest.approx(1000), 3000]
    assert [head.task for head in model.architecture.heads] == ["orientation"]
    code, _, err = run_command(*arguments, "--out", tmp_path / "other", "--network", "bvm")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "--from scratch" in err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("command", ["predict", "finetune"])
def test_a_build_without_models_says_so_in_one_line(
    command: str,
    scan_path: Path,
    tmp_path: Path,
    run_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path / "nowhere")
    code, out, err = run_command(command, scan_path, "--out", tmp_path / "out")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "found no models in this build" in err
    assert not (tmp_path / "out").exists()


def test_every_command_has_help_with_an_example() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "DMRIPretrainLib", "--help"], capture_output=True, text=True, check=True
    )
    commands = {command.callback.__name__: command.callback for command in cli.app.registered_commands}
    assert {"info", "finetune", "pretrain", "run", "predict", "demo"} < set(commands)
    for name, command in commands.items():
        assert name in done.stdout
        assert "Example: dmri-pretrain" in (command.__doc__ or "")
