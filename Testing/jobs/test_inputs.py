import json
import os

import pytest

from DMRIPretrainLib.jobs.failures import DataChangedError
from DMRIPretrainLib.jobs.inputs import remember_inputs


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("dwi.nii.gz", "dwi.bval", "labels.nii.gz")]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    return paths


def test_checksums_are_in_the_description(job, files):
    remember_inputs(job, [*files, files[0]])
    entries = json.loads(job.specification_path.read_text())["inputs"]
    assert [entry["path"] for entry in entries] == sorted(map(str, files))
    assert all(len(entry["sha256"]) == 64 for entry in entries)
    remember_inputs(job, files)


def test_a_file_with_other_content_is_noticed_even_of_the_same_size(job, files):
    remember_inputs(job, files)
    files[2].write_bytes(files[2].read_bytes().swapcase())
    with pytest.raises(DataChangedError, match=r"labels\.nii\.gz: expected the file that .* other content"):
        remember_inputs(job, files)


def test_a_file_that_was_only_touched_is_the_same(job, files):
    remember_inputs(job, files)
    os.utime(files[0], (1, 1))
    remember_inputs(job, files)


def test_a_file_that_has_not_changed_is_not_read_again(job, files, monkeypatch):
    remember_inputs(job, files)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("it was read"))
    remember_inputs(job, files)


@pytest.mark.parametrize("change", ["gone", "more", "fewer"])
def test_other_files_are_noticed(job, files, tmp_path, change):
    remember_inputs(job, files)
    if change == "gone":
        files[1].unlink()
    elif change == "more":
        (tmp_path / "new").write_text("x")
        files = [*files, tmp_path / "new"]
    else:
        files = files[:2]
    with pytest.raises(DataChangedError):
        remember_inputs(job, files)
