"""The simulated sites of a benchmark."""

import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.benchmark.domains import FINE_TUNING, FIRST_SEEDS, PRETRAINING, protocols, simulate_site
from DMRIPretrainLib.benchmark.plan import Plan
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.training.simulated_source import SimulationPrior

SMALL = replace(FINE_TUNING, shape=(12, 12, 6), voxel_size=8.0, shells=((1500.0, 8),))


def test_the_sites_differ_as_a_study_and_a_hospital_do():
    assert {bvalue for bvalue, _ in PRETRAINING.shells}.isdisjoint({bvalue for bvalue, _ in FINE_TUNING.shells})
    assert min(count for _, count in PRETRAINING.shells) > max(count for _, count in FINE_TUNING.shells)
    assert PRETRAINING.snr > FINE_TUNING.snr
    assert PRETRAINING.voxel_size < FINE_TUNING.voxel_size
    assert FINE_TUNING.artifacts
    assert not PRETRAINING.artifacts


def test_no_brain_is_in_two_sets_or_was_seen_by_the_shipped_model():
    plan = Plan(labels=(1, 20))
    counts = {
        "pretraining": plan.pretrain_scans,
        "training": plan.training_scans,
        "validation": plan.validation_scans,
        "test": plan.test_scans,
    }
    brains = [set(range(first, first + counts[name])) for name, first in FIRST_SEEDS.items()]
    brains.append(set(range(SimulationPrior().brains)))
    assert all(first.isdisjoint(second) for first, second in itertools.combinations(brains, 2))


def test_other_protocols_change_one_thing_at_a_time():
    for site in protocols(FINE_TUNING).values():
        changed = [name for name, value in vars(site).items() if value != getattr(FINE_TUNING, name)]
        assert len(changed) <= 1
        assert set(changed) <= {"snr", "shells"}


def test_a_site_is_simulated_once_with_its_truth(tmp_path):
    folder = simulate_site(tmp_path / "site", SMALL, 4000, 2)
    scan = load_scan(folder / "sub-4000" / "dwi" / "sub-4000_dwi.nii.gz")
    assert scan.signal.shape == (12, 12, 6, SMALL.b0s + 8)
    assert np.allclose(scan.voxel_size, 8.0)
    truth = folder / "derivatives" / "truth" / "sub-4001_dwi"
    assert {"segmentation.nii.gz", "crossings.nii.gz", "peaks.nii.gz", "artifacts.json"} <= {
        path.name for path in truth.iterdir()
    }
    first = nib.load(folder / "sub-4000" / "dwi" / "sub-4000_dwi.nii.gz").get_fdata()
    second = nib.load(folder / "sub-4001" / "dwi" / "sub-4001_dwi.nii.gz").get_fdata()
    assert not np.array_equal(first, second)

    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")}
    assert simulate_site(folder, SMALL, 4000, 2) == folder
    assert written == {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")}


def test_scans_of_another_site_are_not_taken_for_those_that_are_wanted(tmp_path):
    simulate_site(tmp_path, SMALL, 4000, 1)
    with pytest.raises(UserError, match="choose another --out"):
        simulate_site(tmp_path, replace(SMALL, snr=5.0), 4000, 1)
