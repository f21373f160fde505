import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.inference.loaded_model import load_models
from DMRIPretrainLib.inference.predict import predict as predict_with
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.tasks.registry import TASKS, default_head
from DMRIPretrainLib.tasks.segmentation import custom_head

SHAPE = (10, 12, 9)
FIBRE = np.array([0.36, 0.48, 0.8])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_rotvec([0.25, -0.3, 0.2]).as_matrix() @ np.diag([2.0, 2.0, 2.5])
OBLIQUE[:3, 3] = [-11, 7, 30]


def predict(scan: Scan, models: list[Path], out: Path, **options) -> dict:
    return predict_with(scan, load_models(models), out, **options)


def model_file(folder: Path, *heads, seed: int = 0, settings: dict | None = None) -> Path:
    torch.manual_seed(seed)
    path = folder / f"model-{seed}.safetensors"
    save_model(path, build_model(Architecture("tiny", heads)), ModelCard(settings=settings or {"patch": 16}))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return model_file(tmp_path_factory.mktemp("model"), *(default_head(task) for task in TASKS))


@pytest.fixture(scope="module")
def scan(make_dwi) -> Scan:
    """An oblique scan in RAS order whose fibres change from place to place, in the world frame."""
    positions = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) / 6.0
    fibre = FIBRE + 0.7 * np.sin(positions[..., [1, 2, 0]] * [1.0, 1.3, 0.8])
    fibre /= np.linalg.norm(fibre, axis=-1, keepdims=True)
    return make_dwi(SHAPE, affine=OBLIQUE, directions=45, fibre=fibre, snr=60.0)


@pytest.fixture(scope="module")
def reference(scan, model, tmp_path_factory) -> Path:
    """Folder with the results of the scan as it is."""
    folder = tmp_path_factory.mktemp("reference")
    predict(scan, [model], folder, device="cpu")
    return folder


def stored_as(scan: Scan, codes: str) -> tuple[Scan, np.ndarray]:
    """The same scan with its voxels stored in another order, and how they were reordered."""
    change = ornt_transform(io_orientation(scan.affine), axcodes2ornt(codes))
    affine = scan.affine @ inv_ornt_aff(change, scan.shape)
    signal, mask = (nib.orientations.apply_orientation(array, change) for array in (scan.signal, scan.mask))
    return replace(scan, signal=np.ascontiguousarray(signal), mask=np.ascontiguousarray(mask), affine=affine), change


def values_of(folder: Path, name: str) -> np.ndarray:
    return np.asarray(nib.load(folder / name).dataobj)


@pytest.mark.parametrize("codes", ["LPS", "LAS", "PIR", "SAL"])
def test_storage_order_changes_nothing_but_the_order(scan, model, reference, tmp_path, codes):
    stored, change = stored_as(scan, codes)
    assert "".join(nib.aff2axcodes(stored.affine)) == codes
    predict(stored, [model], tmp_path, device="cpu")
    for path in sorted(reference.glob("*.nii.gz")):
        image = nib.load(tmp_path / path.name)
        assert image.shape[:3] == stored.shape
        np.testing.assert_allclose(image.affine, stored.affine, atol=1e-4)
        expected = nib.orientations.apply_orientation(values_of(reference, path.name), change)
        found = np.asarray(image.dataobj)
        if found.dtype.kind in "ui":
            assert np.mean(found == expected) > 0.998
        else:
            np.testing.assert_allclose(found, expected, atol=2e-3)
    assert len(list(reference.glob("*.nii.gz"))) == 8


def test_peaks_are_those_of_the_fibres_in_the_world_frame(scan, reference, make_dwi):
    """Were the frames confused, the oblique affine would turn them by some 25 degrees."""
    positions = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) / 6.0
    fibre = FIBRE + 0.7 * np.sin(positions[..., [1, 2, 0]] * [1.0, 1.3, 0.8])
    image = nib.load(reference / "peaks.nii.gz")
    assert image.shape == (*SHAPE, 9)
    peaks = image.get_fdata().reshape(*SHAPE, 3, 3)
    angles = axis_angles(peaks[scan.mask][:, 0], fibre[scan.mask])
    assert np.median(angles) < 2.5
    assert np.nanpercentile(angles, 99) < 8
    assert np.all(peaks[~scan.mask] == 0)


def test_fod_is_highest_along_the_peaks(scan, reference):
    """Both are written in the world frame, the fODF in the basis of MRtrix3."""
    peaks = values_of(reference, "peaks.nii.gz").reshape(*SHAPE, 3, 3)[scan.mask][:, 0]
    fod = values_of(reference, "fod.nii.gz")[scan.mask]
    assert fod.shape[1] == 45
    amplitude = np.linalg.norm(peaks, axis=1)
    along = np.sum(evaluation_matrix(peaks / amplitude[:, None], 8) * fod, axis=1)
    np.testing.assert_allclose(along, amplitude, rtol=0.05)
    directions = np.random.default_rng(0).normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    highest = (fod @ evaluation_matrix(directions, 8).T).max(axis=1)
    assert np.all(along > 0.97 * highest)


def test_labels_are_those_of_the_highest_probability(scan, reference):
    for name in ("segmentation", "crossings"):
        labels, shares = (values_of(reference, f"{name}{part}.nii.gz") for part in ("", "_probabilities"))
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, shares.argmax(axis=-1) * scan.mask)
        np.testing.assert_allclose(shares.sum(axis=-1), scan.mask, atol=1e-4)
        entropy = values_of(reference, f"{name}_uncertainty.nii.gz")
        clipped = np.clip(shares[scan.mask], 1e-7, 1)
        np.testing.assert_allclose(entropy[scan.mask], -(clipped * np.log(clipped)).sum(axis=-1) / np.log(4), atol=1e-4)
        assert np.all(entropy[~scan.mask] == 0)


