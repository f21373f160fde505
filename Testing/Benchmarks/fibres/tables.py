"""Results as tables for a terminal."""

import math
from typing import Any

from rich.table import Table

from .aims import Aim


def voxel_table(title: str, arrangements: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """Metrics by arrangement and method."""
    columns = (
        "accuracy",
        "macro-F1",
        "F1 0/1/2/3",
        "crossing F1",
        "angle 1/2/3",
        "dominant mean/median",
        "none",
        "ECE",
    )
    table = Table("arrangement", "method", *columns, title=title, title_justify="left")
    for arrangement, methods in arrangements.items():
        for index, (method, scores) in enumerate(methods.items()):
            last = index == len(methods) - 1
            table.add_row(arrangement if not index else "", method, *_cells(scores), end_section=last)
    return table


def _cells(scores: dict[str, Any]) -> tuple[str, ...]:
    angles = "/".join(number(scores[f"angle_{count}"], 1) for count in (1, 2, 3))
    return (
        number(scores["accuracy"]),
        number(scores["macro_f1"]),
        "/".join(number(value, 2) for value in scores["f1"]),
        number(scores["crossing_f1"]),
        angles,
        f"{number(scores['dominant_mean'], 1)}/{number(scores['dominant_median'], 1)}",
        number(scores["dominant_missing"], 2),
        number(scores.get("calibration_error")),
    )


def dice_table(arrangements: dict[str, dict[str, float]]) -> Table:
    """Dice by arrangement and tissue."""
    tissues = list(next(iter(arrangements.values())))
    table = Table("arrangement", *tissues, title="Dice of tissues", title_justify="left")
    for arrangement, scores in arrangements.items():
        table.add_row(arrangement, *(number(scores[tissue]) for tissue in tissues))
    return table


def real_table(results: dict[str, Any]) -> Table:
    """Change of the dominant direction by number of directions and method."""
    title = f"Change of the dominant direction from {results['directions']} directions to random subsets"
    columns = ("median [°]", "mean [°]", "without direction")
    table = Table("directions", "method", *columns, title=title, title_justify="left")
    for count, methods in results["subsets"].items():
        for index, (method, scores) in enumerate(methods.items()):
            cells = (number(scores["median"], 2), number(scores["mean"], 2), number(scores["missing"]))
            table.add_row("" if index else str(count), method, *cells, end_section=index == len(methods) - 1)
    return table


def aims_table(aims: list[Aim]) -> Table:
    """Aim, figure, baseline and whether the aim is reached."""
    table = Table("what", "aim", "model", "CSD", "reached?", title="Aims", title_justify="left")
    for aim in aims:
        digits = 3 if aim.figure < 1 else 2
        reached = "[green]yes[/green]" if aim.reached else "[red]no[/red]"
        table.add_row(aim.name, aim.aim, number(aim.figure, digits), number(aim.baseline, digits), reached)
    return table


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
