"""Numbers, tables and plot of the benchmark of speed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import plain_json
from .plots import COLOURS, figure
from .results import Aim, aims_json, aims_table, markdown_table, number, provenance_lines
from .speed import BY_DIRECTIONS, BY_VOXELS, HCP, MAIN, Plan, ScanSize, SpeedBenchmark
from .time_rivals import RIVALS

STAGES = (
    "start", "reading", "features", "fit of fibres", "network", "heads", "maps", "turning to the file's frame",
    "writing", "other",
)  # fmt: skip
#: How many times faster than others ``predict`` should be.
_FASTER = 10.0
_HCP_GB = 8.0
#: Largest exponent of a growth that counts as linear.
_LINEAR = 1.1


def summarise(work: SpeedBenchmark) -> dict[str, Any]:
    """All that is reported: ``plan``, ``measured`` by name, ``growth`` exponents and ``aims``."""
    measured = {name: work.outcome(name) for name in work.names()}
    growth = {
        "voxels": _exponent(measured, [size for size in work.plan.sizes if size in BY_VOXELS], by_voxels=True),
        "directions": _exponent(measured, [size for size in work.plan.sizes if size in BY_DIRECTIONS], by_voxels=False),
    }
    content = {"plan": _plan(work.plan), "measured": measured, "growth": growth}
    return content | {"aims": aims_json(_aims(measured, growth))}


def _plan(plan: Plan) -> dict[str, Any]:
    names = {"sizes": [size.name for size in plan.sizes], "rivals": [size.name for size in plan.rivals]}
    return plain_json(names | {"patches": plan.patches, "threads": plan.threads, "device": plan.device})


def _done(measured: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    found = measured.get(name)
    return found if found and found["state"] == "done" else None


def _work_seconds(found: Mapping[str, Any]) -> float:
    """CPU time without starting Python and packages, which costs the same for any scan."""
    return sum(seconds for stage, seconds in found["cpu_stages"].items() if stage != "start")


def _exponent(measured: Mapping[str, Any], sizes: Sequence[ScanSize], *, by_voxels: bool) -> float | None:
    """Of cost ~ size^exponent, by least squares between logarithms."""
    found = [(size, _done(measured, f"predict-{size.name}")) for size in sizes]
    points = [
        (answer["voxels"] if by_voxels else size.volumes, _work_seconds(answer)) for size, answer in found if answer
    ]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(x, y, 1)[0])


def _aims(measured: Mapping[str, Any], growth: Mapping[str, float | None]) -> list[Aim]:
    ours, aims = _done(measured, f"predict-{MAIN.name}"), []
    for rival, title in RIVALS.items():
        other = _done(measured, f"{rival}-{MAIN.name}")
        for kind, measure in (("seconds", "time"), ("cpu_seconds", "CPU time")):
            ratio = other[kind] / ours[kind] if ours and other and ours[kind] else None
            found = f"{number(ratio, 1)} times faster" if ratio else number(None)
            name = f"{MAIN.name}, all three tasks beside {title}, {measure}"
            aims.append(Aim(name, f"{_FASTER:g} times faster", found, None if ratio is None else ratio >= _FASTER))
    large = _done(measured, f"predict-{HCP.name}")
    memory = large["memory"] / 1e9 if large and large["memory"] else None
    reached = None if memory is None else memory < _HCP_GB
    aims.append(Aim(f"{HCP.name}: memory", f"less than {_HCP_GB:g} GB", f"{number(memory, 2)} GB", reached))
    for what, exponent in growth.items():
        found = f"{what} to the power of {number(exponent, 2)}"
        linear = None if exponent is None else exponent <= _LINEAR
        aims.append(
            Aim(f"growth of CPU time with {what}, without the start", f"at most linear (to {_LINEAR:g})", found, linear)
        )
    return aims


def report(results: Mapping[str, Any]) -> str:
    """All of ``speed.md``; ``results`` is what :func:`summarise` returned, with its ``provenance``."""
    plan, measured = results["plan"], results["measured"]
    left = sum(found is None for found in measured.values())
    state = f"**{left} of {len(measured)} measurements are not done yet.** " if left else ""
    parts = [
        "# Time and memory",
        f"{state}Whole programs in processes of their own, from starting Python to the last file, with "
        f"{plan['threads']} threads on `{plan['device']}`; scans are simulated brains in `.nii.gz`. CPU time changes "
        "less than time when a computer is busy with other work. Memory is the peak of the resident set.",
        "## Aims",
        aims_table(Aim(**aim) for aim in results["aims"]),
        "## `predict`, all three tasks",
        _predictions(results),
        "## Others, for peaks alone",
        _rivals(results),
        "## Steps of fine-tuning, all three tasks",
        _training(results),
        "## Made with",
        provenance_lines(results["provenance"]),
    ]
    return "\n\n".join(part.strip() for part in parts)


def short_table(results: Mapping[str, Any]) -> str:
    """The table that README shows: one scan by all programs, and the largest one."""
    named = {f"predict-{MAIN.name}": f"`predict`, three tasks, {MAIN.name}"}
    named |= {f"{rival}-{MAIN.name}": f"{title} alone, the same scan" for rival, title in RIVALS.items()}
    named[f"predict-{HCP.name}"] = f"`predict`, three tasks, {HCP.name}"
    lines = []
    for name, title in named.items():
        if found := _done(results["measured"], name):
            times = (number(found[kind], 1) for kind in ("seconds", "cpu_seconds"))
            lines.append((title, *times, _gigabytes(found)))
    return markdown_table(("what", "time [s]", "CPU time of all threads [s]", "memory [GB]"), lines)


def _predictions(results: Mapping[str, Any]) -> str:
    columns = ("scan", "voxels of the brain", *STAGES, "time [s]", "CPU time [s]", "memory [GB]", "share of the peak")
    lines = []
    for size in results["plan"]["sizes"]:
        found = results["measured"].get(f"predict-{size}")
        if not found or found["state"] != "done":
            lines.append((size, found["message"] if found else "not measured", *[""] * (len(columns) - 2)))
            continue
        stages = [_both(found, stage) for stage in STAGES]
        share = found["operations"] / found["stages"]["network"] / found["peak"]
        total = [number(found[name], 1) for name in ("seconds", "cpu_seconds")]
        lines.append((size, f"{found['voxels']:,}", *stages, *total, _gigabytes(found), f"{share:.0%}"))
    return (
        "Seconds by stage, time / CPU time of all threads. The share of the peak is that of the network's operations a "
        "second in those of a large product of matrices.\n\n" + markdown_table(columns, lines)
    )


def _both(found: Mapping[str, Any], stage: str) -> str:
    return " / ".join(number(found[kind].get(stage), 1) for kind in ("stages", "cpu_stages"))


def _rivals(results: Mapping[str, Any]) -> str:
    lines = []
    for size in results["plan"]["rivals"]:
        for rival, title in RIVALS.items():
            found = results["measured"].get(f"{rival}-{size}")
            if not found or found["state"] != "done":
                lines.append((size, title, found["message"] if found else "not measured", "", ""))
            else:
                times = [number(found[name], 1) for name in ("seconds", "cpu_seconds")]
                lines.append((size, title, *times, _gigabytes(found)))
    return markdown_table(("scan", "method", "time [s]", "CPU time [s]", "memory [GB]"), lines)


def _training(results: Mapping[str, Any]) -> str:
    lines = []
    for edge, batch in results["plan"]["patches"]:
        found = results["measured"].get(f"training-{edge}x{batch}")
        if not found or found["state"] != "done":
            lines.append((f"{edge}³ x {batch}", found["message"] if found else "not measured", *[""] * 4))
            continue
        data, step = found["data"], found["step"]
        waiting, peak = data / (data + step), found["operations"] / step / found["peak"]
        numbers = (number(step, 2), number(data, 3), f"{waiting:.0%}", f"{peak:.0%}", _gigabytes(found))
        lines.append((f"{edge}³ x {batch}", *numbers))
    columns = ("patches", "step [s]", "making patches [s]", "waiting for data", "share of the peak", "memory [GB]")
    return markdown_table(columns, lines)


def _gigabytes(found: Mapping[str, Any]) -> str:
    memory = found.get("gpu_memory") or found["memory"]
    return number(memory and memory / 1e9, 2)


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """``speed_stages.png``: where time goes, by scan.

    Raises:
        UserError: if it cannot be written.
    """
    sizes = [s for s in results["plan"]["sizes"] if _done(results["measured"], f"predict-{s}")]
    path = folder / "speed_stages.png"
    with figure(path, 1, size=(8.0, 4.0)) as axes:
        axis, left = axes[0][0], np.zeros(len(sizes))
        for index, stage in enumerate(STAGES):
            seconds = [results["measured"][f"predict-{size}"]["stages"].get(stage, 0.0) for size in sizes]
            axis.barh(sizes, seconds, left=left, color=COLOURS[index % len(COLOURS)], label=stage)
            left += seconds
        axis.set(xlabel="seconds", title="predict, all three tasks")
        axis.legend(fontsize=7)
    return [path]
