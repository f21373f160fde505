import errno
import os

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import write_json
from DMRIPretrainLib.jobs.failures import DataChangedError, Failure, failure_of

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB"
CPU = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
KERNEL = "CUDA error: no kernel image is available for execution on the device"
WRITER = "[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file data/23: file write failed"
LOADER = "DataLoader worker (pid 4711) is killed by signal: Killed. "


def torch_error(message):
    import torch

    return torch.OutOfMemoryError(message)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("dwi.nii.gz: expected, found; do"), "input", "mend the input"),
        (DataChangedError("dwi.nii.gz: changed"), "data-changed", "put the files back"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "last.ckpt"), "disk-full", "make space"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "disk-full", "make space"),
        (RuntimeError(WRITER), "disk-full", "make space"),
        (torch_error(CUDA), "out-of-memory", "smaller --patch"),
        (RuntimeError(CPU), "out-of-memory", "smaller --patch"),
        (MemoryError(), "out-of-memory", "smaller --patch"),
        (RuntimeError(KERNEL), "no-kernel", "--device cpu"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "package-missing", "install torch"),
        (RuntimeError(LOADER), "killed", "--workers 0"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG), "last.ckpt"), "disk", "limits of its size"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "result"), "disk", "permissions"),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), "disk", "resume"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.txt"), "unexpected", "log.txt"),
        (ZeroDivisionError("division by zero"), "unexpected", "log.txt"),
    ],
)
def test_what_happened_is_recognised(error, code, words):
    failure = failure_of(error)
    assert failure.code == code
    assert words in failure.action
    assert failure.message
    assert "\n" not in failure.message + failure.action


def test_the_cause_counts_where_the_error_hides_it(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(UserError) as caught:
        write_json(tmp_path / "a.json", {})
    assert failure_of(caught.value).code == "disk-full"


def test_a_file_that_is_refused_is_named():
    failure = failure_of(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "result/model.safetensors"))
    assert failure.message == "result/model.safetensors: a file cannot be read or written (Permission denied)"


def test_memory_says_whose(monkeypatch):
    assert "the GPU" in failure_of(torch_error(CUDA)).message
    assert "the computer" in failure_of(RuntimeError(CPU)).message


def test_failures_survive_events():
    failure = failure_of(RuntimeError(KERNEL))
    assert Failure.from_event({"kind": "failure", "time": 1, **failure.to_json()}) == failure
