import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import write_nifti
from DMRIPretrainLib.scans.find_scans import find_scans
from DMRIPretrainLib.scans.nrrd_file import write_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan


@pytest.fixture(scope="module")
def scan(make_dwi) -> Scan:
    return make_dwi((6, 6, 6), directions=12)


@pytest.fixture
def save(scan, save_dwi):
    """``save(path)`` writes the scan with gradient files of its own name."""
    return lambda path: save_dwi(scan, path.name, path.parent)


@pytest.fixture
def save_hcp(scan, save):
    """``save_hcp(folder)`` writes a minimally preprocessed HCP folder, with other 4D and 3D images beside the data."""

    def write(folder: Path) -> Path:
        path = save(folder / "data.nii.gz")
        for kind in ("bval", "bvec"):
            path.with_name(f"data.{kind}").rename(path.with_name(f"{kind}s"))
        write_nifti(folder / "nodif_brain_mask.nii.gz", scan.mask.astype(np.uint8), scan.affine)
        write_nifti(folder / "grad_dev.nii.gz", np.zeros((6, 6, 6, 9), dtype=np.float32), scan.affine)
        return path

    return write


def found(*sources: Path | str) -> list[Path]:
    files = find_scans(sources)
    for item in files:
        assert item.load().mask.any()  # what is found can be read
    return [item.scan for item in files]


def refusal(*sources: Path) -> str:
    with pytest.raises(UserError) as caught:
        find_scans(sources)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_bids_dataset(tmp_path, save):
    root = tmp_path / "study"
    paths = [
        save(root / "sub-01" / "ses-a" / "dwi" / "sub-01_ses-a_dwi.nii.gz"),
        save(root / "sub-01" / "ses-b" / "dwi" / "sub-01_ses-b_dwi.nii.gz"),
        save(root / "sub-02" / "dwi" / "sub-02_dwi.nii"),
    ]
    save(root / "sub-02" / "anat" / "other.nii.gz")
    save(root / "derivatives" / "sub-02" / "dwi" / "sub-02_dwi.nii.gz")
    assert found(root) == paths
    assert [item.name for item in find_scans([root])][2] == "study/sub-02/dwi/sub-02_dwi.nii"
    assert found(root / "sub-01") == paths[:2]
    assert found(root / "sub-01" / "ses-b") == paths[1:2]
    assert found(root / "derivatives") == [root / "derivatives" / "sub-02" / "dwi" / "sub-02_dwi.nii.gz"]


def test_bids_gradients_are_inherited(tmp_path, save):
    root = tmp_path / "study"
    path = save(root / "sub-01" / "dwi" / "sub-01_dwi.nii.gz")
    for kind in ("bval", "bvec"):
        path.with_name(f"sub-01_dwi.{kind}").rename(root / f"dwi.{kind}")
    assert found(root) == [path]


def test_hcp_folder_subject_and_collection(tmp_path, save, save_hcp):
    root = tmp_path / "hcp"
    paths = [save_hcp(root / subject / "T1w" / "Diffusion") for subject in ("100307", "100408")]
    save(root / "100307" / "unprocessed" / "3T" / "Diffusion" / "dir95.nii.gz")
    write_nifti(root / "100307" / "MNINonLinear" / "bold.nii.gz", np.ones((3, 3, 3, 9), np.float32), np.eye(4))
    assert found(paths[0].parent) == paths[:1]
    assert found(root / "100307") == paths[:1]
    assert found(root) == paths
    assert found(tmp_path) == paths
    assert find_scans([root])[1].name == "hcp/100408/T1w/Diffusion/data.nii.gz"


def test_mask_of_hcp_is_used(tmp_path, scan, save_hcp):
    path = save_hcp(tmp_path / "100307")
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[2:4, 2:4, 2:4] = 1
    write_nifti(path.with_name("nodif_brain_mask.nii.gz"), mask, scan.affine)
    (files,) = find_scans([tmp_path / "100307"])
    assert files.load().mask.sum() == 8


def test_folder_of_single_scans_of_all_kinds(tmp_path, scan, save):
    folder = tmp_path / "scans"
    paths = [save(folder / "a.nii.gz"), save(folder / "b.nii"), folder / "c.nrrd"]
    write_nrrd_scan(paths[2], scan)
    write_nifti(folder / "a_mask.nii.gz", scan.mask.astype(np.uint8), scan.affine)
    (folder / "notes.md").write_text("not a scan")
    save(folder / "derived" / "again.nii.gz")
    save(folder / ".hidden" / "hidden.nii.gz")
    assert found(folder) == paths


def test_folder_of_studies(tmp_path, save, save_hcp):
    paths = [
        save(tmp_path / "a" / "sub-01" / "dwi" / "sub-01_dwi.nii.gz"),
        save(tmp_path / "b" / "scan.nii.gz"),
        save_hcp(tmp_path / "c" / "100307" / "T1w" / "Diffusion"),
    ]
    assert found(tmp_path) == paths


