"""From the outcomes of single runs to what the benchmark of recipes says: means, intervals, tests, aims."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..training.choose_start import SCRATCH, SHIPPED
from .domains import FINE_TUNING, PRETRAINING
from .measure import METRICS
from .plan import Plan, Run, reference_of
from .results import Aim, aims_json, number
from .statistics import bootstrap_interval, holm, sign_flip_test, spread, wilcoxon_test

Outcomes = Mapping[Run, dict[str, Any]]

#: Metric and validation curve of each task, and what to call the metric.
TASK_METRICS = {"segmentation": "dice_mean", "crossings": "count_macro_f1", "orientation": "angle_mean"}
TITLES = {
    "dice_mean": "Dice, mean of the tissues",
    "dice_csf": "Dice of CSF",
    "dice_gm": "Dice of grey matter",
    "dice_wm": "Dice of white matter",
    "count_macro_f1": "macro-F1 of the number of fibres",
    "crossing_f1": "F1 of crossings",
    "angle_mean": "mean error of the main direction [°]",
    "angle_median": "median error of the main direction [°]",
}
#: Shares of scratch's final score on validation that are waited for.
REACHED = {"steps_to_95": 0.95, "steps_to_final": 1.0}


def summarise(plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
    """All numbers of the benchmark, as far as its runs are over.

    Args:
        plan: what was to be compared.
        outcomes: what became of the runs.

    Returns:
        ``plan``, ``sites``, ``progress`` (runs planned, done, failed), ``rows`` (one a start and number of labels),
        ``protocols`` (metrics of each start by protocol, most labels) and ``aims``.
    """
    rows = [_row(plan, outcomes, start, labels) for labels in plan.labels for start in plan.starts]
    for labels in plan.labels:
        _adjust([row for row in rows if row["labels"] == labels])
    states = [outcome["state"] for outcome in outcomes.values()]
    return {
        "plan": plan.to_json(),
        "sites": {"pretraining": PRETRAINING.describe(), "fine-tuning and test": FINE_TUNING.describe()},
        "progress": {
            "planned": len(list(plan.runs())),
            "done": states.count("done"),
            "failed": states.count("failed"),
            "hours": round(sum(outcome["seconds"] for outcome in outcomes.values()) / 3600, 2),
        },
        "rows": rows,
        "protocols": {start: _protocols(plan, outcomes, start) for start in plan.starts},
        "aims": aims_json(aims(plan, rows)),
    }


def find_row(summary: Mapping[str, Any], start: str, labels: int) -> dict[str, Any]:
    """The row of a start and a number of labels.

    Raises:
        KeyError: if there is none.
    """
    for row in summary["rows"]:
        if (row["start"], row["labels"]) == (start, labels):
            found: dict[str, Any] = row
            return found
    raise KeyError(f"{start} with {labels} labels")


def values_of(plan: Plan, outcomes: Outcomes, start: str, labels: int, metric: str) -> np.ndarray:
    """(seeds, test scans) values of a metric; NaN where a run failed, is not over, or has no such value."""
    names = sorted({name for outcome in outcomes.values() for name in outcome.get("test", {})})
    values = np.full((len(plan.seeds), max(1, len(names))), np.nan)
    for row, seed in enumerate(plan.seeds):
        test = outcomes.get(Run(start, labels, seed), {}).get("test", {})
        for column, name in enumerate(names):
            value = test.get(name, {}).get(metric)
            values[row, column] = np.nan if value is None else value
    return values


def _row(plan: Plan, outcomes: Outcomes, start: str, labels: int) -> dict[str, Any]:
    reference = reference_of(start)
    own = [outcomes.get(Run(start, labels, seed), {}) for seed in plan.seeds]
    metrics, compared = {}, {}
    for metric in METRICS:
        values = values_of(plan, outcomes, start, labels, metric)
        by_seed = _means(values, axis=1)
        low, high = bootstrap_interval(values)
        metrics[metric] = {
            "mean": _mean(values),
            "low": low,
            "high": high,
            "by_seed": by_seed,
            "spread": spread(by_seed),
        }
        if start != reference:
            compared[metric] = _compare(values - values_of(plan, outcomes, reference, labels, metric))
    confusions = [scan["confusion"] for outcome in own for scan in outcome.get("test", {}).values()]
    return {
        "start": start,
        "labels": labels,
        "done": sum(outcome.get("state") == "done" for outcome in own),
        "failed": sum(outcome.get("state") == "failed" for outcome in own),
        "metrics": metrics,
        "confusion": np.sum(confusions, axis=0) if confusions else None,
        "compared_with": None if start == reference else reference,
        "compared": compared,
        "curves": _curves(own),
        **{name: _steps_to(plan, outcomes, start, labels, share) for name, share in REACHED.items()},
    }


def _compare(differences: np.ndarray) -> dict[str, float]:
    """Difference to the reference with the same seed and scan; the tests see one mean over the seeds for each scan."""
    low, high = bootstrap_interval(differences)
    by_scan = _means(differences, axis=0)
    tests = {"wilcoxon": wilcoxon_test(by_scan), "sign_flip": sign_flip_test(by_scan)}
    return {"difference": _mean(differences), "low": low, "high": high, **tests}


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Holm's correction over the starts, for each metric and number of labels."""
    for metric in METRICS:
        found = {row["start"]: row["compared"][metric] for row in rows if metric in row["compared"]}
        for start, p in holm({start: compared["sign_flip"] for start, compared in found.items()}).items():
            found[start]["holm"] = p


