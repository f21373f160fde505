import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.grid import to_ras_order
from DMRIPretrainLib.simulation.artifacts import registry
from DMRIPretrainLib.simulation.artifacts.corrupt import acquisition_of, corrupt, corrupt_scan
from DMRIPretrainLib.simulation.artifacts.registry import ARTIFACTS, artifact_class, in_order

SCAN, TRUTH = "sub-01/dwi/sub-01_dwi.nii.gz", "derivatives/truth/sub-01_dwi"


def test_every_file_of_an_artifact_is_listed():
    helpers = {"__init__", "artifact", "coordinates", "corrupt", "displace", "draws", "registry", "resample"}
    assert {path.stem for path in Path(registry.__file__).parent.glob("*.py")} - helpers == set(ARTIFACTS)
    assert len({artifact_class(name) for name in ARTIFACTS}) == len(ARTIFACTS)


def test_names_come_in_the_order_of_physics_and_unknown_ones_are_refused():
    assert in_order(["noise", "motion", "noise"]) == ("motion", "noise")
    assert in_order(["gibbs", "all"]) == ARTIFACTS
    with pytest.raises(UserError, match=r"artifact moton: expected all, motion, .*noise"):
        in_order(["gibbs", "moton"])


def test_names_are_known_without_torch():
    code = "import sys, DMRIPretrainLib.simulation.artifacts.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_artifacts_follow_each_other_and_are_reported(make_acquisition):
    clean = make_acquisition()
    names = ["ghost", "motion", "drift"]
    corrupted, applied = corrupt(clean, names, torch.Generator().manual_seed(5))
    assert list(applied) == ["motion", "drift", "ghost"]
    step = clean
    for artifact in applied.values():
        step = artifact(step)
    assert torch.equal(corrupted.signal, step.signal)
    again, _ = corrupt(clean, names, torch.Generator().manual_seed(5))
    assert torch.equal(corrupted.signal, again.signal)


def test_a_scan_keeps_its_frame(make_dwi):
    """The table of a scan is in the world frame, that of artifacts along the voxel axes, whatever the affine."""
    for matrix in cube_symmetries()[::7]:
        affine = np.eye(4)
        affine[:3, :3] = matrix * [2.0, 2.5, 3.0]
        scan = make_dwi((10, 11, 12), affine=affine, directions=6)
        np.testing.assert_allclose(acquisition_of(scan).voxel_size, (2.0, 2.5, 3.0))
        corrupted, applied = corrupt_scan(scan, ["drift"], seed=1)
        np.testing.assert_allclose(corrupted.gradients.directions, scan.gradients.directions, atol=1e-12)
        factors = np.linspace(1, 1 - applied["drift"].loss, 9, dtype=np.float32)
        np.testing.assert_allclose(corrupted.signal, scan.signal * factors, rtol=1e-5)


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_directions_turn_about_the_voxel_axes(flip, make_dwi):
    tilt = Rotation.from_rotvec([20, -10, 40], degrees=True).as_matrix() @ np.diag([flip, 1, 1])
    affine = np.eye(4)
    affine[:3, :3] = tilt * [2.0, 2.5, 3.0]
    scan = make_dwi((10, 11, 12), affine=affine, directions=6)
    turned, applied = corrupt_scan(scan, ["motion"], seed=2)
    assert applied["motion"].rotate_directions
    rotations = Rotation.from_rotvec(applied["motion"].rotations, degrees=True).as_matrix()
    expected = np.einsum("ij,njk,lk,nl->ni", tilt, rotations, tilt, scan.gradients.directions)
    np.testing.assert_allclose(turned.gradients.directions, expected, atol=1e-9)


def test_a_scan_in_another_voxel_order_is_taken_as_it_comes(make_dwi):
    scan, _ = to_ras_order(make_dwi((8, 9, 10), affine=np.diag([-2.0, -2.0, 2.0, 1.0]), directions=6))
    assert scan.mask.strides[0] < 0  # a view, which torch refuses
    acquisition = acquisition_of(scan)
    np.testing.assert_array_equal(acquisition.mask, scan.mask)
    np.testing.assert_array_equal(acquisition.signal[4], scan.signal[..., 4])


def test_noise_comes_last_and_once(make_dwi):
    scan = make_dwi((8, 8, 8), directions=6)
    _, applied = corrupt_scan(scan, ["drift"], sigma=20.0, seed=1)
    assert list(applied) == ["drift", "noise"]
    assert applied["noise"].sigma == 20
    _, applied = corrupt_scan(scan, ["noise", "drift"], sigma=20.0, seed=1)
    assert list(applied) == ["drift", "noise"]
    assert applied["noise"].sigma != 20


@pytest.fixture
def simulate(tmp_path, capsys, monkeypatch):
    def run(folder, *options):
        from DMRIPretrainLib import cli

        arguments = ["simulate", "--out", tmp_path / folder, "--size", 16, "--b0", 1, "--shell", "1000x6", *options]
        monkeypatch.setattr(sys, "argv", ["dmri-pretrain", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            sys.exit(0)
        return stopped.value.code or 0, capsys.readouterr().err, tmp_path / folder

    return run


def test_the_command_corrupts_the_scan_and_not_the_truth(simulate):
    plain, corrupted = simulate("plain"), simulate("bad", "--artifact", "ghost", "--artifact", "motion")
    assert plain[0] == corrupted[0] == 0
    images = [nib.load(folder / SCAN).get_fdata() for _, _, folder in (plain, corrupted)]
    assert not np.allclose(*images, rtol=0.05)
    truths = [sorted((folder / TRUTH).glob("*.nii.gz")) for _, _, folder in (plain, corrupted)]
    assert len(truths[0]) == 3
    for one, two in zip(*truths, strict=True):
        np.testing.assert_array_equal(nib.load(one).get_fdata(), nib.load(two).get_fdata())
    applied = json.loads((corrupted[2] / TRUTH / "artifacts.json").read_text())
    assert list(applied) == ["motion", "ghost", "noise"]
    assert len(applied["motion"]["translations"]) == 7
    assert not (plain[2] / TRUTH / "artifacts.json").exists()


def test_the_command_takes_all_and_lists_the_names_of_artifacts(simulate):
    code, _, folder = simulate("all", "--artifact", "all")
    assert code == 0
    assert np.isfinite(nib.load(folder / SCAN).get_fdata()).all()
    code, error, folder = simulate("none", "--artifact", "ghosts")
    assert code == 2
    assert "ghosts" in error
    assert "bias_field" in error
    assert not folder.exists()
