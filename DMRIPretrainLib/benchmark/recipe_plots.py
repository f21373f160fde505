"""The plots of the benchmark of recipes."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from .plan import BVM, is_bvm
from .plots import COLOURS, figure
from .recipe_summary import TASK_METRICS, TITLES, find_row


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Plots of the results.

    Args:
        results: as for ``recipe_report.report``.
        folder: where to; gets ``recipes_labels.png``, ``recipes_curves.png``, ``recipes_confusion.png`` and
            ``recipes_protocols.png``.

    Returns:
        The pictures.

    Raises:
        UserError: if they cannot be written.
    """
    pictures = {
        "labels": _draw_labels,
        "curves": _draw_curves,
        "confusion": _draw_confusion,
        "protocols": _draw_protocols,
    }
    written = []
    for name, plot in pictures.items():
        path = folder / f"recipes_{name}.png"
        if name != "protocols" or any(results["protocols"].values()):
            plot(results, path)
            written.append(path)
    return written


def _style(results: Mapping[str, Any], start: str) -> dict[str, Any]:
    """A colour a recipe; those of the seed's network are dashed."""
    recipes = list(dict.fromkeys(name.removeprefix(f"{BVM}-") for name in results["plan"]["starts"]))
    colour = COLOURS[recipes.index(start.removeprefix(f"{BVM}-")) % len(COLOURS)]
    return {"color": colour, "linestyle": "--" if is_bvm(start) else "-", "label": start}


def _networks(results: Mapping[str, Any]) -> list[list[str]]:
    """Starts of our networks, and of the seed's: a row of plots each, since their numbers lie far apart."""
    starts = results["plan"]["starts"]
    networks = ([start for start in starts if is_bvm(start) == wanted] for wanted in (False, True))
    return [network for network in networks if network]


def _draw_labels(results: Mapping[str, Any], path: Path) -> None:
    plan, networks = results["plan"], _networks(results)
    with figure(path, len(TASK_METRICS), len(networks)) as axes:
        for (row, starts), (column, metric) in product(enumerate(networks), enumerate(TASK_METRICS.values())):
            axis = axes[row, column]
            for start in starts:
                values = [find_row(results, start, labels)["metrics"][metric] for labels in plan["labels"]]
                mean, low, high = (_numbers(value[name] for value in values) for name in ("mean", "low", "high"))
                style = _style(results, start)
                axis.plot(plan["labels"], mean, marker="o", markersize=3, **style)
                axis.fill_between(plan["labels"], low, high, color=style["color"], alpha=0.08, linewidth=0)
            axis.set(xscale="log", xlabel="labelled scans", title=TITLES[metric])
            axis.set_xticks(plan["labels"], [str(labels) for labels in plan["labels"]], minor=False)
            axis.minorticks_off()
        _legend(axes)


def _draw_curves(results: Mapping[str, Any], path: Path) -> None:
    fewest, networks = min(results["plan"]["labels"]), _networks(results)
    with figure(path, len(TASK_METRICS), len(networks)) as axes:
        for (row, starts), (column, task) in product(enumerate(networks), enumerate(TASK_METRICS)):
            axis = axes[row, column]
            for start in starts:
                points = find_row(results, start, fewest)["curves"][f"{task} score"]
                axis.plot([step for step, _ in points], [value for _, value in points], **_style(results, start))
            axis.set(xlabel="steps", ylabel="score on validation", title=f"{task}, {fewest} labelled")
        _legend(axes)


def _draw_confusion(results: Mapping[str, Any], path: Path) -> None:
    starts, most = results["plan"]["starts"], max(results["plan"]["labels"])
    columns = min(4, len(starts))
    with figure(path, columns, -(-len(starts) // columns), (2.6, 2.6)) as axes:
        for axis in axes.flat[len(starts) :]:
            axis.axis("off")
        for axis, start in zip(axes.flat, starts, strict=False):
            confusion = find_row(results, start, most)["confusion"]
            axis.set_title(f"{start}, {most} labelled", fontsize=8)
            if confusion is None:
                axis.axis("off")
                continue
            axis.set(xlabel="found", ylabel="fibres in truth", xticks=range(4), yticks=range(3), yticklabels="123")
            counts = np.asarray(confusion, dtype=float)[1:]
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (row, column), share in np.ndenumerate(shares):
                colour = "white" if share > 0.5 else "black"
                axis.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=7, color=colour)


def _draw_protocols(results: Mapping[str, Any], path: Path) -> None:
    networks = _networks(results)
    with figure(path, 2, len(networks)) as axes:
        for (row, starts), (column, kind) in product(enumerate(networks), enumerate(("SNR", "directions"))):
            axis = axes[row, column]
            for start in starts:
                found = sorted(
                    (float(name.replace(kind, "")), values["angle_mean"])
                    for name, values in results["protocols"][start].items()
                    if kind in name and values["angle_mean"] is not None
                )
                axis.plot(
                    [x for x, _ in found], [y for _, y in found], marker="o", markersize=3, **_style(results, start)
                )
            axis.set(xlabel=kind, title=TITLES["angle_mean"])
        _legend(axes)


def _legend(axes: np.ndarray) -> None:
    lines = [line for axis in axes[:, 0] for line in axis.lines]
    axes[0, 0].figure.legend(handles=lines, loc="outside right center", fontsize=8)


def _numbers(values: Any) -> list[float]:
    """For Matplotlib: what JSON has not is not drawn."""
    return [float("nan") if value is None else float(value) for value in values]
