"""A job folder may come from a stranger: one clear line, and nothing read through links, unpickled or executed."""

import os
import pickle

import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.kinds import run_kind
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.training.checkpoints import checkpoint_path, read_checkpoint


class Bomb:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def assert_refused(action, words):
    with pytest.raises(UserError, match=words) as caught:
        action()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [lambda bomb, path: torch.save({"global_step": 1, "x": bomb}, path), "pickle"])
def test_a_pickled_checkpoint_is_refused_and_not_run(job, tmp_path, save):
    path = checkpoint_path(job)
    path.parent.mkdir()
    if save == "pickle":
        path.write_bytes(pickle.dumps(Bomb(tmp_path / "hacked")))
    else:
        save(Bomb(tmp_path / "hacked"), path)
    assert_refused(lambda: read_checkpoint(job), r"last\.ckpt: expected")
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 and no more"])
def test_a_damaged_checkpoint_is_refused(job, content):
    checkpoint_path(job).parent.mkdir()
    checkpoint_path(job).write_bytes(content)
    assert_refused(lambda: read_checkpoint(job), r"last\.ckpt: expected")


@pytest.mark.parametrize("content", [{}, {"global_step": "x", "callbacks": {}}, [1], {"global_step": 3}])
def test_a_checkpoint_of_another_program_is_refused(job, content):
    checkpoint_path(job).parent.mkdir()
    torch.save(content, checkpoint_path(job))
    assert_refused(lambda: read_checkpoint(job), r"last\.ckpt: expected a checkpoint of this program")


FOLDERS = "checkpoints", "result", "workers", "pictures"


@pytest.mark.parametrize("name", ["job.json", "events.jsonl", "log.txt", "stop", *FOLDERS])
def test_links_are_refused(job, tmp_path, name):
    target = tmp_path / "target"
    if name == "job.json":
        job.specification_path.rename(target)
    elif name in FOLDERS:
        target.mkdir()
    else:
        target.write_text("precious")
    (job.path / name).unlink(missing_ok=True)
    (job.path / name).symlink_to(target)
    for action in (job.specification, lambda: read_status(job), lambda: start_job(job), lambda: run_kind(job, print)):
        assert_refused(action, f"{name}: expected a (file|folder) of a job, found a link")
    assert target.is_dir() or target.read_text()


def test_a_linked_checkpoint_is_refused(job, tmp_path):
    torch.save({"global_step": 1, "callbacks": {}}, tmp_path / "other.ckpt")
    checkpoint_path(job).parent.mkdir()
    checkpoint_path(job).symlink_to(tmp_path / "other.ckpt")
    assert_refused(lambda: read_checkpoint(job), "found a link")


def test_a_pipe_is_refused_and_not_waited_for(job):
    job.specification_path.unlink()
    os.mkfifo(job.specification_path)
    assert_refused(job.specification, "found something else")


def test_the_job_folder_itself_may_be_reached_through_a_link(job, tmp_path):
    (tmp_path / "short").symlink_to(job.path)
    assert JobFolder(tmp_path / "short").specification()["seed"] == 3


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "result/../../secret"])
def test_a_path_outside_of_the_folder_is_refused(job, name):
    assert_refused(lambda: job.inside(name), "inside the job folder")
    assert job.inside("result/model.safetensors") == job.path / "result" / "model.safetensors"


def test_a_path_through_a_link_is_refused(job, tmp_path):
    job.result.mkdir()
    (job.result / "out").symlink_to(tmp_path)
    assert_refused(lambda: job.inside("result/out/secret"), "inside the job folder")


def test_a_giant_description_is_refused_unread(job):
    with job.specification_path.open("wb") as file:
        file.truncate(10**9)
    assert_refused(job.specification, "over 16 MB")


@pytest.mark.parametrize("rest", ["", ', "specification": 3'])
def test_a_description_of_nothing_is_refused(job, rest):
    job.specification_path.write_text('{"schema_version": 2' + rest + "}")
    assert_refused(job.specification, r"job\.json: expected the description of a job")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_a_malformed_description_is_refused(job, content):
    job.specification_path.write_text(content)
    assert_refused(job.specification, r"job\.json: expected")


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_version_is_refused(job, version):
    import json

    content = json.loads(job.specification_path.read_text())
    job.specification_path.write_text(json.dumps(content | {"schema_version": version}))
    assert_refused(job.specification, "expected schema version 2, found")


@pytest.mark.parametrize("kind", [None, "shell", "__import__", ["finetune"]])
def test_an_unknown_kind_is_refused(tmp_path, kind):
    job = JobFolder(tmp_path / "other")
    job.create({"kind": kind, "command": "touch hacked"})
    assert_refused(lambda: run_kind(job, print), "expected a job of the kind")
