"""Loading by kind, and one plain line for every way in which a scan can be broken."""

import gzip
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.load import find_scan, load_scan, read_scan
from DMRIPretrainLib.scans.nrrd_file import write_nrrd_scan


@pytest.fixture
def dwi(make_dwi, save_dwi) -> Path:
    """A good scan on disk; its noise keeps gzip from packing it small."""
    return save_dwi(make_dwi(snr=20))


def test_every_kind_gives_the_same_scan(tmp_path: Path, make_dwi, save_dwi) -> None:
    truth = make_dwi(snr=20)
    write_nrrd_scan(tmp_path / "nrrd" / "dwi.nrrd", truth)
    paths = [
        save_dwi(truth, "dwi.nii.gz"),
        save_dwi(truth, "plain.nii", tmp_path / "plain"),
        save_dwi(truth, "sub-1_dwi.nii.gz", tmp_path / "sub-1" / "dwi"),
        tmp_path / "nrrd" / "dwi.nrrd",
        tmp_path / "nrrd",
        tmp_path / "plain",
        tmp_path / "sub-1",
    ]
    for path in paths:
        scan = load_scan(path)
        np.testing.assert_array_equal(scan.signal, truth.signal)
        np.testing.assert_array_equal(scan.mask, truth.mask)
        np.testing.assert_allclose(scan.gradients.directions, truth.gradients.directions, atol=1e-6)


def test_given_files_and_threshold_are_used(tmp_path: Path, dwi: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for suffix in (".bval", ".bvec"):
        shutil.move(dwi.with_name(f"dwi{suffix}"), other / f"table{suffix}")
    (other / "table.bval").write_text((other / "table.bval").read_text().replace("0 0 0 ", "150 150 150 ", 1))
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[3] = 1
    nib.save(nib.Nifti1Image(mask, nib.load(dwi).affine), other / "part.nii")
    scan = load_scan(
        dwi, bval=other / "table.bval", bvec=other / "table.bvec", mask=other / "part.nii", b0_threshold=200.0
    )
    assert scan.gradients.describe() == "3 b0 + 30 x 1000"
    np.testing.assert_array_equal(scan.mask, mask > 0)


def test_one_gradient_file_may_be_given_and_the_other_found(tmp_path: Path, dwi: Path) -> None:
    shutil.move(tmp_path / "dwi.bval", tmp_path / "b.txt")
    assert load_scan(dwi, bval=tmp_path / "b.txt").gradients.describe() == "3 b0 + 30 x 1000"


def test_mask_beside_the_scan_is_used(tmp_path: Path, dwi: Path) -> None:
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[5] = 1
    nib.save(nib.Nifti1Image(mask, nib.load(dwi).affine), tmp_path / "dwi_mask.nii.gz")
    np.testing.assert_array_equal(load_scan(dwi).mask, mask > 0)


def test_bids_image_inherits_its_gradients(tmp_path: Path, make_dwi, save_dwi) -> None:
    path = save_dwi(make_dwi(), "sub-1_dwi.nii.gz", tmp_path / "sub-1" / "dwi")
    for suffix in (".bval", ".bvec"):
        shutil.move(path.with_name(f"sub-1_dwi{suffix}"), tmp_path / f"dwi{suffix}")
    for source in (path, tmp_path, tmp_path / "sub-1"):
        assert load_scan(source).gradients.describe() == "3 b0 + 30 x 1000"


def test_hcp_folder_with_another_4d_image(tmp_path: Path, make_dwi, save_dwi) -> None:
    scan = make_dwi()
    path = save_dwi(scan, "data.nii.gz")
    shutil.move(tmp_path / "data.bval", tmp_path / "bvals")
    shutil.move(tmp_path / "data.bvec", tmp_path / "bvecs")
    nib.save(nib.Nifti1Image(np.zeros((*scan.shape, 9), np.float32), scan.affine), tmp_path / "grad_dev.nii.gz")
    nib.save(nib.Nifti1Image(scan.mask.astype(np.uint8), scan.affine), tmp_path / "nodif_brain_mask.nii.gz")
    assert find_scan(tmp_path) == path
    np.testing.assert_array_equal(load_scan(tmp_path).mask, scan.mask)


def test_folder_with_none_or_several_scans_is_refused(tmp_path: Path, make_dwi, save_dwi) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: .*found none"):
        load_scan(tmp_path / "empty")
    save_dwi(make_dwi(), "a.nii.gz")
    save_dwi(make_dwi(), "b.nii.gz")
    with pytest.raises(UserError, match=r"found 2 \(a\.nii\.gz, b\.nii\.gz\)"):
        load_scan(tmp_path)


def test_nrrd_takes_no_gradient_files(tmp_path: Path, make_dwi) -> None:
    write_nrrd_scan(tmp_path / "dwi.nrrd", make_dwi())
    with pytest.raises(UserError, match=r"dwi\.nrrd.*leave out"):
        load_scan(tmp_path / "dwi.nrrd", bval=tmp_path / "dwi.bval")


def test_check_can_be_left_out(dwi: Path) -> None:
    (dwi.with_name("dwi.bval")).write_text(" ".join(["1000"] * 33))
    with pytest.raises(UserError, match="b0"):
        load_scan(dwi)
    assert load_scan(dwi, check=False).mask is not None
    assert read_scan(dwi).mask is None


def test_warnings_are_logged(make_dwi, save_dwi, caplog: pytest.LogCaptureFixture) -> None:
    scan = make_dwi()
    path = save_dwi(replace(scan, signal=scan.signal - 1))
    with caplog.at_level(logging.WARNING):
        load_scan(path)
    assert "negative" in caplog.text


@pytest.mark.parametrize("name", ["toshiba", "prisma", "elition"])
def test_real_scans_load(shared_scan_path, name: str) -> None:
    path = shared_scan_path(name)
    scan = load_scan(path.parent)
    assert scan.path == path
    np.testing.assert_array_equal(scan.mask, nib.load(path.with_name("mask.nii.gz")).get_fdata() > 0)


# Each function below breaks a good scan in one way.


def edit_image(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine), path)


