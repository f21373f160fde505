"""The tables of the benchmark of recipes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..training.choose_start import SHIPPED
from ..training.settings import FRESH_RATE, SIMULATED, TRAINED_RATE
from .measure import METRICS
from .plan import BVM, is_bvm
from .recipe_summary import TASK_METRICS, TITLES, find_row, median_steps
from .results import Aim, aims_table, markdown_table, number, provenance_lines

#: Metrics that have a table each.
_SHOWN = ("dice_mean", "count_macro_f1", "crossing_f1", "angle_mean", "angle_median")
_SIGNIFICANT = 0.05
#: What is to be known of a start.
_NOTES = {
    SIMULATED: f"`{SIMULATED}` has: it sees simulated patches in place of half of the scans.",
    SHIPPED: f"`{SHIPPED}` has, in a far longer pretraining, see its card. It is fine-tuned as `finetune` does by "
    f"default: below its heads at a rate of {TRAINED_RATE:g}.",
}


def report(results: Mapping[str, Any]) -> str:
    """All of ``recipes.md``.

    Args:
        results: what ``recipe_summary.summarise`` returned, with its ``provenance``; as read from JSON too.
    """
    plan, progress = results["plan"], results["progress"]
    parts = ["# Which pretraining helps, where, how much", _introduction(results), "## Aims"]
    parts.append(aims_table(Aim(**aim) for aim in results["aims"]) if results["aims"] else "None: no shipped model.\n")
    parts.append(
        "## On test scans\n\nMean over seeds and scans, 95 % interval (bootstrap over both). + and - mark what is "
        "better and worse than random weights of the same network (sign flips of the differences by scan, Holm's "
        f"correction over the starts, p < {_SIGNIFICANT})."
    )
    for metric in _SHOWN:
        parts += [f"### {TITLES[metric]}", _grid(results, partial(_with_interval, metric=metric))]
    parts += ["### Dice of CSF / grey matter / white matter", _grid(results, _tissues)]
    parts += [
        "## Differences to random weights of the same network",
        "Mean difference with the same seed, labels and scan, 95 % interval; p by Wilcoxon's signed ranks / sign flips "
        f"/ the latter with Holm's correction. The tests compare {plan['test_scans']} scans, the mean over the seeds "
        "of each.",
    ]
    for metric in TASK_METRICS.values():
        parts += [f"### {TITLES[metric]}", _grid(results, partial(_difference, metric=metric))]
    parts += [
        "## Convergence",
        "Steps until the score on validation reaches 95 % of the final one of random weights of the same "
        f"network, for {' / '.join(TASK_METRICS)}: median over the seeds; measured every {_interval(results)} steps.",
        _grid(results, _convergence),
    ]
    parts += [
        "## Stability",
        f"Standard deviation over the seeds of {', '.join(TITLES[m] for m in TASK_METRICS.values())}; "
        "failed runs in brackets, where there are any.",
        _grid(results, _stability),
    ]
    if any(results["protocols"].values()):
        parts += [
            "## Other protocols",
            f"{TITLES['angle_mean']} / {TITLES['count_macro_f1']} of models that have learned "
            f"from {max(plan['labels'])} scans, on {plan['protocol_scans']} test brains scanned otherwise.",
            _protocol_table(results),
        ]
    parts += ["## Made with", provenance_lines(results["provenance"]), f"Runs took {progress['hours']:g} hours in all."]
    return "\n\n".join(part.strip() for part in parts)


def short_table(results: Mapping[str, Any]) -> str:
    """The table that README shows: each start with the fewest and the most labels."""
    labels = list(dict.fromkeys((min(results["plan"]["labels"]), max(results["plan"]["labels"]))))
    columns = [f"{TITLES[metric]}, {count} labelled" for metric in TASK_METRICS.values() for count in labels]
    rows = []
    for start in results["plan"]["starts"]:
        found = [find_row(results, start, count) for count in labels]
        rows.append((f"`{start}`", *(_with_mark(row, metric) for metric in TASK_METRICS.values() for row in found)))
    return markdown_table(("start", *columns), rows)


def _with_mark(row: Mapping[str, Any], metric: str) -> str:
    return number(row["metrics"][metric]["mean"], _digits(metric)) + _mark(row, metric)


def _introduction(results: Mapping[str, Any]) -> str:
    plan, progress, sites = results["plan"], results["progress"], results["sites"]
    left = progress["planned"] - progress["done"] - progress["failed"]
    state = f"**{left} of {progress['planned']} runs are not done yet.** " if left else ""
    lines = [
        f"Pretraining: {sites['pretraining']}.",
        f"Fine-tuning and test: {sites['fine-tuning and test']}; {plan['test_scans']} test brains, never seen.",
        "All scans are simulated, since that is where the truth is known. A start that has learned from the simulator, "
        "with other brains, tissues and protocols, is at an advantage that it would not have on real scans.",
        *(_NOTES[start] for start in plan["starts"] if start in _NOTES),
    ]
    if any(map(is_bvm, plan["starts"])):
        lines.append(f"`{BVM}` is the network of the seed paper, which fits no fibres.")
    return (
        f"{state}{progress['done']} fine-tunings of all three tasks at once, {progress['failed']} failed; "
        f"{len(plan['seeds'])} seeds. Every start has the same fine-tuning: {plan['steps']:,} steps of {plan['batch']} "
        f"patches of {plan['patch']} voxels, the same learning rate ({FRESH_RATE:g}) for all weights, and "
        f"the weights that are best on {plan['validation_scans']} validation scan are kept. Every pretraining has "
        f"{plan['pretrain_steps']:,} steps of {plan['pretrain_batch']} patches on {plan['pretrain_scans']} scans. "
        "**These budgets are small, for processors**: they say which start is better with little computation, not what "
        "a recipe can reach with much.\n\n" + "\n".join(f"- {line}" for line in lines)
    )


def _interval(results: Mapping[str, Any]) -> int:
    return max(1, results["plan"]["steps"] // 10)


def _grid(results: Mapping[str, Any], cell: Callable[[Mapping[str, Any]], str]) -> str:
    """A table with a line a start and a column a number of labels."""
    plan = results["plan"]
    columns = ("start", *(f"{labels} labelled" for labels in plan["labels"]))
    rows = [(start, *(cell(find_row(results, start, labels)) for labels in plan["labels"])) for start in plan["starts"]]
    return markdown_table(columns, rows)


def _digits(metric: str) -> int:
    return 1 if metric.startswith("angle") else 3


def _with_interval(row: Mapping[str, Any], metric: str) -> str:
    values, digits = row["metrics"][metric], _digits(metric)
    mean, low, high = (number(values[name], digits) for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high}){_mark(row, metric)}"


def _mark(row: Mapping[str, Any], metric: str) -> str:
    compared = row["compared"].get(metric, {})
    if compared.get("holm") is None or not compared["holm"] < _SIGNIFICANT:
        return ""
    return " +" if (compared["difference"] > 0) == METRICS[metric] else " -"


def _tissues(row: Mapping[str, Any]) -> str:
    return " / ".join(number(row["metrics"][metric]["mean"], 2) for metric in ("dice_csf", "dice_gm", "dice_wm"))


def _difference(row: Mapping[str, Any], metric: str) -> str:
    compared, digits = row["compared"].get(metric), _digits(metric)
    if compared is None:
        return "-"
    low, high = (number(compared[name], digits) for name in ("low", "high"))
    tests = " / ".join(number(compared[name], 3) for name in ("wilcoxon", "sign_flip", "holm"))
    return f"{number(compared['difference'], digits)} ({low} to {high}); {tests}"


def _convergence(row: Mapping[str, Any]) -> str:
    medians = (median_steps(row["steps_to_95"][task]) for task in TASK_METRICS)
    return " / ".join("never" if np.isinf(median) else number(median, 0) for median in medians)


def _stability(row: Mapping[str, Any]) -> str:
    spreads = (number(row["metrics"][metric]["spread"], 3) for metric in TASK_METRICS.values())
    return " / ".join(spreads) + (f" ({row['failed']} failed)" if row["failed"] else "")


def _protocol_table(results: Mapping[str, Any]) -> str:
    names = list(next(protocols for protocols in results["protocols"].values() if protocols))
    rows = [
        (
            start,
            *(f"{number(found[name]['angle_mean'], 1)} / {number(found[name]['count_macro_f1'], 2)}" for name in names),
        )
        for start, found in results["protocols"].items()
        if found
    ]
    return markdown_table(("start", *names), rows)