def test_one_scan(tmp_path, save):
    path = save(tmp_path / "dwi.nii.gz")
    (files,) = find_scans([str(path)])
    assert files.scan == path
    assert files.name == f"{tmp_path.name}/dwi.nii.gz"


def test_text_list(tmp_path, save, save_hcp):
    paths = [save(tmp_path / "data" / "one.nii.gz"), save_hcp(tmp_path / "data" / "hcp" / "1" / "T1w" / "Diffusion")]
    listing = tmp_path / "lists" / "scans.txt"
    listing.parent.mkdir()
    listing.write_text(f"\ufeff../data/one.nii.gz\r\n\n  {tmp_path / 'data' / 'hcp'}  \n")
    assert [path.resolve() for path in found(listing)] == paths


def test_csv_list(tmp_path, scan, save):
    path = save(tmp_path / "data" / "one.nii.gz")
    for kind in ("bval", "bvec"):
        path.with_name(f"one.{kind}").rename(tmp_path / f"x.{kind}")
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[3, 3, 3] = 1
    write_nifti(tmp_path / "m.nii", mask, scan.affine)
    listing = tmp_path / "scans.csv"
    listing.write_text("scan,mask,bval,bvec\ndata/one.nii.gz,m.nii,x.bval,x.bvec\n")
    (files,) = find_scans([listing])
    assert files.load().mask.sum() == 1
    np.testing.assert_allclose(files.load().gradients.directions, scan.gradients.directions, atol=1e-6)
    listing.write_text("scan,masks\ndata/one.nii.gz,m.nii\n")
    assert "unknown columns masks" in refusal(listing)
    listing.write_text("scan,mask\n,m.nii\n")
    assert "line 2" in refusal(listing)


def test_a_scan_named_twice_is_found_once(tmp_path, save):
    paths = [save(tmp_path / "data" / "a.nii.gz"), save(tmp_path / "data" / "b.nii.gz")]
    assert found(paths[1], tmp_path / "data", tmp_path / "data" / ".." / "data" / "a.nii.gz") == [paths[1], paths[0]]


def test_sources_that_hold_nothing_are_refused(tmp_path, save):
    good = save(tmp_path / "good" / "dwi.nii.gz")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert str(empty) in refusal(good, empty)
    assert "no such file" in refusal(good, tmp_path / "nothing")
    other = tmp_path / "scan.mgz"
    other.touch()
    assert "expected a folder, a scan" in refusal(other)
    for name, text in (("empty.txt", "\n \n"), ("missing.txt", "nowhere.nii.gz\n"), ("empty.csv", "scan\n")):
        (tmp_path / name).write_text(text)
        assert name in refusal(tmp_path / name)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    assert "one a line" in refusal(tmp_path / "binary.txt")


def test_images_without_gradients_are_no_scans(tmp_path, save):
    path = save(tmp_path / "a" / "dwi.nii.gz")
    path.with_name("dwi.bval").unlink()
    assert "expected diffusion scans" in refusal(tmp_path / "a")


def test_a_broken_folder_among_good_ones_is_named(tmp_path, save, save_hcp, caplog):
    good = save(tmp_path / "good" / "dwi.nii.gz")
    broken = save_hcp(tmp_path / "poor")
    broken.write_bytes(b"nothing like an image")
    with caplog.at_level(logging.WARNING):
        assert found(tmp_path) == [good]
    assert [str(broken) in record.getMessage() for record in caplog.records] == [True]
    shutil.rmtree(good.parent)
    assert str(tmp_path) in refusal(tmp_path)


def test_a_broken_line_among_good_ones_is_named(tmp_path, save, caplog):
    good = save(tmp_path / "good" / "dwi.nii.gz")
    (tmp_path / "empty").mkdir()
    listing = tmp_path / "scans.txt"
    listing.write_text("good\nnowhere.nii.gz\nempty\n")
    with caplog.at_level(logging.WARNING):
        assert found(listing) == [good]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "nowhere.nii.gz" in messages[0]
    assert str(tmp_path / "empty") in messages[1]


def test_side_files_that_compete_spoil_one_scan_alone(tmp_path, save):
    """The whole study is found; the one scan is left out when it is read."""
    root = tmp_path / "study"
    good = save(root / "sub-01" / "dwi" / "sub-01_dwi.nii.gz")
    bad = save(root / "sub-02" / "dwi" / "sub-02_dir-AP_run-1_dwi.nii.gz")
    for kind in ("bval", "bvec"):
        own = bad.with_name(f"sub-02_dir-AP_run-1_dwi.{kind}")
        shutil.copy(own, own.with_name(f"sub-02_run-1_dwi.{kind}"))
        own.rename(own.with_name(f"sub-02_dir-AP_dwi.{kind}"))
    files = find_scans([root])
    assert [item.scan for item in files] == [good, bad]
    with pytest.raises(UserError, match="side file"):
        files[1].load()
