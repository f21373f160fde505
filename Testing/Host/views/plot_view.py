"""The plot view: a ``vtkMRMLPlotChartNode`` drawn with VTK's charts."""

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.views.render_area import RenderArea
from Testing.Host.views.view_bar import ViewBar

_MARKERS = {
    "none": vtk.vtkPlotPoints.NONE,
    "cross": vtk.vtkPlotPoints.CROSS,
    "plus": vtk.vtkPlotPoints.PLUS,
    "square": vtk.vtkPlotPoints.SQUARE,
    "circle": vtk.vtkPlotPoints.CIRCLE,
    "diamond": vtk.vtkPlotPoints.DIAMOND,
}
_LINES = {
    "none": vtk.vtkPen.NO_PEN,
    "solid": vtk.vtkPen.SOLID_LINE,
    "dash": vtk.vtkPen.DASH_LINE,
    "dot": vtk.vtkPen.DOT_LINE,
    "dash-dot": vtk.vtkPen.DASH_DOT_LINE,
    "dash-dot-dot": vtk.vtkPen.DASH_DOT_DOT_LINE,
}
_INDEX_COLUMN = "Index"


class qMRMLPlotView(RenderArea):
    """The chart that the plot view node refers to, with its series and their tables followed."""

    def __init__(self, node: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._chart = vtk.vtkChartXY()
        self._context = vtk.vtkContextActor()
        self._context.GetScene().AddItem(self._chart)
        self._context.GetScene().SetRenderer(self.vtk_renderer)
        self.vtk_renderer.AddActor(self._context)
        self.vtk_renderer.SetBackground(1, 1, 1)
        self._node_observers = Observers(self)
        self._content_observers = Observers(self)
        self._node_observers.add(node, vtk.vtkCommand.ModifiedEvent, self._rebuild)
        self._rebuild()

    def chart(self) -> Any:
        """The VTK chart."""
        return self._chart

    def renderWindow(self) -> Any:
        """The VTK window."""
        return self.render_window

    def fitToContent(self) -> None:
        """Axes that hold every point."""
        self._chart.RecalculateBounds()
        self.schedule()

    def _rebuild(self) -> None:
        self._content_observers.clear()
        self._chart.ClearPlots()
        chart_node = self._node.GetPlotChartNode()
        if chart_node is not None:
            self._follow(chart_node)
            self._decorate(chart_node)
            for index in range(chart_node.GetNumberOfPlotSeriesNodes()):
                series = chart_node.GetNthPlotSeriesNode(index)
                if series is not None:
                    self._add(series)
            self._set_ranges(chart_node)
        self._chart.SetVisible(chart_node is not None)
        self.schedule()

    def _follow(self, node: Any) -> None:
        if node is not None:
            self._content_observers.add(node, vtk.vtkCommand.ModifiedEvent, self._rebuild)

    def _add(self, series: Any) -> None:
        table_node = series.GetTableNode()
        self._follow(series)
        self._follow(table_node)
        table, y_name = _table(table_node), series.GetYColumnName() or ""
        if table is None or table.GetColumnByName(y_name) is None:
            return
        kind = series.GetPlotType()
        bars = kind == slicer.vtkMRMLPlotSeriesNode.PlotTypeBar
        x_name = series.GetXColumnName() if series.IsXColumnRequired() else ""
        x_name = x_name if table.GetColumnByName(x_name or "") is not None else _with_index(table)
        plot = self._chart.AddPlot(vtk.vtkChart.BAR if bars else vtk.vtkChart.LINE)
        plot.SetInputData(table, x_name, y_name)
        plot.SetLabel(series.GetName())
        plot.SetWidth(series.GetLineWidth())
        plot.SetColorF(*series.GetColor(), series.GetOpacity())
        if not bars:
            plot.SetMarkerStyle(_MARKERS[series.GetMarkerStyleAsString(series.GetMarkerStyle())])
            plot.SetMarkerSize(series.GetMarkerSize())
            plot.GetPen().SetLineType(_LINES[series.GetLineStyleAsString(series.GetLineStyle())])

    def _decorate(self, node: Any) -> None:
        self._chart.SetTitle((node.GetTitle() or "") if node.GetTitleVisibility() else "")
        self._chart.GetTitleProperties().SetFontSize(node.GetTitleFontSize())
        self._chart.SetShowLegend(node.GetLegendVisibility())
        titles = {
            vtk.vtkAxis.BOTTOM: node.GetXAxisTitle() if node.GetXAxisTitleVisibility() else "",
            vtk.vtkAxis.LEFT: node.GetYAxisTitle() if node.GetYAxisTitleVisibility() else "",
        }
        for place, title in titles.items():
            axis = self._chart.GetAxis(place)
            axis.SetTitle(title or "")
            axis.SetGridVisible(node.GetGridVisibility())
            axis.GetTitleProperties().SetFontSize(node.GetAxisTitleFontSize())
            axis.GetLabelProperties().SetFontSize(node.GetAxisLabelFontSize())
        self._chart.GetAxis(vtk.vtkAxis.BOTTOM).SetLogScale(node.GetXAxisLogScale())
        self._chart.GetAxis(vtk.vtkAxis.LEFT).SetLogScale(node.GetYAxisLogScale())

    def _set_ranges(self, node: Any) -> None:
        for place, automatic, limits in (
            (vtk.vtkAxis.BOTTOM, node.GetXAxisRangeAuto(), node.GetXAxisRange()),
            (vtk.vtkAxis.LEFT, node.GetYAxisRangeAuto(), node.GetYAxisRange()),
        ):
            axis = self._chart.GetAxis(place)
            axis.SetBehavior(vtk.vtkAxis.AUTO if automatic else vtk.vtkAxis.FIXED)
            if not automatic:
                axis.SetRange(*limits)
        self._chart.RecalculateBounds()


class qMRMLPlotWidget(QtWidgets.QWidget):
    """A plot view with its bar."""

    def __init__(self, node: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._bar = ViewBar(node.GetLayoutLabel() or "P", QtGui.QColor("#e0e0e0"), slider=False, parent=self)
        self._view = qMRMLPlotView(node, self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._view, 1)

    def plotView(self) -> qMRMLPlotView:
        """The picture below the bar."""
        return self._view

    viewWidget = plotView

    def mrmlPlotViewNode(self) -> Any:
        """The node of the view."""
        return self._node

    mrmlAbstractViewNode = mrmlPlotViewNode

    def plotController(self) -> ViewBar:
        """The bar."""
        return self._bar

    controllerWidget = plotController

    viewLabel = QtCore.Property(str, lambda self: self._node.GetLayoutLabel())


def _table(node: Any) -> Any:
    """A shallow copy of the table, which may get a column of its own here."""
    if node is None or node.GetTable() is None:
        return None
    table = vtk.vtkTable()
    table.ShallowCopy(node.GetTable())
    return table


def _with_index(table: Any) -> str:
    """Name of a column 0, 1, 2, ... for series without an x column."""
    if table.GetColumnByName(_INDEX_COLUMN) is None:
        column = vtk.vtkIntArray()
        column.SetName(_INDEX_COLUMN)
        for row in range(table.GetNumberOfRows()):
            column.InsertNextValue(row)
        table.AddColumn(column)
    return _INDEX_COLUMN
