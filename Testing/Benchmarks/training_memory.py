"""Peak main memory of real training steps on the CPU, the figures behind ``training/step_memory.py``.

Every size is measured in a process of its own, with one thread: the peak of the resident set over two steps, less
what the process holds before the network is made.

    .venv/bin/python Testing/Benchmarks/training_memory.py --out memory.jsonl
    .venv/bin/python Testing/Benchmarks/training_memory.py --fit memory.jsonl
"""

import argparse
import gc
import itertools
import json
import subprocess
import sys
from pathlib import Path

#: Larger steps than this many patch voxels take too long, and too much memory for a laptop.
LARGEST = {"tiny": 2 * 64**3, "base": 64**3, "bvm": 64**3}
TASKS = {
    "all": ("segmentation", "crossings", "orientation"),
    "segmentation": ("segmentation",),
    "crossings": ("crossings",),
    "orientation": ("orientation",),
}


def sizes() -> list[dict]:
    """What is measured: sizes of a step with all tasks; then other tasks, shells, directions and labels."""
    steps = [
        {"network": network, "patch": patch, "batch": batch}
        for network, patch, batch in itertools.product(("tiny", "base"), (16, 32, 48, 64), (1, 2, 4))
        if batch * patch**3 <= LARGEST[network]
    ]
    steps += [{"network": "bvm", "patch": patch, "batch": 1} for patch in (32, 48)]
    for network in ("tiny", "base"):
        steps += [
            {"network": network, "patch": 48, "batch": 1, "tasks": tasks}
            for tasks in ("segmentation", "crossings", "orientation")
        ]
        steps += [{"network": network, "patch": 48, "batch": 1, "shells": shells} for shells in (2, 3)]
    steps += [{"network": "tiny", "patch": 48, "batch": 1, "directions": 20}]
    steps += [{"network": "tiny", "patch": 48, "batch": 1, "tasks": "segmentation", "labels": 40}]
    return [{"tasks": "all", "shells": 1, "directions": 60, "labels": 4} | step for step in steps]


def measure_here(size: dict) -> None:
    """Measure one size in this process; print it with what was found."""
    import torch

    from DMRIPretrainLib.networks.model import Architecture
    from DMRIPretrainLib.networks.model_file import build_model
    from DMRIPretrainLib.simulation.tables import make_gradient_table
    from DMRIPretrainLib.tasks.registry import default_head, make_task
    from DMRIPretrainLib.tasks.segmentation import custom_head
    from DMRIPretrainLib.training.rehearsal import Rehearsal

    torch.set_num_threads(1)
    heads = [default_head(task) for task in TASKS[size["tasks"]]]
    if size["labels"] != 4:
        heads = [custom_head(range(size["labels"]))]
    tasks = {head.task: make_task(head) for head in heads}
    shells = [(1000.0 * (number + 1), size["directions"]) for number in range(size["shells"])]
    table = make_gradient_table(shells, 5)
    gc.collect()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    model = build_model(Architecture(size["network"], tuple(heads)))
    rehearsal = Rehearsal(model, tasks, table, size["patch"], size["batch"])
    seconds = [rehearsal.step() for _ in range(2)]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    peak = _memory("VmHWM")
    found = {"parameters": parameters, "before": before, "peak": peak, "step": peak - before, "seconds": min(seconds)}
    print(json.dumps(size | found))


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def fit(path: Path) -> None:
    """Print the constants of the formula, and how far it is from what was measured.

    Least squares of the relative error, no constant below zero. Weights and signals are counted, not fitted.
    """
    import numpy as np
    from scipy.optimize import nnls

    from DMRIPretrainLib.networks.voxels import learned_voxels
    from DMRIPretrainLib.training.step_memory import SAFETY, StepSize, step_memory

    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    measured = np.array([line["step"] for line in lines], dtype=float)
    names = ("fixed", "tiny", "base", "bvm", "shell", "fodf", "segmentation", "crossings", "orientation", "class")
    design, counted = [], []
    for line in lines:
        voxels, tasks = line["batch"] * line["patch"] ** 3, TASKS[line["tasks"]]
        has_fodf = line["network"] != "bvm" and bool({"crossings", "orientation"} & set(tasks))
        learned = line["batch"] * learned_voxels(line["patch"] ** 3)
        of_patch = [*(line["network"] == name for name in ("tiny", "base", "bvm")), line["shells"] - 1]
        of_heads = [has_fodf, *(task in tasks for task in TASKS["all"]), max(0, line["labels"] - 4)]
        design.append([1.0, *(voxels * float(part) for part in of_patch), *(learned * float(p) for p in of_heads)])
        counted.append(16 * line["parameters"] + 8 * voxels * (5 + line["shells"] * line["directions"]))
    matrix = np.array(design)
    constants, _ = nnls(matrix / measured[:, None], (measured - np.array(counted)) / measured)
    print(dict(zip(names, np.round(constants, 1).tolist(), strict=True)))
    ratios = []
    for line in lines:
        volumes = 5 + line["shells"] * line["directions"]
        sizes = StepSize(
            line["network"], TASKS[line["tasks"]], line["patch"], line["batch"], line["shells"], volumes, line["labels"]
        )
        ratios.append(step_memory(sizes) / SAFETY / line["step"])
    print(f"formula over measured: {min(ratios):.2f} to {max(ratios):.2f}; with margin from {SAFETY * min(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON lines of what was measured")
    parser.add_argument("--size", help="measure this one here (JSON)")
    parser.add_argument("--fit", type=Path, help="fit the constants of the formula to these JSON lines")
    arguments = parser.parse_args()
    if arguments.fit:
        fit(arguments.fit)
        return
    if arguments.size:
        measure_here(json.loads(arguments.size))
        return
    lines = []
    for size in sizes():
        command = [sys.executable, __file__, "--size", json.dumps(size)]
        lines.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(lines[-1], flush=True)
        if arguments.out:
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