def _curves(outcomes: list[dict[str, Any]]) -> dict[str, list[list[float]]]:
    """(step, mean over the seeds) of the scores on validation."""
    curves: dict[str, list[list[float]]] = {}
    for name in ("score", *(f"{task} score" for task in TASK_METRICS)):
        by_step: dict[int, list[float]] = {}
        for outcome in outcomes:
            for step, value in outcome.get("curves", {}).get(name, []):
                by_step.setdefault(step, []).append(value)
        curves[name] = [[step, float(np.mean(values))] for step, values in sorted(by_step.items())]
    return curves


def _steps_to(plan: Plan, outcomes: Outcomes, start: str, labels: int, share: float) -> dict[str, list[int | None]]:
    """Steps of each seed until a score reaches a share of the last one of its reference; None where it never does."""
    reference = reference_of(start)
    found: dict[str, list[int | None]] = {}
    for task in TASK_METRICS:
        found[task] = []
        for seed in plan.seeds:
            own, other = (outcomes.get(Run(name, labels, seed), {}).get("curves", {}) for name in (start, reference))
            points, wanted = own.get(f"{task} score", []), other.get(f"{task} score", [])
            if points and wanted:
                found[task].append(next((step for step, value in points if value >= share * wanted[-1][1]), None))
    return found


def _protocols(plan: Plan, outcomes: Outcomes, start: str) -> dict[str, dict[str, float]]:
    runs = [outcomes.get(Run(start, max(plan.labels), seed), {}).get("protocols", {}) for seed in plan.seeds]
    names = dict.fromkeys(name for run in runs for name in run)
    return {
        name: {
            metric: _mean(np.array([_value(scan[metric]) for run in runs for scan in run.get(name, {}).values()]))
            for metric in METRICS
        }
        for name in names
    }


def median_steps(steps: list[int | None]) -> float:
    """Median over runs, of which one that never arrived is the slowest; infinite where most never did."""
    return float(np.median([np.inf if step is None else step for step in steps])) if steps else float("nan")


def aims(plan: Plan, rows: list[dict[str, Any]]) -> list[Aim]:
    """What the shipped model should bring, and whether it does."""
    found = {(row["start"], row["labels"]): row for row in rows}
    fewest, most = min(plan.labels), max(plan.labels)
    listed: list[Aim] = []
    for task, metric in TASK_METRICS.items():
        if SHIPPED not in plan.starts:
            break
        own, other = (_metric(found[key], metric, "mean") for key in ((SHIPPED, fewest), (SCRATCH, most)))
        known = np.isfinite([own, other]).all()
        better = own >= other if METRICS[metric] else own <= other
        listed.append(
            Aim(
                f"{task}: shipped with {fewest} labelled, {TITLES[metric]}",
                f"at least as good as scratch with {most}",
                f"{number(own)}, scratch {number(other)}",
                bool(better) if known else None,
            )
        )
        listed.append(_fast_enough(plan, found, task))
        listed.append(_stable_enough(plan, found, task, metric))
    return listed


def _fast_enough(plan: Plan, found: Mapping[tuple[str, int], dict[str, Any]], task: str) -> Aim:
    steps = [step for labels in plan.labels for step in found[SHIPPED, labels]["steps_to_final"][task]]
    median, limit = median_steps(steps), plan.steps / 10
    never = sum(step is None for step in steps)
    return Aim(
        f"{task}: steps of shipped to the final score of scratch, median of all runs",
        f"at most {limit:g}, a tenth of the steps",
        f"{median:g}" + (f"; {never} of {len(steps)} runs never" if never else ""),
        None if np.isnan(median) else median <= limit,
    )


def _stable_enough(plan: Plan, found: Mapping[tuple[str, int], dict[str, Any]], task: str, metric: str) -> Aim:
    own, other = (
        _mean(np.array([_metric(found[start, labels], metric, "spread") for labels in plan.labels]))
        for start in (SHIPPED, SCRATCH)
    )
    known = np.isfinite([own, other]).all()
    return Aim(
        f"{task}: spread of shipped over seeds (standard deviation of {TITLES[metric]}, mean over numbers of labels)",
        "at most half of that of scratch",
        f"{number(own)}, scratch {number(other)}",
        bool(own <= other / 2) if known else None,
    )


def _metric(row: Mapping[str, Any], metric: str, what: str) -> float:
    return float(_value(row["metrics"][metric][what]))


def _value(value: float | None) -> float:
    return float("nan") if value is None else value


def _mean(values: np.ndarray) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else float("nan")


def _means(values: np.ndarray, axis: int) -> np.ndarray:
    """Means along an axis without NaN; NaN where there is nothing else."""
    known = np.isfinite(values)
    counts = known.sum(axis=axis)
    return np.where(counts, np.where(known, values, 0.0).sum(axis=axis) / np.maximum(counts, 1), np.nan)
