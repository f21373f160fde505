"""How much memory and time a fine-tuning run will take on this device, told before it starts."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from ..computer.hardware import main_memory
from ..inference.predictor import bounding_box
from ..inference.windows import window_count
from ..networks.model import DiffusionModel
from ..progress import duration
from ..qspace.shells import usable_shells
from ..tasks.task import Task
from .loaded_case import LoadedCase
from .rehearsal import Rehearsal
from .step_memory import StepSize, fit_to_memory, step_memory

#: Share of the free memory that a run may take: other programs go on.
_SHARE = 0.9
#: Patches of this edge show on a CPU what larger ones take, in proportion to their voxels.
_REHEARSED_ON_CPU = 32
#: Copies of the weights that a run keeps in main memory: the start, the best ones, an average.
_WEIGHT_COPIES = 3
#: Bytes of a number in single precision.
_FLOAT = 4
#: Of a prediction: bytes for each voxel of a window, and whatever the size (code that is loaded on first use).
_WINDOW, _PREDICTION = 3500.0, 250e6


@dataclass(frozen=True)
class RunSize:
    """What is asked for.

    Attributes:
        patch: edge of a patch, and of the windows of validation, in voxels.
        batch: patches a step, on one device.
        steps: optimiser steps.
        validations: how often all validation cases are predicted.
    """

    patch: int
    batch: int
    steps: int
    validations: int


@dataclass(frozen=True)
class RunEstimate:
    """What a run will take.

    Attributes:
        device: where it computes.
        patch: edge of a patch in voxels, smaller than was asked for if memory is short.
        batch: patches a step, likewise.
        change: one line that says so; empty where nothing was changed.
        device_memory: bytes that it takes of the device; on a CPU of main memory, with all else.
        device_available: what is free there; None where that is not known.
        main_memory: bytes that it takes of main memory from now on.
        main_available: what is free there; None where that is not known.
        cases_memory: bytes that the cases, which are loaded already, hold.
        seconds_a_step: of training.
        seconds_a_validation: of predicting and scoring all validation cases.
        seconds: of the whole run.
    """

    device: str
    patch: int
    batch: int
    change: str
    device_memory: int
    device_available: int | None
    main_memory: int
    main_available: int | None
    cases_memory: int
    seconds_a_step: float
    seconds_a_validation: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """For an event."""
        return asdict(self)

    def summary(self) -> str:
        """One line for a person."""
        of = "" if self.device_available is None else f" of {self.device_available / 2**30:.1f} GB"
        return (
            f"about {duration(self.seconds)} on {self.device}: {duration(self.seconds_a_step)} a step, "
            f"{duration(self.seconds_a_validation)} a validation; up to {self.device_memory / 2**30:.1f}{of or ' GB'} "
            "of memory"
        )


def estimate_run(
    model: DiffusionModel,
    tasks: dict[str, Task],
    training: Sequence[LoadedCase],
    validation: Sequence[LoadedCase],
    size: RunSize,
    device: torch.device,
    draw_patch: Callable[[int], object] | None = None,
) -> RunEstimate:
    """Compute what a run needs, choose a step that fits, and rehearse it.

    Neither the model nor the state of the random generators changes.

    Args:
        model: the model to train.
        tasks: what is learned, by name.
        training: cases to learn from.
        validation: cases to validate on.
        size: what is asked for.
        device: where to compute.
        draw_patch: cuts the training patch of a number, as the data set does; None leaves the time that this takes out.

    Raises:
        UserError: if memory does not suffice for the smallest step.
    """
    step = _step_size(model, tasks, training, size)
    copies = training_copies(training, tasks) + _weights(model) * _WEIGHT_COPIES
    predicting = max((prediction_memory(case, model, tasks, size.patch) for case in validation), default=0)
    memory = main_memory()
    main_free = None if memory is None else memory.available
    on_gpu = device.type == "cuda"
    free = _free_on_gpu(device) if on_gpu else main_free
    change = ""
    where = f"memory of {device}" if on_gpu else "main memory"
    if free is not None:
        step, change = _fitted(step, int(_SHARE * free), 0 if on_gpu else copies, where)
    while True:
        try:
            a_step, a_window, a_voxel = _rehearse(model, tasks, training[0], step, device)
            break
        except torch.OutOfMemoryError:  # the formula was wrong, or another program was quicker
            step, change = _fitted(step, step_memory(step) - 1, 0, where)
    if draw_patch is not None:
        a_step += step.batch * _seconds_of(draw_patch)
    a_validation = sum(_seconds_to_validate(case, step.patch, a_window, a_voxel) for case in validation)
    largest = max(step_memory(step), predicting)
    return RunEstimate(
        device=str(device),
        patch=step.patch,
        batch=step.batch,
        change=change,
        device_memory=step_memory(step) if on_gpu else copies + largest,
        device_available=free,
        main_memory=copies + (predicting if on_gpu else largest),
        main_available=main_free,
        cases_memory=sum(loaded_memory(case) for case in _distinct(training, validation)),
        seconds_a_step=a_step,
        seconds_a_validation=a_validation,
        seconds=size.steps * a_step + size.validations * a_validation,
    )


def loaded_memory(case: LoadedCase) -> int:
    """Bytes that a loaded case holds; a scan that is mapped from its file holds none."""
    signal = 0 if _is_mapped(case.scan.signal) else case.scan.signal.nbytes
    return signal + case.scan.mask.nbytes + case.region.nbytes + sum(label.nbytes for label in case.labels.values())


def training_copies(training: Sequence[LoadedCase], tasks: dict[str, Task]) -> int:
    """Bytes that patches are cut from: the signal in another order, and the targets of all tasks."""
    channels = sum(task.target_channels for task in tasks.values())
    total = 0
    for case in training:
        voxels = int(np.prod(case.scan.shape))
        centres = 2 * np.dtype(np.int64).itemsize * int(case.region.sum())
        total += _FLOAT * voxels * (case.scan.signal.shape[3] + channels) + centres
    return total


def prediction_memory(case: LoadedCase, model: DiffusionModel, tasks: dict[str, Task], window: int) -> int:
    """Bytes that predicting a whole scan takes at most: its input and its averaged outputs, and one window."""
    box = int(np.prod([side.stop - side.start for side in bounding_box(case.scan.mask)]))
    outputs = sum(task.output_channels for task in tasks.values())
    whole = _FLOAT * (box * (model.adapter.output_channels + 3 * outputs) + int(np.prod(case.scan.shape)) * outputs)
    return int(whole + _WINDOW * window**3 + _PREDICTION)


def _fitted(step: StepSize, available: int, reserved: int, where: str) -> tuple[StepSize, str]:
    """The step that fits, and what to say of it."""
    fitted = fit_to_memory(step, available, reserved, where)
    return (replace(step, patch=fitted.patch, batch=fitted.batch), fitted.message) if fitted else (step, "")


def _step_size(
    model: DiffusionModel, tasks: dict[str, Task], training: Sequence[LoadedCase], size: RunSize
) -> StepSize:
    return StepSize(
        network=model.architecture.network,
        tasks=tuple(tasks),
        patch=size.patch,
        batch=size.batch,
        shells=max(len(usable_shells(case.scan.table)) for case in training),
        volumes=max(len(case.scan.table) for case in training),
        labels=tasks["segmentation"].output_channels if "segmentation" in tasks else 0,
    )


def _rehearse(
    model: DiffusionModel, tasks: dict[str, Task], case: LoadedCase, step: StepSize, device: torch.device
) -> tuple[float, float, float]:
    """Seconds of a step and of a window, and of the maps and scores of one voxel."""
    on_gpu = device.type == "cuda"
    patch = step.patch if on_gpu else min(step.patch, _REHEARSED_ON_CPU)
    batch = step.batch if on_gpu else 1
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        rehearsal = Rehearsal(copy.deepcopy(model), tasks, case.scan.table, patch, batch, device)
        rehearsal.step()  # the first one is slower
        seconds = min(rehearsal.step() for _ in range(2))
        window, scoring = rehearsal.window()
    larger = (step.patch / patch) ** 3
    return seconds * larger * step.batch / batch, window * larger, scoring / patch**3


def _seconds_of(draw_patch: Callable[[int], object]) -> float:
    start = time.perf_counter()
    for number in range(3):
        draw_patch(number)
    return (time.perf_counter() - start) / 3


def _seconds_to_validate(case: LoadedCase, window: int, a_window: float, a_voxel: float) -> float:
    shape = [side.stop - side.start for side in bounding_box(case.scan.mask)]
    return window_count(shape, window) * a_window + int(case.scan.mask.sum()) * a_voxel


def _weights(model: DiffusionModel) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _free_on_gpu(device: torch.device) -> int:
    """Free memory of a GPU, and what PyTorch holds of it without using it, in bytes."""
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + idle)


def _distinct(training: Sequence[LoadedCase], validation: Sequence[LoadedCase]) -> list[LoadedCase]:
    """The cases, those of a divided brain once."""
    return list({id(case.scan): case for case in (*training, *validation)}.values())


def _is_mapped(array: np.ndarray | None) -> bool:
    """Whether an array is a view of a file."""
    while array is not None and not isinstance(array, np.memmap):
        array = array.base if isinstance(array.base, np.ndarray) else None
    return array is not None