def edit_table(path: Path, kind: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    table = path.with_name(f"dwi.{kind}")
    np.savetxt(table, np.atleast_2d(change(np.loadtxt(table))), fmt="%.8g")


def set_volume(volume: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(signal: np.ndarray) -> np.ndarray:
        signal[..., volume] = value
        return signal

    return change


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def damage_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(content)


def damage_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


def write_mask(path: Path, shape: tuple[int, ...]) -> None:
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), nib.load(path).affine), path.with_name("mask.nii.gz"))


def keep_directions(path: Path, count: int) -> None:
    edit_image(path, lambda signal: signal[..., : 3 + count])
    edit_table(path, "bval", lambda bvals: bvals[: 3 + count])
    edit_table(path, "bvec", lambda bvecs: bvecs[:, : 3 + count])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "fewer volumes": (lambda p: edit_image(p, lambda s: s[..., :-1]), r"dwi\.nii\.gz.*volumes \(32\), found 33"),
    "fewer b-values": (lambda p: edit_table(p, "bval", lambda b: b[:-1]), r"dwi\.bvec: expected 32.*found 33"),
    "fewer b-vectors": (lambda p: edit_table(p, "bvec", lambda b: b[:, :-1]), r"dwi\.bvec: expected 33.*found 32"),
    "NaN": (lambda p: edit_image(p, set_volume(9, np.nan)), r"dwi\.nii\.gz.*NaN.*volume 9 "),
    "infinity": (lambda p: edit_image(p, set_volume(9, np.inf)), r"dwi\.nii\.gz.*infinity.*volume 9 "),
    "empty volume": (lambda p: edit_image(p, set_volume(4, 0.0)), r"dwi\.nii\.gz.*constant.*volume 4 "),
    "constant volume": (lambda p: edit_image(p, set_volume(4, 7.0)), r"dwi\.nii\.gz.*constant.*volume 4 "),
    "long b-vectors": (lambda p: edit_table(p, "bvec", lambda b: b * 1.2), r"dwi\.nii\.gz.*length 1"),
    "zero b-vectors": (lambda p: edit_table(p, "bvec", lambda b: b * 0), r"dwi\.nii\.gz.*zero b-vectors"),
    "no b0": (lambda p: edit_table(p, "bval", lambda b: b * 0 + 1000), r"dwi\.nii\.gz.*b0 volume"),
    "five directions": (lambda p: keep_directions(p, 5), r"dwi\.nii\.gz.*at least 6.*found 5"),
    "b in ms/um2": (lambda p: edit_table(p, "bval", lambda b: b / 1e3), r"dwi\.nii\.gz.*ms/µm².*1000"),
    "b in s/m2": (lambda p: edit_table(p, "bval", lambda b: b * 1e6), r"dwi\.nii\.gz.*s/m².*1 000 000"),
    "gzip without its end": (lambda p: cut(p, 0.95), r"dwi\.nii\.gz.*truncated"),
    "gzip cut in half": (lambda p: cut(p, 0.5), r"dwi\.nii\.gz.*truncated"),
    "gzip cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:60]), r"dwi\.nii\.gz"),
    "gzip with a wrong checksum": (damage_checksum, r"dwi\.nii\.gz.*damaged"),
    "gzip with a damaged middle": (damage_middle, r"dwi\.nii\.gz.*damaged"),
    "3D": (lambda p: edit_image(p, lambda s: s[..., 0]), r"dwi\.nii\.gz.*4D.*found 3D"),
    "mask of another size": (lambda p: write_mask(p, (12, 12, 11)), r"mask\.nii\.gz.*geometry"),
    "no such file": (lambda p: p.unlink(), r"dwi\.nii\.gz.*no such file"),
    "no b-values": (lambda p: p.with_name("dwi.bval").unlink(), r"dwi\.nii\.gz.*\.bval"),
    "no b-vectors": (lambda p: p.with_name("dwi.bvec").unlink(), r"dwi\.nii\.gz.*\.bvec"),
    "text in the table": (lambda p: p.with_name("dwi.bval").write_text("b = 1000"), r"dwi\.bval.*numbers"),
    "not an image": (lambda p: p.write_bytes(gzip.compress(b"hello " * 500)), r"dwi\.nii\.gz.*header"),
    "not gzip": (lambda p: p.write_bytes(b"hello " * 500), r"dwi\.nii\.gz"),
    "empty file": (lambda p: p.write_bytes(b""), r"dwi\.nii\.gz"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_scan_gets_one_plain_line(dwi: Path, kind: str) -> None:
    load_scan(dwi)
    break_scan, answer = BROKEN[kind]
    break_scan(dwi)
    with pytest.raises(UserError, match=answer) as caught:
        load_scan(dwi)
    assert "\n" not in str(caught.value)


def test_header_of_a_truncated_gzip_is_still_readable(dwi: Path) -> None:
    """So the header alone would not betray the file: the data must be read to its end."""
    cut(dwi, 0.5)
    assert nib.load(dwi).shape == (12, 12, 12, 33)


def test_truncated_plain_nifti(make_dwi, save_dwi) -> None:
    path = save_dwi(make_dwi(), "dwi.nii")
    cut(path, 0.5)
    with pytest.raises(UserError, match=r"dwi\.nii.*truncated"):
        load_scan(path)


def test_several_errors_are_one_line(dwi: Path) -> None:
    edit_image(dwi, set_volume(9, np.nan))
    edit_table(dwi, "bval", lambda bvals: bvals * 0 + 1000)
    with pytest.raises(UserError, match=r"b0 volume.*also: .*NaN") as caught:
        load_scan(dwi)
    assert "\n" not in str(caught.value)


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").touch()
    with pytest.raises(UserError, match=r"scan\.dcm.*\.nrrd"):
        load_scan(tmp_path / "scan.dcm")
