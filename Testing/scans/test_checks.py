from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.findings import Finding
from DMRIPretrainLib.scans.checks import check_scan, count_directions, raise_errors
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.nifti import read_nifti_scan
from DMRIPretrainLib.scans.scan import Scan


def codes(scan: Scan) -> list[str]:
    return [finding.code for finding in check_scan(scan)]


def with_signal(scan: Scan, volume: int, value: float) -> Scan:
    signal = scan.signal.copy()
    signal[6, 6, 6, volume] = value
    return replace(scan, signal=signal)


def with_table(scan: Scan, **changes: np.ndarray) -> Scan:
    return replace(scan, gradients=replace(scan.gradients, **changes))


def test_good_scans_have_no_findings(make_dwi, small_64d: tuple[Path, Path, Path]) -> None:
    assert check_scan(make_dwi(bvalues=(1000, 3000))) == []
    assert check_scan(read_nifti_scan(*small_64d)) == []


@pytest.mark.parametrize("name", ["toshiba", "prisma", "elition"])
def test_real_scans_have_no_findings(shared_scan_path, name: str) -> None:
    assert check_scan(read_nifti_scan(shared_scan_path(name))) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_no_number_names_the_volume(make_dwi, value: float) -> None:
    (finding,) = [f for f in check_scan(with_signal(make_dwi(), 7, value)) if f.severity == "error"]
    assert finding.code == "not-finite"
    assert "volume 7 " in finding.message


def test_constant_volumes_are_listed_and_cut_short(make_dwi) -> None:
    scan = make_dwi()
    signal = scan.signal.copy()
    signal[..., 10:17] = 5
    (finding,) = check_scan(replace(scan, signal=signal))
    assert finding.code == "constant"
    assert "volumes 10, 11, 12, 13, 14 and 2 more" in finding.message


def test_negative_signal_is_a_warning(make_dwi) -> None:
    (finding,) = check_scan(with_signal(make_dwi(), 4, -1))
    assert (finding.severity, finding.code) == ("warning", "negative")


def test_3d_and_counts(make_dwi) -> None:
    scan = make_dwi()
    assert codes(replace(scan, signal=scan.signal[..., 0])) == ["not-4d"]
    (finding,) = check_scan(replace(scan, signal=scan.signal[..., :-1]))
    assert finding.code == "count"
    assert "(32), found 33" in finding.message


@pytest.mark.parametrize("factor", [1e-3, 1e6], ids=["ms/um2", "s/m2"])
def test_other_units_are_one_finding(make_dwi, factor: float) -> None:
    scan = make_dwi(bvalues=(1500,))
    assert codes(with_table(scan, bvals=scan.gradients.bvals * factor)) == ["bvalue-unit"]


@pytest.mark.parametrize("largest", [300.0, 40_000.0])
def test_unusual_but_possible_bvalues_pass(make_dwi, largest: float) -> None:
    assert codes(make_dwi(bvalues=(largest,))) == []


@pytest.mark.parametrize("value", [-5.0, np.nan])
def test_impossible_bvalues(make_dwi, value: float) -> None:
    scan = make_dwi()
    bvals = scan.gradients.bvals.copy()
    bvals[5] = value
    assert codes(with_table(scan, bvals=bvals)) == ["bvalue"]


def test_no_b0_and_the_threshold_that_would_help(make_dwi) -> None:
    scan = make_dwi()
    bvals = np.where(scan.gradients.is_b0, 150.0, 1000.0)
    directions = np.where(scan.gradients.is_b0[:, None], [1.0, 0, 0], scan.gradients.directions)
    table = GradientTable(bvals, directions)
    (finding,) = check_scan(replace(scan, gradients=table))
    assert finding.code == "no-b0"
    assert "lowest 150" in finding.message
    assert codes(replace(scan, gradients=replace(table, b0_threshold=200.0))) == []


def test_small_bvalues_of_b0_volumes_are_fine(make_dwi) -> None:
    scan = make_dwi()
    bvals = scan.gradients.bvals.copy()
    bvals[:3] = [0.001, 0.004, 65]
    assert codes(with_table(scan, bvals=bvals)) == []


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        ((0, 0, 0), "bvec-zero"),
        ((np.nan, 0, 0), "bvec-nan"),
        ((0.7, 0, 0), "bvec-length"),
        ((0, 1.1, 0), "bvec-length"),
    ],
)
def test_bad_vector_of_a_weighted_volume(make_dwi, vector: tuple[float, ...], code: str) -> None:
    scan = make_dwi()
    directions = scan.gradients.directions.copy()
    directions[8] = vector
    (finding,) = check_scan(with_table(scan, directions=directions))
    assert finding.code == code
    assert "volume 8 " in finding.message


def test_q_space_table_is_explained(make_dwi) -> None:
    """DSI tables in which the length of the vector scales one nominal b-value."""
    scan = make_dwi()
    lengths = np.linspace(0.2, 1, len(scan.gradients))[:, None]
    (finding,) = check_scan(with_table(scan, directions=scan.gradients.directions * lengths))
    assert finding.code == "bvec-length"
    assert "DSI" in finding.action


def test_repeats_and_opposites_are_no_new_directions(make_dwi) -> None:
    scan = make_dwi(directions=5)
    directions = np.concatenate([scan.gradients.directions, -scan.gradients.directions[3:]])
    bvals = np.concatenate([scan.gradients.bvals, scan.gradients.bvals[3:]])
    signal = np.concatenate([scan.signal, scan.signal[..., 3:]], axis=-1)
    (finding,) = check_scan(replace(scan, signal=signal, gradients=GradientTable(bvals, directions)))
    assert finding.code == "few-directions"
    assert "found 5 in 10" in finding.message
    assert codes(make_dwi(directions=6)) == []


def test_count_directions_by_angle() -> None:
    angles = np.deg2rad([0.0, 0.5, 2.0, 90.0, 180.0])
    vectors = np.stack([np.cos(angles), np.sin(angles), np.zeros(5)], axis=1)
    assert count_directions(np.concatenate([vectors, np.zeros((2, 3)), np.full((1, 3), np.nan)])) == 3


@pytest.mark.parametrize(("degrees", "expected"), [(0.5, []), (5.0, ["sform-qform"])])
def test_sform_and_qform_that_disagree(make_dwi, save_dwi, degrees: float, expected: list[str]) -> None:
    path = save_dwi(make_dwi(), "dwi.nii")
    image = nib.load(path)
    sform = image.affine
    qform = sform.copy()
    qform[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix() @ sform[:3, :3]
    copy = nib.Nifti1Image(image.get_fdata(dtype=np.float32).copy(), sform)
    copy.set_sform(sform, code=1)
    copy.set_qform(qform, code=1)
    nib.save(copy, path)
    assert codes(read_nifti_scan(path)) == expected


def test_all_errors_make_one_line_and_warnings_none() -> None:
    warning = Finding("warning", "negative", "negative")
    raise_errors([warning], Path("dwi.nii"))
    with pytest.raises(UserError) as caught:
        raise_errors([Finding("error", "a", "first"), warning, Finding("error", "b", "second")], Path("dwi.nii"))
    assert str(caught.value) == "dwi.nii: first; also: second"


@pytest.mark.parametrize("factor", [5.0, 0.2])
def test_a_b0_of_another_brightness_is_a_warning(make_dwi, factor):
    scan = make_dwi(b0s=3)
    assert check_scan(scan) == []
    scan.signal[..., 1] *= factor
    (finding,) = check_scan(scan)
    assert (finding.severity, finding.code) == ("warning", "b0-level")
    assert "volume 1" in finding.message
