import numpy as np
import pytest
from rich.console import Console

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.evaluation.report import evaluate_folder, render_table
from DMRIPretrainLib.files import to_json, write_nifti
from DMRIPretrainLib.tasks import maps

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def folders(tmp_path):
    """A reference whose white matter is one half, and a prediction that is wrong outside of it and in one voxel."""
    prediction, reference = tmp_path / "prediction", tmp_path / "reference"
    tissue = np.full((4, 4, 4), 2)
    tissue[2:] = 3
    crossings = np.where(tissue == 3, 2, 1)
    peaks = np.zeros((4, 4, 4, 3, 3))
    peaks[..., 0, 0] = 1
    for folder in (prediction, reference):
        maps.save_segmentation(folder / maps.SEGMENTATION, tissue, AFFINE)
    maps.save_crossings(reference / maps.CROSSINGS, crossings, AFFINE)
    maps.save_peaks(reference / maps.PEAKS, peaks, AFFINE)
    wrong = np.where(tissue == 3, 2, 0)
    wrong[3, 3, 3] = 3
    maps.save_crossings(prediction / maps.CROSSINGS, wrong, AFFINE)
    maps.save_peaks(prediction / maps.PEAKS, -peaks, AFFINE)
    return prediction, reference


def test_fibres_are_compared_in_the_white_matter(folders):
    report = evaluate_folder(*folders)
    assert report["segmentation"]["WM"]["dice"] == 1
    assert report["crossings"]["voxels"] == 32
    assert report["crossings"]["accuracy"] == pytest.approx(31 / 32)
    assert report["orientation"]["dominant_mean"] == pytest.approx(0, abs=1e-6)


def test_masks_restrict(folders, tmp_path):
    mask = np.ones((4, 4, 4), dtype=np.uint8)
    mask[3] = 0
    write_nifti(tmp_path / "mask.nii.gz", mask, AFFINE)
    report = evaluate_folder(*folders, mask=tmp_path / "mask.nii.gz")
    assert report["crossings"]["voxels"] == 16
    assert report["crossings"]["accuracy"] == 1
    everywhere = evaluate_folder(*folders, white_matter=tmp_path / "mask.nii.gz")
    assert everywhere["crossings"]["voxels"] == 48


def test_fod_and_probabilities_are_used_where_present(folders):
    prediction, reference = folders
    fod = np.random.default_rng(0).standard_normal((4, 4, 4, 45))
    for folder in folders:
        maps.save_fod(folder / maps.FOD, fod, AFFINE)
    probabilities = np.zeros((4, 4, 4, 4))
    probabilities[..., 2] = 1
    maps.save_probabilities(prediction / maps.CROSSINGS_PROBABILITIES, probabilities, AFFINE)
    report = evaluate_folder(prediction, reference)
    assert report["orientation"]["angular_correlation"] == pytest.approx(1)
    assert report["crossings"]["calibration_error"] == 0


def test_labels_of_the_user_are_those_that_occur_and_name_no_white_matter(folders):
    for folder in folders:
        labels = np.full((4, 4, 4), 17)
        labels[2:] = 2035
        labels[0, 0, 0] = 3
        maps.save_segmentation(folder / maps.SEGMENTATION, labels, AFFINE)
    report = evaluate_folder(*folders)
    assert list(report["segmentation"]) == ["label 3", "label 17", "label 2035"]
    assert report["fibres compared in"] == "all of the mask"
    assert report["crossings"]["voxels"] == 64


def test_tables_show_the_numbers_and_json_has_no_nan(folders):
    report = evaluate_folder(*folders)
    console = Console(width=120, record=True, quiet=True)
    with console.capture():
        console.print(render_table(report))
    text = Console(width=120)
    with text.capture() as capture:
        text.print(render_table(report))
    assert "0.969" in capture.get()  # accuracy 31 / 32
    assert "Dice" in capture.get()
    assert '"hd95_mm": null' in to_json(report)  # no CSF in either


def test_other_grids_and_empty_folders_are_refused(folders, tmp_path):
    prediction, reference = folders
    moved = AFFINE.copy()
    moved[0, 3] = 5
    maps.save_crossings(prediction / maps.CROSSINGS, np.zeros((4, 4, 4)), moved)
    with pytest.raises(UserError, match="affine"):
        evaluate_folder(prediction, reference)
    maps.save_crossings(prediction / maps.CROSSINGS, np.zeros((4, 4, 5)), AFFINE)
    with pytest.raises(UserError, match=r"expected the shape \(4, 4, 4\)"):
        evaluate_folder(prediction, reference)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="found none"):
        evaluate_folder(tmp_path / "empty", reference)
