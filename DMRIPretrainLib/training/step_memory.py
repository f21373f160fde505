"""How much memory a training step takes, and which step fits. Needs no PyTorch, so that it can be told beforehand.

What the network remembers for the way back dominates, and grows with the voxels of all patches of a step. The
constants come from real steps: ``Testing/Benchmarks/training_memory.py`` measures them in main memory, in single
precision and with one thread, and fits them. On a GPU with half precision a step takes less.
"""

from dataclasses import dataclass, replace

from ..errors import UserError
from ..networks.voxels import learned_voxels

#: Bytes that a step takes whatever its size: code that is loaded on first use, and buffers.
_FIXED = 170e6
#: Bytes for each voxel of a patch: adapter and backbone...
_NETWORK = {"tiny": 3800.0, "base": 4700.0, "bvm": 2700.0}
#: ... each shell after the first one...
_SHELL = 890.0
#: ... and each volume: its signal, and the signal over b0.
_VOLUME = 8.0
#: Bytes for each voxel that heads learn in: the fODF that orientation and crossings share...
_FODF = 5000.0
#: ... the heads with their losses...
_TASK = {"segmentation": 2300.0, "crossings": 2700.0, "orientation": 0.0}
#: ... and each label after the fourth.
_LABEL = 66.0
#: Weights of each network, in millions of parameters.
_PARAMETERS = {"tiny": 3.5e6, "base": 7.6e6, "bvm": 2.2e6}
#: Bytes for each weight: itself, its gradient, and the two moments of AdamW.
_PARAMETER = 16.0
#: Of the sizes that were measured none took more than the formula times this; it is part of every answer.
SAFETY = 1.25
#: Smallest patch, and what the edges of smaller ones are multiples of: all levels of the networks divide it evenly.
PATCH_STEP = 16


@dataclass(frozen=True)
class StepSize:
    """What decides how much memory a step takes.

    Attributes:
        network: ``tiny``, ``base`` or ``bvm``.
        tasks: what is learned.
        patch: edge of a patch in voxels.
        batch: patches a step, on one device.
        shells: most shells of a scan.
        volumes: most volumes of a scan.
        labels: labels of the segmentation, background included.
    """

    network: str
    tasks: tuple[str, ...]
    patch: int
    batch: int
    shells: int = 1
    volumes: int = 65
    labels: int = 4


@dataclass(frozen=True)
class FittedStep:
    """A step that is smaller than was asked for.

    Attributes:
        patch: edge of a patch in voxels.
        batch: patches a step.
        message: one line that says so.
    """

    patch: int
    batch: int
    message: str


def step_memory(size: StepSize) -> int:
    """Bytes that a training step takes at most, beyond what the process holds before it.

    Raises:
        KeyError: if the network or a task is unknown.
    """
    voxels = size.batch * size.patch**3
    has_fodf = size.network != "bvm" and bool({"crossings", "orientation"} & set(size.tasks))
    a_voxel = _NETWORK[size.network] + _SHELL * (size.shells - 1) + _VOLUME * size.volumes
    learned = size.batch * learned_voxels(size.patch**3)
    of_heads = (
        _FODF * has_fodf
        + sum(_TASK[task] for task in size.tasks)
        + _LABEL * max(0, size.labels - 4) * ("segmentation" in size.tasks)
    )
    weights = _PARAMETER * _PARAMETERS[size.network]
    return int(SAFETY * (_FIXED + weights + voxels * a_voxel + learned * of_heads))


def fit_to_memory(size: StepSize, available: int, reserved: int = 0, where: str = "memory") -> FittedStep | None:
    """The largest step that fits: first with fewer patches, then with smaller ones.

    Args:
        size: the step that is asked for.
        available: free memory in bytes.
        reserved: what else will be taken of it, in bytes, whatever the step.
        where: which memory it is, for the message.

    Returns:
        The step to take; None where the one that is asked for fits.

    Raises:
        UserError: if even the smallest one does not fit.
    """
    for fitted in _smaller_and_smaller(size):
        if reserved + step_memory(fitted) > available:
            continue
        if fitted == size:
            return None
        message = (
            f"{where} is short: {_patches(size)} a step would take {_gb(reserved + step_memory(size))} of "
            f"{_gb(available)}; taking {_patches(fitted)}, which take {_gb(reserved + step_memory(fitted))}"
        )
        return FittedStep(fitted.patch, fitted.batch, message)
    least = replace(size, batch=1, patch=min(size.patch, PATCH_STEP))
    raise UserError(
        f"{where}: expected {_gb(reserved + step_memory(least))} free for the smallest step, found {_gb(available)}; "
        "close other programs, learn fewer tasks or from fewer scans, or take another computer"
    )


def _smaller_and_smaller(size: StepSize) -> list[StepSize]:
    """The step that is asked for, and all that may take its place, the first choice first."""
    sizes = [size]
    while sizes[-1].batch > 1:
        sizes.append(replace(sizes[-1], batch=sizes[-1].batch // 2))
    smaller = range((size.patch - 1) // PATCH_STEP * PATCH_STEP, 0, -PATCH_STEP)
    return sizes + [replace(size, batch=1, patch=patch) for patch in smaller]


def _patches(size: StepSize) -> str:
    return f"{size.batch} patch{'es' if size.batch > 1 else ''} of {size.patch} voxels"


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB"
