"""From the cells of the benchmark of baselines to its numbers: means over seeds, and aims."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .baselines import Plan
from .known_scan import BRAIN, VOXELS
from .methods.registry import load_method
from .protocols import MAIN, one_shell
from .results import Aim, aims_json, number
from .statistics import spread

#: Metrics that have tables, whether more is better, and their digits.
METRICS = {
    "accuracy": (True, 3),
    "macro_f1": (True, 3),
    "crossing_f1": (True, 3),
    "angle_1": (False, 1),
    "angle_2": (False, 1),
    "dominant_all_mean": (False, 1),
    "dominant_median": (False, 1),
    "calibration_error": (False, 3),
    "dice_mean": (True, 3),
}
MODEL, CSD = "model", "csd"
_TISSUE = ("label", "hmrf", "dam")
_WHERE = {BRAIN: "simulated brain, white matter", VOXELS: "voxels of another simulator"}


def summarise(plan: Plan, outcomes: Sequence[Mapping[str, Any]], real: Mapping[str, Any]) -> dict[str, Any]:
    """All that is reported.

    Args:
        plan: of the benchmark.
        outcomes: of its cells.
        real: by name of a scan what ``repeatability`` found.

    Returns:
        ``plan``, ``progress``, ``titles`` of methods, ``rows``, ``repeatability`` and ``aims``. A row is of one kind of
        scan, protocol and method: mean and spread over the seeds of each metric, summed ``confusion``.
    """
    planned = len(list(plan.cells()))
    rows = [
        _row(kind, str(protocol), method, found)
        for kind, protocol, method in itertools.product(plan.kinds, plan.protocols, plan.methods)
        if (found := [o for o in outcomes if (o["kind"], o["protocol"], o["method"]) == (kind, str(protocol), method)])
    ]
    return {
        "plan": plan.to_json(),
        "progress": {"planned": planned, "done": len(outcomes)},
        "titles": {method: load_method(method).title for method in plan.methods},
        "rows": rows,
        "repeatability": dict(real),
        "aims": aims_json([*_accuracy_aims(plan, rows), *_tissue_aims(rows), *_real_aims(real)]),
    }


def find_row(rows: Sequence[Mapping[str, Any]], kind: str, protocol: str, method: str) -> Mapping[str, Any] | None:
    """The row of one method on one kind of scan, if it has an answer."""
    wanted = (kind, protocol, method)
    return next((r for r in rows if (r["kind"], r["protocol"], r["method"]) == wanted and r["state"] == "done"), None)


def mean_of(row: Mapping[str, Any] | None, metric: str) -> float | None:
    """Mean of a metric over the seeds, if there is one."""
    return row["metrics"].get(metric, {}).get("mean") if row else None


def _row(kind: str, protocol: str, method: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind, "protocol": protocol, "method": method}
    done = [outcome for outcome in found if outcome["state"] == "done"]
    if not done:
        return row | {"state": found[0]["state"], "message": found[0]["message"]}
    metrics: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        given = [outcome["metrics"].get(metric) for outcome in done]
        values = np.array([np.nan if value is None else value for value in given], dtype=float)
        if np.isfinite(values).any():
            metrics[metric] = {"mean": float(np.nanmean(values)), "spread": spread(values)}
    confusions = [outcome["metrics"]["confusion"] for outcome in done if "confusion" in outcome["metrics"]]
    cpu = [outcome["cpu_seconds"] for outcome in done if outcome["cpu_seconds"]]
    memory = [outcome["memory"] for outcome in done if outcome["memory"]]
    return row | {
        "state": "done",
        "seeds": len(done),
        "failed": len(found) - len(done),
        "voxels": done[0]["voxels"],
        "metrics": metrics,
        "confusion": np.sum(confusions, axis=0).tolist() if confusions else None,
        "seconds": float(np.median([outcome["seconds"] for outcome in done])),
        "answer_seconds": float(np.median([outcome["answer_seconds"] for outcome in done])),
        "cpu_seconds": float(np.median(cpu)) if cpu else None,
        "memory": max(memory) if memory else None,
    }


def _accuracy_aims(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[Aim]:
    aims = []
    for kind in plan.kinds:
        for metric, name in (("crossing_f1", "crossing F1"), ("dominant_all_mean", "error of the main direction [°]")):
            ours, csd = (mean_of(find_row(rows, kind, str(MAIN), method), metric) for method in (MODEL, CSD))
            aims.append(_compare(f"{_WHERE[kind]}, {MAIN}: {name}", "better than DIPY's CSD", ours, csd, metric))
            pairs = [
                (mean_of(find_row(rows, kind, str(protocol), MODEL), metric), mean_of(other, metric))
                for protocol in plan.protocols
                if (other := find_row(rows, kind, str(protocol), CSD))
            ]
            known = [_is_better(ours, csd, metric) for ours, csd in pairs if ours is not None and csd is not None]
            found = f"in {sum(known)} of {len(known)}"
            every = f"{_WHERE[kind]}: {name} under every protocol"
            aims.append(Aim(every, "better than DIPY's CSD", found, all(known) if known else None))
        ours = mean_of(find_row(rows, kind, str(one_shell(32, 1000, 20)), MODEL), "macro_f1")
        csd = mean_of(find_row(rows, kind, str(MAIN), CSD), "macro_f1")
        name = f"{_WHERE[kind]}: macro-F1 of the count with 32 directions"
        aims.append(_compare(name, "as DIPY's CSD with 64", ours, csd, "macro_f1"))
    return aims


def _tissue_aims(rows: Sequence[Mapping[str, Any]]) -> list[Aim]:
    aims = []
    for method in _TISSUE:
        pairs = [
            (mean_of(find_row(rows, BRAIN, row["protocol"], MODEL), "dice_mean"), mean_of(row, "dice_mean"))
            for row in rows
            if row["kind"] == BRAIN and row["method"] == method and row["state"] == "done"
        ]
        known = [(ours, other) for ours, other in pairs if ours is not None and other is not None]
        ours, other = (float(np.mean([pair[i] for pair in known])) if known else None for i in (0, 1))
        name = f"tissue, all protocols: mean Dice beside {load_method(method).title}"
        aims.append(_compare(name, "better", ours, other, "dice_mean"))
    return aims


def _real_aims(real: Mapping[str, Any]) -> list[Aim]:
    aims = []
    for scan, found in real.items():
        for count, methods in found["subsets"]["subsets"].items():
            ours, csd = (methods[name]["median"] for name in ("model", "CSD"))
            name = f"{scan}: change of the main direction with {count} directions [°]"
            aims.append(_compare(name, "less than DIPY's CSD", ours, csd, "dominant_median"))
        halves = found["halves"]["methods"]
        for metric, name, like in (
            ("median", "change of the main direction [°]", "dominant_median"),
            ("crossing", "same answer to crossing or not", "crossing_f1"),
        ):
            ours, csd = (halves[method][metric] for method in ("model", "CSD"))
            aims.append(_compare(f"{scan}, two halves: {name}", "better than DIPY's CSD", ours, csd, like))
    return aims


def _compare(name: str, aim: str, ours: float | None, other: float | None, metric: str) -> Aim:
    digits = METRICS[metric][1]
    found = f"{number(ours, digits)} beside {number(other, digits)}"
    reached = None if ours is None or other is None else _is_better(ours, other, metric)
    return Aim(name, aim, found, reached)


def _is_better(ours: float, other: float, metric: str) -> bool:
    return ours >= other if METRICS[metric][0] else ours <= other