def test_report_tells_what_was_done(scan, model, reference):
    report = json.loads((reference / "report.json").read_text())
    millilitres = scan.mask.sum() * 10 / 1000
    assert report["brain_ml"] == pytest.approx(millilitres, abs=0.06)
    assert report["gradient_table"] == "3 b0 + 45 x 1000"
    assert report["shells_used"] == [1000]
    assert report["tasks"] == sorted(TASKS)
    assert report["models"][str(model)]["recipe"] == "scratch"
    labels = values_of(reference, "segmentation.nii.gz")
    assert report["segmentation_ml"]["WM"] == pytest.approx(np.sum(labels == 3) / 100, abs=0.06)
    assert report["ensemble"] == 0
    assert report["labels"]["segmentation"][3] == {"value": 3, "name": "WM", "colour": [240, 228, 66]}
    assert [label["name"] for label in report["labels"]["crossings"]] == ["none", "one", "two", "three"]
    assert (reference / "preview.png").read_bytes()[:4] == b"\x89PNG"
    assert not (reference / "orientation_uncertainty.nii.gz").exists()


def test_ensemble_measures_the_spread_of_directions(make_dwi, model, tmp_path):
    spread = {}
    for snr in (60.0, 8.0):
        noisy = make_dwi((8, 9, 10), directions=30, fibre=FIBRE, snr=snr, affine=OBLIQUE)
        folder = tmp_path / str(snr)
        report = predict(noisy, [model], folder, device="cpu", ensemble=3)
        image = nib.load(folder / "orientation_uncertainty.nii.gz")
        assert image.shape == (8, 9, 10)
        np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-4)
        values = image.get_fdata()
        assert np.all(values[~noisy.mask] == 0)
        spread[snr] = values[noisy.mask].mean()
        assert report["orientation_mean_uncertainty"] == pytest.approx(spread[snr], abs=1e-3)
    assert 0 < spread[60.0] < 3
    assert spread[8.0] > 2 * spread[60.0]


def test_own_labels_are_written_with_their_values(scan, tmp_path):
    model = model_file(tmp_path, custom_head([4, 300], {4: "spot"}), seed=3)
    report = predict(scan, [model], tmp_path / "out", device="cpu")
    labels = values_of(tmp_path / "out", "segmentation.nii.gz")
    assert set(np.unique(labels)) <= {0, 4, 300}
    assert set(report["segmentation_ml"]) == {"spot", "label 300"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "segmentation.nii.gz",
        "segmentation_probabilities.nii.gz",
        "segmentation_uncertainty.nii.gz",
        "report.json",
        "preview.png",
    }


def test_of_two_models_the_later_one_counts(scan, model, tmp_path):
    other = model_file(tmp_path, default_head("crossings"), seed=5)
    predict(scan, [other], tmp_path / "alone", device="cpu")
    report = predict(scan, [model, other], tmp_path / "both", device="cpu")
    alone, both = (values_of(tmp_path / name, "crossings_probabilities.nii.gz") for name in ("alone", "both"))
    np.testing.assert_array_equal(alone, both)
    assert (tmp_path / "both" / "peaks.nii.gz").exists()
    assert list(report["models"]) == [str(model), str(other)]


def test_progress_never_falls(scan, model, tmp_path):
    told = []
    predict(scan, [model, model], tmp_path, device="cpu", ensemble=1, progress=lambda _, done: told.append(done))
    assert np.all(np.diff(told) >= -1e-9)
    assert told[-1] == 1


def test_nothing_is_written_where_something_is_wrong(scan, model, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="expected a model file"):
        predict(scan, [model, tmp_path / "missing.safetensors"], out, device="cpu")
    with pytest.raises(UserError, match="brain mask"):
        predict(replace(scan, mask=None), [model], out, device="cpu")
    with pytest.raises(UserError, match="--device"):
        predict(scan, [model], out, device="nonsense")
    assert not out.exists()


@pytest.mark.parametrize("settings", [{"patch": "wide"}, {"patch": -3}, {"patch": None}, {"patch": 10**9}, ["patch"]])
def test_odd_settings_in_a_model_file_do_no_harm(scan, tmp_path, settings):
    model = model_file(tmp_path, default_head("crossings"), settings=settings)
    predict(scan, [model], tmp_path / "out", device="cpu")
    assert values_of(tmp_path / "out", "crossings.nii.gz").shape == SHAPE


def test_a_model_without_tasks_is_refused(tmp_path):
    with pytest.raises(UserError, match="start finetune from it"):
        load_models([model_file(tmp_path)])


def test_each_model_is_read_once(scan, model, tmp_path, monkeypatch):
    (loaded,) = load_models([model])
    monkeypatch.setattr("DMRIPretrainLib.inference.loaded_model.load_model", lambda _: pytest.fail("read again"))
    predict_with(scan, [loaded], tmp_path, device="cpu")


def test_a_model_is_called_by_its_job_or_its_file(tmp_path, model):
    path = tmp_path / "my job" / "result" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(model.read_bytes())
    assert [loaded.name for loaded in load_models([path, model])] == ["my job", "model-0"]


def test_a_prediction_does_without_packages_that_are_slow_to_import():
    code = "import sys; import DMRIPretrainLib.inference.predict, DMRIPretrainLib.scans.load; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"lightning", "monai", "scipy.stats", "vtk", "matplotlib"} & set(loaded)
    assert "torch" in loaded
