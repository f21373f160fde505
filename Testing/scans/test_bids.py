from pathlib import Path

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.bids import find_dwi, inherited_file


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_scans_of_subjects_with_and_without_sessions(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "sub-01/dwi/sub-01_dwi.nii.gz",
        "sub-02/ses-a/dwi/sub-02_ses-a_run-1_dwi.nii",
        "sub-02/ses-a/dwi/sub-02_ses-a_run-1_sbref.nii.gz",
        "sub-02/ses-a/dwi/sub-02_ses-a_part-phase_dwi.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
        "derivatives/qsiprep/sub-01/dwi/sub-01_desc-preproc_dwi.nii.gz",
        "sourcedata/sub-01/dwi/sub-01_dwi.nii.gz",
    )
    scans = find_dwi(tmp_path)
    assert [(scan.subject, scan.session, scan.name) for scan in scans] == [
        ("01", None, "sub-01_dwi"),
        ("02", "a", "sub-02_ses-a_run-1_dwi"),
    ]
    assert [(scan.bval, scan.bvec) for scan in scans] == [(None, None)] * 2


def test_deepest_folder_wins(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "dwi.bval",
        "dwi.bvec",
        "sub-01/ses-a/dwi/sub-01_ses-a_dwi.nii.gz",
        "sub-01/ses-a/sub-01_ses-a_dwi.bval",
        "sub-01/ses-b/dwi/sub-01_ses-b_dwi.nii.gz",
        "sub-01/ses-b/dwi/sub-01_ses-b_dwi.bval",
        "sub-01/sub-01_dwi.bval",
        "sub-02/ses-a/dwi/sub-02_ses-a_dwi.nii.gz",
    )
    scans = {scan.name: scan for scan in find_dwi(tmp_path)}
    assert scans["sub-01_ses-a_dwi"].bval == tmp_path / "sub-01/ses-a/sub-01_ses-a_dwi.bval"
    assert scans["sub-01_ses-b_dwi"].bval == tmp_path / "sub-01/ses-b/dwi/sub-01_ses-b_dwi.bval"
    assert scans["sub-02_ses-a_dwi"].bval == tmp_path / "dwi.bval"
    assert {scan.bvec for scan in scans.values()} == {tmp_path / "dwi.bvec"}


def test_only_files_whose_entities_the_image_has_apply(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "acq-multi_dwi.bval",
        "acq-single_dwi.bval",
        "acq-multi_bold.bval",
        "sub-01/dwi/sub-01_acq-multi_run-2_dwi.nii.gz",
        "sub-01/dwi/sub-01_acq-multi_run-1_dwi.bval",
        "sub-01/sub-02_dwi.bval",
    )
    (scan,) = find_dwi(tmp_path)
    assert scan.bval == tmp_path / "acq-multi_dwi.bval"


def test_nothing_above_the_dataset_applies(tmp_path: Path) -> None:
    touch(tmp_path, "dwi.bval", "study/sub-01/dwi/sub-01_dwi.nii.gz")
    assert inherited_file(tmp_path / "study/sub-01/dwi/sub-01_dwi.nii.gz", ".bval") is None


def test_file_with_more_entities_of_the_image_wins_in_one_folder(tmp_path: Path) -> None:
    image = tmp_path / "sub-01/dwi/sub-01_acq-a_run-1_dwi.nii.gz"
    touch(tmp_path, "sub-01/dwi/sub-01_dwi.bval", "sub-01/dwi/sub-01_acq-a_run-1_dwi.bval")
    assert inherited_file(image, ".bval") == image.with_name("sub-01_acq-a_run-1_dwi.bval")


def test_two_equal_candidates_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "acq-a_dwi.bval", "run-1_dwi.bval", "sub-01/dwi/sub-01_acq-a_run-1_dwi.nii.gz")
    with pytest.raises(UserError, match=r"acq-a_dwi\.bval and run-1|run-1_dwi\.bval and acq-a"):
        find_dwi(tmp_path)


def test_derivative_dataset_may_be_the_root(tmp_path: Path) -> None:
    touch(tmp_path, "derivatives/prep/sub-01/dwi/sub-01_desc-preproc_dwi.nii.gz")
    assert [scan.name for scan in find_dwi(tmp_path / "derivatives" / "prep")] == ["sub-01_desc-preproc_dwi"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        find_dwi(tmp_path / "nowhere")
