"""The curves of a training run as plots, fed with the events of its job as they come."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import slicer
import vtk

#: Told apart by colour-blind readers too (Okabe and Ito 2008).
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (90, 90, 90))
#: Title and axis of the charts.
_CHARTS = {"loss": ("Training loss", "loss"), "score": ("Validation", "score"), "angle": ("Angles", "degrees")}
_STEP = "step"
#: Width of the chart over that of the curves: plot views draw the legend at the right, over the curves.
_ROOM_FOR_LEGEND = 1.45

Points = Sequence[tuple[int, float]]


class TrainingCurves:
    """A chart each of the losses, the scores and the angular errors of a run; made as soon as there is a point.

    Args:
        scene: where to.
        name: of the run.

    Attributes:
        charts: by kind: ``loss``, ``score`` and ``angle``; the nodes to show in plot views.
        tables: by kind: the points, a column a curve.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, name: str) -> None:
        self._scene = scene
        self._name = name
        self._points: dict[str, dict[int, float]] = {}
        self._series: dict[str, slicer.vtkMRMLPlotSeriesNode] = {}
        self.charts: dict[str, slicer.vtkMRMLPlotChartNode] = {}
        self.tables: dict[str, slicer.vtkMRMLTableNode] = {}

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in further events of the job and draw what is new; those that are no points of a curve are left out."""
        changed = {name for event in events if (name := self._take(event)) is not None}
        for kind in {_kind_of(name) for name in changed}:
            self._draw(kind)

    def replace(self, curves: Mapping[str, Points]) -> None:
        """Draw these curves, (step, value) in order by name, instead of those so far."""
        self._points = {name: dict(points) for name, points in curves.items() if _kind_of(name) is not None}
        for kind in {_kind_of(name) for name in self._points} | set(self.charts):
            self._draw(kind)

    def _take(self, event: Mapping[str, Any]) -> str | None:
        """Name of the curve to which an event adds a point."""
        name, step, value = event.get("name"), event.get("step"), event.get("value")
        if event.get("kind") != "metric" or not isinstance(name, str) or _kind_of(name) is None:
            return None
        if not isinstance(step, int) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        points = self._points.setdefault(name, {})
        # A run that goes back to a checkpoint does its last steps again.
        for later in [known for known in points if known > step]:
            del points[later]
        points[step] = float(value)
        return name

    def _draw(self, kind: str | None) -> None:
        if kind is None:
            return
        if kind not in self.charts:
            self._make_chart(kind)
        curves = {name: points for name, points in self._points.items() if _kind_of(name) == kind}
        _fill(self.tables[kind], curves)
        for name, points in curves.items():
            # VTK reports an error for a line of a single point.
            if name not in self._series and len(points) > 1:
                self._series[name] = self._make_series(kind, name)
        last = max((step for points in curves.values() for step in points), default=0)
        self.charts[kind].SetXAxisRange(0, max(last, 1) * _ROOM_FOR_LEGEND)

    def _make_chart(self, kind: str) -> None:
        title, unit = _CHARTS[kind]
        self.tables[kind] = self._scene.AddNewNodeByClass("vtkMRMLTableNode", f"{self._name} {title.lower()}")
        chart = self._scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{self._name} {title.lower()} chart")
        chart.SetTitle(f"{title}: {self._name}")
        chart.SetXAxisTitle(_STEP)
        chart.SetXAxisRangeAuto(False)
        chart.SetYAxisTitle(unit)
        self.charts[kind] = chart

    def _make_series(self, kind: str, name: str) -> slicer.vtkMRMLPlotSeriesNode:
        chart = self.charts[kind]
        number = chart.GetNumberOfPlotSeriesNodes()
        series = self._scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(self.tables[kind].GetID())
        series.SetPlotType(series.PlotTypeScatter)
        again = number >= len(_COLOURS)
        series.SetLineStyle(series.LineStyleDash if again else series.LineStyleSolid)
        series.SetMarkerStyle(series.MarkerStyleSquare if again else series.MarkerStyleCircle)
        series.SetMarkerSize(5)
        # The sum or mean stands out from its parts.
        series.SetLineWidth(4 if name in ("loss", "score") else 2)
        series.SetXColumnName(_STEP)
        series.SetYColumnName(name)
        series.SetColor(*(channel / 255 for channel in _COLOURS[number % len(_COLOURS)]))
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        return series


def _kind_of(name: str) -> str | None:
    """Which chart a metric belongs to; None for those that say nothing of how well it goes."""
    if name.startswith("share of time"):
        return None
    if name.startswith("loss"):
        return "loss"
    return "angle" if name.endswith("[deg]") else "score"


def _fill(node: slicer.vtkMRMLTableNode, curves: Mapping[str, Mapping[int, float]]) -> None:
    """A row a step, a column a curve; NaN, which plots skip, where a curve has no point."""
    steps = sorted(set().union(*curves.values()))
    table = vtk.vtkTable()
    column = vtk.vtkIntArray()
    column.SetName(_STEP)
    for step in steps:
        column.InsertNextValue(step)
    table.AddColumn(column)
    for name, points in curves.items():
        values = vtk.vtkDoubleArray()
        values.SetName(name)
        for step in steps:
            values.InsertNextValue(points.get(step, math.nan))
        table.AddColumn(values)
    node.SetAndObserveTable(table)
