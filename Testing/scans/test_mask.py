from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.mask import brain_mask, choose_mask, find_mask, read_mask
from DMRIPretrainLib.scans.nifti import read_nifti_scan
from DMRIPretrainLib.scans.scan import Scan


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.sum(first & second) / (first.sum() + second.sum())


def with_noisy_background(scan: Scan, sigma: float) -> Scan:
    noise = np.random.default_rng(0).normal(scale=sigma, size=(2, *scan.signal.shape))
    return replace(scan, signal=np.hypot(scan.signal + noise[0], noise[1]).astype(np.float32))


def test_stripped_scan_shows_its_mask(make_dwi) -> None:
    scan = make_dwi((20, 20, 20), snr=15)
    hole = scan.signal.copy()
    hole[10, 10, 10] = 0  # a dark voxel inside
    hole[0, 0, 0] = 500  # and a stray one outside
    np.testing.assert_array_equal(brain_mask(replace(scan, signal=hole)), scan.mask)


def test_brain_in_noisy_air(make_dwi) -> None:
    scan = with_noisy_background(make_dwi((30, 30, 30), directions=6), sigma=60)
    assert dice(brain_mask(scan), scan.mask) > 0.95


def test_zero_corners_around_noisy_air_are_not_taken_for_stripping(make_dwi) -> None:
    """Some scanners set what is outside of a circular field of view to zero."""
    brain = make_dwi((24, 24, 16), directions=6)
    margin = ((8, 8), (8, 8), (2, 2))
    padded = replace(brain, signal=np.pad(brain.signal, (*margin, (0, 0))), mask=np.pad(brain.mask, margin))
    noisy = with_noisy_background(padded, sigma=50)
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40), indexing="ij")
    circular = replace(noisy, signal=noisy.signal * (np.hypot(x, y) < 1)[..., None, None])
    assert np.mean(circular.mean_b0() == 0) > 0.2
    assert dice(brain_mask(circular), padded.mask) > 0.9


def test_crop_without_air_is_brain_throughout(small_64d: tuple[Path, Path, Path]) -> None:
    assert brain_mask(read_nifti_scan(*small_64d)).all()


@pytest.mark.parametrize("name", ["toshiba", "prisma", "elition"])
def test_real_scans_agree_with_their_published_masks(shared_scan_path, name: str) -> None:
    path = shared_scan_path(name)
    scan = read_nifti_scan(path)
    published = read_mask(path.with_name("mask.nii.gz"), scan)
    assert dice(brain_mask(scan), published) > 0.995


def test_scan_without_b0_or_signal(make_dwi) -> None:
    scan = make_dwi()
    weighted = scan.subset(np.arange(3, 33))
    np.testing.assert_array_equal(brain_mask(weighted), scan.mask)
    with pytest.raises(UserError, match="expected signal"):
        brain_mask(replace(scan, signal=np.zeros_like(scan.signal)))


def save_mask(path: Path, mask: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(mask, affine), path)
    return path


def test_read_mask_thresholds_and_drops_a_trailing_axis(tmp_path: Path, make_dwi) -> None:
    scan = make_dwi()
    values = np.where(scan.mask, 0.9, 0.3).astype(np.float32)
    path = save_mask(tmp_path / "mask.nii", values[..., None], scan.affine)
    np.testing.assert_array_equal(read_mask(path, scan), scan.mask)


def test_read_mask_refuses_empty_and_4d(tmp_path: Path, make_dwi) -> None:
    scan = make_dwi()
    empty = save_mask(tmp_path / "empty.nii", np.zeros(scan.shape, np.uint8), scan.affine)
    with pytest.raises(UserError, match=r"empty\.nii"):
        read_mask(empty, scan)
    several = save_mask(tmp_path / "several.nii", np.ones((*scan.shape, 2), np.uint8), scan.affine)
    with pytest.raises(UserError, match=r"several\.nii.*3D"):
        read_mask(several, scan)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("dwi.nii.gz", "dwi_mask.nii.gz"),
        ("dwi.nii.gz", "mask.nii"),
        ("data.nii.gz", "nodif_brain_mask.nii.gz"),
        ("sub-1_dwi.nii", "sub-1_mask.nii.gz"),
        ("sub-1_desc-preproc_dwi.nii.gz", "sub-1_desc-brain_mask.nii.gz"),
        ("scan.nrrd", "scan_mask.nii.gz"),
    ],
)
def test_mask_beside_a_scan_is_found(tmp_path: Path, image: str, mask: str) -> None:
    (tmp_path / mask).touch()
    (tmp_path / "sub-2_mask.nii.gz").touch()
    assert find_mask(tmp_path / image) == tmp_path / mask


def test_choice_of_the_mask(tmp_path: Path, make_dwi) -> None:
    scan = make_dwi()
    loaded = replace(scan, mask=None, path=tmp_path / "dwi.nii.gz")
    assert choose_mask(scan) == (scan.mask, "in memory")
    assert choose_mask(loaded)[1] == "computed"
    beside = save_mask(tmp_path / "mask.nii.gz", np.ones(scan.shape, np.uint8), scan.affine)
    given = save_mask(tmp_path / "given.nii.gz", scan.mask.astype(np.uint8), scan.affine)
    mask, source = choose_mask(loaded)
    assert source == str(beside)
    assert mask.all()
    mask, source = choose_mask(replace(loaded, mask=np.zeros(scan.shape, bool)), given)
    assert source == str(given)
    np.testing.assert_array_equal(mask, scan.mask)
