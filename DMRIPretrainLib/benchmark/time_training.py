"""Time and memory of steps of fine-tuning: ``python -m DMRIPretrainLib.benchmark.time_training FOLDER``.

Prints a JSON object: ``data`` and ``step``, median seconds of making a batch of patches from a scan and of the
optimiser's step; ``peak`` and ``reached`` in floating point operations a second; ``memory``.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .device_rate import peak_rate, seconds_of
from .own_process import peak_memory

_STEPS = 4


def main() -> None:
    """Take steps and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--batch", type=int, default=2)
    options = parser.parse_args()

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ..inference.loaded_model import load_models
    from ..scans.load import load_scan
    from ..tasks.registry import make_task
    from ..training.rehearsal import Rehearsal

    scan = load_scan(options.folder / "dwi.nii.gz")
    (loaded,) = load_models()
    tasks = {head.task: make_task(head) for head in loaded.model.architecture.heads}
    patches = _patches(scan, tasks, options.patch)
    numbers = np.arange(_STEPS * options.batch).reshape(_STEPS, -1)
    data = [seconds_of(partial(_make, patches, batch)) for batch in numbers]
    rehearsal = Rehearsal(loaded.model, tasks, scan.gradients, options.patch, options.batch, options.device)
    with FlopCounterMode(display=False) as counter:
        rehearsal.step()
    steps = [rehearsal.step() for _ in range(_STEPS)]
    told: dict[str, Any] = {
        "data": float(np.median(data)),
        "step": float(np.median(steps)),
        "operations": counter.get_total_flops(),
        "peak": peak_rate(options.device),
        "memory": peak_memory(),
    }
    if options.device.startswith("cuda"):
        told["gpu_memory"] = torch.cuda.max_memory_allocated()
    json.dump(told, sys.stdout)


def _make(patches: Any, numbers: np.ndarray) -> None:
    for number in numbers:
        patches[int(number)]


def _patches(scan: Any, tasks: dict[str, Any], size: int) -> Any:
    """Patches of a scan with labels that are made up."""
    from ..qspace.prepare import prepare_scan
    from ..training.augmentation import Augmentation
    from ..training.loaded_case import LoadedCase
    from ..training.patches import PatchDataset

    prepared = prepare_scan(scan)
    counts = (prepared.mask * (1 + np.indices(prepared.shape).sum(axis=0) % 3)).astype(np.uint8)
    peaks = np.zeros((*prepared.shape, 3, 3), dtype=np.float32)
    peaks[..., 0, 0] = prepared.mask
    labels = {"segmentation": counts, "crossings": counts, "orientation": peaks}
    case = LoadedCase("speed", prepared, {task: labels[task] for task in tasks}, prepared.mask)
    return PatchDataset([case], tasks, size, 0, Augmentation())


if __name__ == "__main__":
    main()
