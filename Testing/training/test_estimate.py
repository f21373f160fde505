"""Estimates of whole runs, against what such runs take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from DMRIPretrainLib.computer.hardware import MainMemory
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.model import Architecture, DiffusionModel
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.tasks.registry import default_head, make_task
from DMRIPretrainLib.tasks.task import Task
from DMRIPretrainLib.training import estimate
from DMRIPretrainLib.training.estimate import RunSize, estimate_run, loaded_memory, training_copies
from DMRIPretrainLib.training.loaded_case import LoadedCase
from DMRIPretrainLib.training.step_memory import StepSize, step_memory

CPU = torch.device("cpu")
SIZE = RunSize(patch=16, batch=2, steps=100, validations=5)
GB = 2**30


@pytest.fixture
def case(make_dwi) -> LoadedCase:
    scan = prepare_scan(make_dwi((16, 16, 16), directions=20, b0s=2, snr=30))
    return LoadedCase("a", scan, {"segmentation": scan.mask.astype(np.int64)}, scan.mask)


@pytest.fixture(scope="module")
def model() -> DiffusionModel:
    torch.manual_seed(0)
    return build_model(Architecture("tiny", (default_head("segmentation"),)))


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return {"segmentation": make_task(default_head("segmentation"))}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch):
    def of(available: int | None) -> None:
        memory = None if available is None else MainMemory(16 * GB, available)
        monkeypatch.setattr(estimate, "main_memory", lambda: memory)

    return of


def test_an_estimate_where_memory_is_enough(case, model, tasks, free) -> None:
    free(8 * GB)
    found = estimate_run(model, tasks, [case], [case], SIZE, CPU)
    assert (found.patch, found.batch, found.change) == (16, 2, "")
    assert found.seconds == pytest.approx(100 * found.seconds_a_step + 5 * found.seconds_a_validation)
    assert 0 < found.seconds_a_step < 60
    assert 0 < found.seconds_a_validation < 60
    assert found.main_memory == found.device_memory >= step_memory(StepSize("tiny", tuple(tasks), 16, 2, 1, 22))
    assert found.main_available == 8 * GB
    assert json.loads(json.dumps(found.to_json()))["device"] == "cpu"
    assert "a step" in found.summary()
    assert "\n" not in found.summary()


def test_a_step_is_made_smaller_where_memory_is_short(case, model, tasks, free) -> None:
    size = RunSize(patch=32, batch=4, steps=10, validations=1)
    copies = training_copies([case], tasks) + 3 * sum(4 * p.numel() for p in model.parameters())
    needed = copies + step_memory(StepSize("tiny", tuple(tasks), 16, 1, 1, 22))
    free(int(needed / 0.9) + 2)
    found = estimate_run(model, tasks, [case], [case], size, CPU)
    assert (found.patch, found.batch) == (16, 1)
    assert "4 patches of 32 voxels" in found.change
    free(int(needed / 0.9) - 2)
    with pytest.raises(UserError, match="smallest step"):
        estimate_run(model, tasks, [case], [case], size, CPU)


def test_a_rehearsal_without_enough_memory_is_tried_smaller(case, model, tasks, free, monkeypatch) -> None:
    free(8 * GB)
    tried: list[tuple[int, int]] = []

    def rehearse(model: object, tasks: object, case: object, step: StepSize, device: object) -> tuple:
        tried.append((step.patch, step.batch))
        if step.patch > 16:
            raise torch.OutOfMemoryError
        return 1.0, 1.0, 0.0

    monkeypatch.setattr(estimate, "_rehearse", rehearse)
    found = estimate_run(model, tasks, [case], [case], RunSize(32, 2, 10, 1), CPU)
    assert tried == [(32, 2), (32, 1), (16, 1)]
    assert (found.patch, found.batch) == (16, 1)
    assert found.change
    monkeypatch.setattr(estimate, "_rehearse", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(UserError, match="smallest step"):
        estimate_run(model, tasks, [case], [case], SIZE, CPU)


def test_a_system_that_does_not_tell_its_memory(case, model, tasks, free) -> None:
    free(None)
    found = estimate_run(model, tasks, [case], [case], SIZE, CPU)
    assert found.device_available is None
    assert found.change == ""
    assert " GB of memory" in found.summary()


def test_neither_the_model_nor_the_random_numbers_change(case, model, tasks, free) -> None:
    free(8 * GB)
    model.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    estimate_run(model, tasks, [case], [case], SIZE, CPU)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_time_to_cut_patches_counts(case, model, tasks, free, monkeypatch: pytest.MonkeyPatch) -> None:
    free(8 * GB)
    drawn: list[int] = []
    clock = iter(np.arange(0.0, 100.0, 6.0))
    monkeypatch.setattr(estimate, "_rehearse", lambda *_: (1.0, 1.0, 0.0))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    found = estimate_run(model, tasks, [case], [], SIZE, CPU, draw_patch=drawn.append)
    assert drawn == [0, 1, 2]
    # Three patches in 6 s by the clock above; a step has two.
    assert found.seconds_a_step == pytest.approx(1.0 + 2 * 6.0 / 3)


def test_memory_of_a_case_is_that_of_its_arrays(case) -> None:
    voxels = 16**3
    assert loaded_memory(case) == voxels * (22 * 4 + 1 + 1 + 8)


def test_a_mapped_scan_holds_nothing(case, tmp_path: Path) -> None:
    from dataclasses import replace

    path = tmp_path / "signal.npy"
    np.save(path, case.scan.signal)
    mapped = np.moveaxis(np.load(path, mmap_mode="r"), 0, 0)[::-1]
    with_file = replace(case, scan=replace(case.scan, signal=mapped))
    assert loaded_memory(case) - loaded_memory(with_file) == case.scan.signal.nbytes


def test_a_divided_brain_counts_once(case, model, tasks, free) -> None:
    from dataclasses import replace

    free(8 * GB)
    other = replace(case, region=case.region.copy())
    found = estimate_run(model, tasks, [case], [other], SIZE, CPU)
    assert found.cases_memory == loaded_memory(case)


RUN = """
import json, sys
import numpy as np, torch
torch.set_num_threads(1)
from DMRIPretrainLib.computer.hardware import main_memory
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.tasks.registry import TASKS, default_head, make_task
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.training.estimate import prediction_memory
from DMRIPretrainLib.training.loaded_case import LoadedCase
from Testing.conftest import simulate_dwi

def memory(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))

heads = tuple(map(default_head, TASKS))
model = build_model(Architecture("tiny", heads))
scan = prepare_scan(simulate_dwi((36, 36, 36), directions=30, snr=30))
case = LoadedCase("a", scan, {}, scan.mask)
predictor = Predictor(model, 32)
before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
predictor.probabilities(scan)
print(json.dumps([memory("VmHWM") - before, prediction_memory(case, model, predictor.tasks, 32)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures with files of Linux")
def test_a_real_prediction_stays_below() -> None:
    repository = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, check=True, env=environment, cwd=repository
    )
    measured, expected = json.loads(done.stdout.splitlines()[-1])
    assert measured < expected < 3 * measured
