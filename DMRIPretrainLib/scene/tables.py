"""Metrics as tables: what ``evaluate`` and the reports of runs say in nested numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import slicer
import vtk

from ..tasks.maps import CROSSING_LABELS

#: Endings of names that tell a unit.
_UNITS = {"_mm": "mm", "_ml": "ml", "_percent": "%"}


def add_metric_tables(
    scene: slicer.vtkMRMLScene, name: str, metrics: Mapping[str, Any]
) -> list[slicer.vtkMRMLTableNode]:
    """Add what a report holds as tables.

    Args:
        scene: where to.
        name: of the report; it begins the names of the tables.
        metrics: numbers and texts, and groups of them, such as those of ``evaluate``: a group of groups, such as
            metrics by tissue, becomes a table with a row each; the confusion matrix becomes one too.

    Returns:
        A table of what stands by itself, and one or more for each group, without those that would be empty.
    """
    single = _singles(metrics)
    tables = [_add_pairs(scene, name, single)] if single else []
    for group, content in metrics.items():
        if isinstance(content, Mapping) and content:
            tables += _add_group(scene, f"{name} {_spoken(group)}", content)
    return tables


def _add_group(scene: slicer.vtkMRMLScene, name: str, content: Mapping[str, Any]) -> list[slicer.vtkMRMLTableNode]:
    tables = []
    groups = {key: value for key, value in content.items() if isinstance(value, Mapping)}
    if groups:
        columns = list(dict.fromkeys(column for group in groups.values() for column in group))
        rows = [[key, *(group.get(column, "") for column in columns)] for key, group in groups.items()]
        tables.append(_add_table(scene, name, ["", *map(_spoken, columns)], rows))
    confusion = content.get("confusion")
    if confusion:
        header = ["reference", *(f"found {label}" for label in CROSSING_LABELS)]
        rows = [[label, *row] for label, row in zip(CROSSING_LABELS, confusion, strict=False)]
        tables.append(_add_table(scene, f"{name} confusion", header, rows))
    single = _singles(content)
    if single:
        tables.append(_add_pairs(scene, name, single))
    return tables


def _singles(content: Mapping[str, Any]) -> dict[str, Any]:
    """What is no group; beside a confusion matrix a list, such as that of F1, has an item for each number of fibres."""
    found: dict[str, Any] = {}
    by_number = "confusion" in content
    for key, value in content.items():
        name = _spoken(key)
        if isinstance(value, Sequence) and not isinstance(value, str):
            if by_number and key != "confusion" and len(value) == len(CROSSING_LABELS):
                found |= {f"{name}, {label}": item for label, item in zip(CROSSING_LABELS, value, strict=True)}
            elif not any(isinstance(item, Mapping | list) for item in value):
                found[name] = ", ".join(map(_text, value))
        elif not isinstance(value, Mapping):
            found[name] = value
    return found


def _add_pairs(scene: slicer.vtkMRMLScene, name: str, pairs: Mapping[str, Any]) -> slicer.vtkMRMLTableNode:
    return _add_table(scene, name, ["", "value"], [[key, value] for key, value in pairs.items()])


def _add_table(
    scene: slicer.vtkMRMLScene, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]
) -> slicer.vtkMRMLTableNode:
    """Columns of numbers are numbers, so that they can be sorted and plotted; all others are text."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtk.vtkTable()
    for index, title in enumerate(header):
        values = [row[index] for row in rows]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        column = vtk.vtkDoubleArray() if numbers else vtk.vtkStringArray()
        column.SetName(title or "name")
        for value in values:
            column.InsertNextValue(value if numbers else _text(value))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.SetUseFirstColumnAsRowHeader(True)
    node.SetLocked(True)
    return node


def _text(value: Any) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _spoken(key: str) -> str:
    """``hd95 [mm]`` of ``hd95_mm``."""
    for ending, unit in _UNITS.items():
        if key.endswith(ending):
            key = key.removesuffix(ending) + f" [{unit}]"
    return key.replace("_", " ")
