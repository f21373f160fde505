import csv
import json

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.evaluation.report import evaluate_folder
from DMRIPretrainLib.scans.bids import find_dwi
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.simulation.artifacts.drift import SignalDrift
from DMRIPretrainLib.simulation.export import SimulatedStudy, save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.maps import load_labels, load_peaks
from DMRIPretrainLib.training.cases import find_cases

TASKS = ("segmentation", "crossings", "orientation")


@pytest.fixture(scope="module")
def phantom():
    return simulate_brain((20, 24, 20), seed=1)


@pytest.fixture(scope="module")
def scan(phantom):
    return simulate_signal(phantom, make_gradient_table([(1000, 12)], 2), seed=1)


def test_a_study_is_a_bids_dataset_that_finetune_learns_from(tmp_path, phantom, scan):
    study = SimulatedStudy(tmp_path, {"01": 7, "02": 8})
    for subject in ("01", "02"):
        study.add(subject, scan, phantom)
    found = find_dwi(tmp_path)
    assert [one.subject for one in found] == ["01", "02"]
    cases = find_cases(tmp_path, TASKS, study.truth)
    assert [case.subject for case in cases] == ["01", "02"]
    assert json.loads((tmp_path / "dataset_description.json").read_text())["BIDSVersion"]
    with (tmp_path / "participants.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows == [{"participant_id": "sub-01", "seed": "7"}, {"participant_id": "sub-02", "seed": "8"}]


def test_what_is_written_is_read_back(tmp_path, phantom, scan):
    study = SimulatedStudy(tmp_path, {"01": 1})
    loaded = load_scan(study.add("01", scan, phantom))
    np.testing.assert_array_equal(loaded.signal, scan.signal)
    np.testing.assert_array_equal(loaded.mask, phantom.mask.numpy())
    np.testing.assert_allclose(loaded.gradients.directions, scan.gradients.directions, atol=1e-6)
    truth = study.truth / "sub-01_dwi"
    segmentation, affine = load_labels(truth / "segmentation.nii.gz")
    np.testing.assert_allclose(affine, phantom.affine, atol=1e-4)
    assert np.array_equal(segmentation, phantom.segmentation.numpy())
    assert np.array_equal(load_labels(truth / "crossings.nii.gz")[0], phantom.crossings.numpy())
    np.testing.assert_allclose(load_peaks(truth / "peaks.nii.gz")[0], phantom.peaks.numpy(), atol=1e-6)
    metrics = evaluate_folder(truth, truth)
    assert set(metrics) >= {"segmentation", "crossings", "orientation"}


def test_other_subjects_in_the_folder_are_no_part_of_the_study(tmp_path):
    (tmp_path / "sub-17").mkdir()
    with pytest.raises(UserError, match="sub-17"):
        SimulatedStudy(tmp_path, {"01": 0})
    assert [path.name for path in tmp_path.iterdir()] == ["sub-17"]


def test_what_corrupted_the_scan_is_noted_and_forgotten_with_it(tmp_path, phantom):
    drift = SignalDrift(0.05)
    save_truth(tmp_path, phantom, {"drift": drift})
    assert "drift" in json.loads((tmp_path / "artifacts.json").read_text())
    save_truth(tmp_path, phantom)
    assert not (tmp_path / "artifacts.json").exists()


def test_a_scan_alone_lies_beside_its_table_and_mask(tmp_path, scan):
    save_scan(tmp_path / "one" / "dwi.nii.gz", scan)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["dwi.bval", "dwi.bvec", "dwi.nii.gz", "dwi_mask.nii.gz"]
    assert nib.load(tmp_path / "one" / "dwi_mask.nii.gz").get_data_dtype() == np.uint8
    assert load_scan(tmp_path / "one").mask.sum() == scan.mask.sum()
