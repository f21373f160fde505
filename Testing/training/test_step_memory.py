"""The formula for the memory of a step, against real steps; and what is done when memory is short."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.training.step_memory import FittedStep, StepSize, fit_to_memory, step_memory

REPOSITORY = Path(__file__).resolve().parents[2]
ALL = ("segmentation", "crossings", "orientation")
SIZE = StepSize("tiny", ALL, patch=64, batch=4)


def fitted(available: int, size: StepSize = SIZE, reserved: int = 0) -> FittedStep | None:
    return fit_to_memory(size, available, reserved)


@pytest.mark.skipif(sys.platform != "linux", reason="measures with files of Linux")
@pytest.mark.parametrize(
    "size",
    [
        {"network": "tiny", "tasks": "all", "patch": 32, "batch": 1, "shells": 1, "directions": 60, "labels": 4},
        {
            "network": "base",
            "tasks": "segmentation",
            "patch": 32,
            "batch": 1,
            "shells": 2,
            "directions": 30,
            "labels": 9,
        },
    ],
    ids=["all-tasks", "segmentation"],
)
def test_a_real_step_stays_below(size: dict) -> None:
    program = REPOSITORY / "Testing" / "Benchmarks" / "training_memory.py"
    done = subprocess.run(
        [sys.executable, program, "--size", json.dumps(size)],
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout.splitlines()[-1])["step"]
    tasks = ALL if size["tasks"] == "all" else (size["tasks"],)
    volumes = 5 + size["shells"] * size["directions"]
    expected = step_memory(
        StepSize(size["network"], tasks, size["patch"], size["batch"], size["shells"], volumes, size["labels"])
    )
    assert measured < expected < 2 * measured


@pytest.mark.parametrize(
    "larger",
    [
        {"patch": 80},
        {"batch": 5},
        {"shells": 2},
        {"volumes": 66},
        {"labels": 5},
        {"network": "base"},
    ],
)
def test_more_takes_more(larger: dict) -> None:
    assert step_memory(replace(SIZE, **larger)) > step_memory(SIZE)


def test_fewer_tasks_take_less() -> None:
    sizes = [step_memory(replace(SIZE, tasks=tasks)) for tasks in (ALL, ("orientation",), ("segmentation",))]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_what_fits_is_left_alone() -> None:
    assert fitted(step_memory(SIZE)) is None


def test_first_fewer_patches() -> None:
    two = replace(SIZE, batch=2)
    found = fitted(step_memory(SIZE) - 1)
    assert found is not None
    assert (found.patch, found.batch) == (64, 2)
    assert "\n" not in found.message
    assert "4 patches of 64 voxels" in found.message
    assert "2 patches of 64 voxels" in found.message
    least = fitted(step_memory(two) - 1)
    assert least is not None
    assert (least.patch, least.batch) == (64, 1)


@pytest.mark.parametrize(("asked", "steps"), [(64, [48, 32, 16]), (40, [32, 16]), (20, [16]), (16, [])])
def test_then_smaller_ones_that_the_network_divides_evenly(asked: int, steps: list[int]) -> None:
    size = replace(SIZE, patch=asked, batch=1)
    for patch in steps:
        found = fitted(step_memory(replace(size, patch=patch)), size)
        assert found is not None
        assert (found.patch, found.batch) == (patch, 1)


def test_three_patches_become_one_not_one_and_a_half() -> None:
    three = replace(SIZE, batch=3)
    found = fitted(step_memory(three) - 1, three)
    assert found is not None
    assert found.batch == 1


def test_what_is_reserved_counts() -> None:
    found = fitted(step_memory(SIZE), reserved=1)
    assert found is not None
    assert found.batch == 2


def test_too_little_for_anything() -> None:
    with pytest.raises(UserError, match=r"expected 0\.\d GB free for the smallest step, found 0\.1 GB; close"):
        fitted(10**8)


def test_a_patch_smaller_than_the_step_may_stay() -> None:
    size = replace(SIZE, patch=8, batch=1)
    assert fitted(step_memory(size), size) is None
    with pytest.raises(UserError):
        fitted(step_memory(size) - 1, size)
