import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.listing import clean_up, find_jobs
from DMRIPretrainLib.jobs.worker import BusyError, working


def make(path):
    folder = JobFolder(path)
    folder.create({"kind": "finetune"})
    for part, name in ((folder.checkpoints, "last.ckpt"), (folder.result, "model.safetensors")):
        part.mkdir()
        (part / name).write_bytes(b"x" * 1000)
    return folder


def test_jobs_are_found_below_a_folder(tmp_path):
    make(tmp_path / "b" / "job")
    make(tmp_path / "a")
    make(tmp_path / "a" / "result" / "inner")  # belongs to the job a
    make(tmp_path / ".hidden" / "job")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [job.path for job in find_jobs(tmp_path)] == [tmp_path / "a", tmp_path / "b" / "job"]
    assert [job.path for job in find_jobs(tmp_path / "a")] == [tmp_path / "a"]


def test_no_folder_no_jobs(tmp_path):
    with pytest.raises(UserError, match="expected a folder with jobs"):
        find_jobs(tmp_path / "nowhere")


def test_cleaning_up_keeps_result_and_story(tmp_path):
    job = make(tmp_path / "job")
    job.append("state", state="finished")
    assert clean_up(job) >= 1000
    assert not job.checkpoints.exists()
    assert (job.result / "model.safetensors").is_file()
    assert job.told_state() == "finished"
    clean_up(job, everything=True)
    assert not job.path.exists()


def test_what_is_at_work_or_no_job_is_left_alone(tmp_path):
    job = make(tmp_path / "job")
    other = tmp_path / "photographs"
    other.mkdir()
    with pytest.raises(UserError, match=r"job\.json"):
        clean_up(JobFolder(other), everything=True)
    assert other.is_dir()
    from dataclasses import replace

    from DMRIPretrainLib.jobs.process import ProcessIdentity
    from DMRIPretrainLib.jobs.worker import introduce

    with working(job):
        (identity,) = [ProcessIdentity.of(1)]
        introduce(job, replace(identity, host="node1"))
        with pytest.raises(BusyError):
            clean_up(job, everything=True)
    assert (job.checkpoints / "last.ckpt").is_file()
