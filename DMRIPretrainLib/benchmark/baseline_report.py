"""The tables of the benchmark of baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

from .baseline_summary import METRICS, find_row, mean_of
from .known_scan import BRAIN, VOXELS
from .protocols import MAIN, TWO_SHELLS
from .results import Aim, aims_table, markdown_table, number, provenance_lines

_TRANSFER = {
    "crossing_f1": "crossing F1",
    "macro_f1": "macro-F1 of the count",
    "dominant_all_mean": "error of the main direction, mean [°]",
}
_KINDS = {
    BRAIN: "Simulated brain, white matter",
    VOXELS: "Voxels of another simulator (`dipy.sims.voxel.multi_tensor`), scattered, with fibres",
}


def report(results: Mapping[str, Any]) -> str:
    """All of ``baselines.md``.

    Args:
        results: what ``baseline_summary.summarise`` returned, with its ``provenance``; as read from JSON too.
    """
    plan, rows = results["plan"], results["rows"]
    parts = ["# Beside classical methods", _introduction(results), "## Aims"]
    parts.append(aims_table(Aim(**aim) for aim in results["aims"]))
    for kind in plan["kinds"]:
        parts.append(f"## {_KINDS[kind]}")
        for protocol in (MAIN, TWO_SHELLS):
            if any(row["kind"] == kind and row["protocol"] == str(protocol) for row in rows):
                parts += [f"### {protocol}", _methods_table(results, kind, str(protocol))]
        for metric, title in _TRANSFER.items():
            parts += [f"### Every protocol: {title}", _transfer_table(results, kind, metric)]
    parts += ["## Tissue: mean Dice of CSF, GM and WM", _transfer_table(results, BRAIN, "dice_mean")]
    if results["repeatability"]:
        parts += ["## Real scans", _real_tables(results["repeatability"])]
    parts += ["## Made with", provenance_lines(results["provenance"])]
    return "\n\n".join(part.strip() for part in parts)


def short_table(results: Mapping[str, Any]) -> str:
    """The table that README shows: methods that answered under the main protocol in a brain."""
    columns = (
        "method", "crossing F1", "main direction, mean / median [°]", "Dice of tissues", "CPU time [s]", "memory [GB]",
    )  # fmt: skip
    lines = []
    for row in results["rows"]:
        if (row["kind"], row["protocol"], row["state"]) == (BRAIN, str(MAIN), "done"):
            angles = " / ".join(_cell(row, metric) for metric in ("dominant_all_mean", "dominant_median"))
            cells = (_cell(row, "crossing_f1"), angles, _cell(row, "dice_mean"), number(row["cpu_seconds"], 1))
            lines.append((results["titles"][row["method"]], *cells, _gigabytes(row)))
    return markdown_table(columns, lines)


def _introduction(results: Mapping[str, Any]) -> str:
    plan, progress = results["plan"], results["progress"]
    left = progress["planned"] - progress["done"]
    state = f"**{left} of {progress['planned']} measurements are not done yet.** " if left else ""
    return (
        f"{state}Every method answers the same scans, each time in a process of its own, with {plan['threads']} thread"
        f"{'s' if plan['threads'] > 1 else ''}; the model has one set of weights for all. Means over "
        f"up to {len(plan['seeds'])} scans of each protocol; slow methods see fewer.\n\n"
        "- CSD and CSA see the shell with the most directions; peaks are above a quarter (CSA: half) of the strongest "
        "and 25° apart. Responses come from the scan. Those of DIPY's CSD are refined between 362 directions as the "
        "model's are. MRtrix3 and FORCE have their defaults, FORCE a library of "
        f"{plan['simulations']:,} voxels made for the table, which is part of its time.\n"
        "- Nobody is told where there are fibres; all are scored where there are. The simulator of the brains is that "
        "of the model's training, with other seeds: an advantage. That of the voxels is not, and there is no "
        "neighbourhood to learn from, as there is in a brain.\n"
        "- A missing main direction counts as 90°. CPU time is that of the whole program with reading and start, which "
        "a busy computer changes less than the time; memory is the peak."
    )


def _methods_table(results: Mapping[str, Any], kind: str, protocol: str) -> str:
    columns = (
        "method", "accuracy", "macro-F1", "crossing F1", "angle of one / two [°]", "main direction mean / median [°]",
        "Dice", "CPU [s]", "answer [s]", "memory [GB]",
    )  # fmt: skip
    lines = []
    for row in results["rows"]:
        if (row["kind"], row["protocol"]) != (kind, protocol):
            continue
        title = results["titles"][row["method"]]
        if row["state"] != "done":
            lines.append((title, f"{row['state']}: {row['message']}", *[""] * (len(columns) - 2)))
            continue
        cells = [_cell(row, metric) for metric in ("accuracy", "macro_f1", "crossing_f1")]
        pairs = (("angle_1", "angle_2"), ("dominant_all_mean", "dominant_median"))
        cells += [" / ".join(_cell(row, metric) for metric in pair) for pair in pairs]
        cells += [_cell(row, "dice_mean"), number(row["cpu_seconds"], 1), number(row["answer_seconds"], 1)]
        lines.append((title, *cells, _gigabytes(row)))
    return markdown_table(columns, lines)


def _gigabytes(row: Mapping[str, Any]) -> str:
    return number(row["memory"] and row["memory"] / 1e9, 2)


def _cell(row: Mapping[str, Any], metric: str) -> str:
    """Mean and, of several seeds, spread."""
    found, digits = row["metrics"].get(metric), METRICS[metric][1]
    if not found:
        return number(None)
    varies = row["seeds"] > 1 and found["spread"] is not None
    return number(found["mean"], digits) + (f" ± {number(found['spread'], digits)}" if varies else "")


def _transfer_table(results: Mapping[str, Any], kind: str, metric: str) -> str:
    rows: Sequence[Mapping[str, Any]] = [r for r in results["rows"] if r["kind"] == kind and r["state"] == "done"]
    methods = [m for m in results["titles"] if any(r["method"] == m and metric in r["metrics"] for r in rows)]
    if not methods:
        return "Not measured yet."
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    digits = METRICS[metric][1]
    lines = [
        (protocol, *(number(mean_of(find_row(rows, kind, protocol, method), metric), digits) for method in methods))
        for protocol in protocols
    ]
    return markdown_table(("protocol", *(results["titles"][method] for method in methods)), lines)


def _real_tables(real: Mapping[str, Any]) -> str:
    parts = []
    for scan, found in real.items():
        whole, halves = found["subsets"], found["halves"]
        lines = [
            (str(count), *(number(methods[name]["median"], 1) for name in ("model", "CSD", "tensor")))
            for count, methods in whole["subsets"].items()
        ]
        parts += [
            f"### {scan}",
            f"Median change [°] of the main direction in {whole['voxels']} voxels of white matter when of "
            f"{whole['directions']} directions so many are left",
            markdown_table(("directions", "model", "CSD (DIPY)", "tensor"), lines),
            f"Two halves of {halves['directions']} directions that have none in common, as a scan and a rescan",
            markdown_table(
                ("method", "main direction, median [°]", "same number", "same answer to crossing or not"),
                [
                    (name, number(m["median"], 1), number(m["count"], 3), number(m["crossing"], 3))
                    for name, m in halves["methods"].items()
                ],
            ),
            "Mean Dice of the tissues of both halves: "
            + ", ".join(f"{name} {number(value, 3)}" for name, value in halves["dice"].items()),
        ]
    return "\n\n".join(part.strip() for part in parts)
