"""Views draw real MRML, follow it, and react to the mouse."""

from typing import Any

import numpy as np
import pytest

from Testing.Host import pointer


@pytest.fixture
def ball(host: Any) -> Any:
    """A bright ball in a dark volume of 60 x 50 x 40 voxels of 1 mm, shown in the slices of the open window."""
    import slicer

    host.window.show()
    k, j, i = np.mgrid[:40, :50, :60]
    array = (100 * ((i - 30) ** 2 + (j - 25) ** 2 + (k - 20) ** 2 < 15**2)).astype(np.int16)
    node = slicer.util.addVolumeFromArray(array, name="ball")
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    host.settle()
    return node


def test_a_slice_shows_the_volume_in_radiological_order(host: Any, ball: Any) -> None:
    """The axial view has the patient's right at the left and anterior at the top."""
    import slicer

    array = slicer.util.arrayFromVolume(ball)
    array[:] = 0
    array[:, 30:, :20] = 100  # +i is right and +j anterior for an identity matrix: low i is the patient's left
    slicer.util.arrayFromVolumeModified(ball)
    host.settle()
    pixels = _slice_view(host, "Red").pixels().mean(axis=-1)
    height, width = pixels.shape
    bright = np.argwhere(pixels > 128)
    assert bright[:, 0].mean() < height / 2
    assert bright[:, 1].mean() > width / 2


def test_the_wheel_scrolls_through_slices(host: Any, ball: Any) -> None:
    logic = host.layout_manager.sliceWidget("Red").sliceLogic()
    start = logic.GetSliceOffset()
    pointer.wheel(_slice_view(host, "Red"), 1)
    assert logic.GetSliceOffset() == pytest.approx(start + 1)
    pointer.wheel(_slice_view(host, "Red"), -1)
    pointer.wheel(_slice_view(host, "Red"), -1)
    assert logic.GetSliceOffset() == pytest.approx(start - 1)


def test_the_slider_of_the_bar_follows_and_moves_the_slice(host: Any, ball: Any) -> None:
    from PySide6 import QtWidgets

    widget = host.layout_manager.sliceWidget("Red")
    slider = widget.controllerWidget().findChild(QtWidgets.QSlider)
    before = slider.value()
    widget.sliceLogic().SetSliceOffset(widget.sliceLogic().GetSliceOffset() + 5)
    assert slider.value() == before + 5
    slider.setValue(before)
    assert widget.sliceLogic().GetSliceOffset() == pytest.approx(20, abs=1)


def test_dragging_turns_the_camera(host: Any, ball: Any) -> None:
    view = host.layout_manager.threeDWidget(0).threeDView()
    before = view.cameraNode().GetPosition()
    pointer.drag(view, (100, 100), (180, 130))
    after = view.cameraNode().GetPosition()
    assert np.linalg.norm(np.subtract(before, after)) > 10
    assert np.linalg.norm(before) == pytest.approx(np.linalg.norm(after), rel=0.2)


def test_the_mouse_in_a_slice_moves_the_crosshair_node(host: Any, ball: Any) -> None:
    from PySide6.QtTest import QTest

    view = _slice_view(host, "Red")
    QTest.mouseMove(view, view.rect().center())
    host.settle()
    ras = [0.0, 0.0, 0.0]
    node = host.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert node.GetCursorPositionRAS(ras)
    assert np.allclose(ras, [30, 25, 20], atol=1.5) or np.allclose(ras, [-30, -25, 20], atol=1.5)


def test_a_model_is_seen_in_3d_and_where_it_meets_the_slice(host: Any, ball: Any) -> None:
    import slicer

    red, three_d = _slice_view(host, "Red"), host.layout_manager.threeDWidget(0).threeDView()
    host.scene.RemoveNode(ball)
    host.layout_manager.sliceWidget("Red").sliceLogic().SetSliceOffset(0)
    host.settle()
    assert not _green(red.pixels()).any()
    model = _sphere_node()
    host.layout_manager.resetThreeDViews()
    host.settle()
    assert _green(red.pixels()).any()
    assert _green(three_d.pixels()).mean() > 0.05
    model.GetDisplayNode().SetVisibility(False)
    host.settle()
    assert not _green(red.pixels()).any()
    assert not _green(three_d.pixels()).any()
    assert slicer.app.layoutManager().threeDViewCount == 1


def test_a_view_renders_once_for_many_changes(host: Any, ball: Any) -> None:
    view = _slice_view(host, "Red")
    before = view.renders
    for offset in range(10, 20):
        host.layout_manager.sliceWidget("Red").sliceLogic().SetSliceOffset(offset)
    host.settle()
    assert 1 <= view.renders - before <= 3


def test_no_view_renders_while_rendering_is_paused(host: Any, ball: Any) -> None:
    import slicer

    view = _slice_view(host, "Red")
    before = view.renders
    with slicer.util.RenderBlocker():
        host.layout_manager.sliceWidget("Red").sliceLogic().SetSliceOffset(10)
        host.settle()
        assert view.renders == before
    host.settle()
    assert view.renders > before


@pytest.mark.parametrize(
    ("layout", "views"),
    [
        ("SlicerLayoutFourUpView", "Red Green Yellow 1"),
        ("SlicerLayoutConventionalView", "Red Green Yellow 1"),
        ("SlicerLayoutOneUpRedSliceView", "Red"),
        ("SlicerLayoutOneUp3DView", "1"),
        ("SlicerLayoutConventionalPlotView", "Red Green Yellow 1 PlotView1"),
        ("SlicerLayoutFourUpPlotView", "Red Green Yellow PlotView1"),
        ("SlicerLayoutFourUpTableView", "Red Green Yellow 1 TableView1"),
        ("SlicerLayoutTabbedSliceView", "Red"),
    ],
)
def test_layouts_show_their_views(host: Any, layout: str, views: str) -> None:
    import slicer

    host.window.show()
    number = getattr(slicer.vtkMRMLLayoutNode, layout)
    slicer.app.layoutManager().setLayout(number)
    host.settle()
    assert host.layout_manager.layout == number
    assert _shown(host) == sorted(views.split())


def test_a_layout_of_the_modules_own(host: Any) -> None:
    import slicer

    description = """
    <layout type="horizontal" split="true">
     <item splitSize="700"><view class="vtkMRMLSliceNode" singletontag="Red">
      <property name="orientation" action="default">Axial</property>
      <property name="viewlabel" action="default">R</property>
      <property name="viewcolor" action="default">#F34A33</property></view></item>
     <item splitSize="300"><view class="vtkMRMLPlotViewNode" singletontag="Curve">
      <property name="viewlabel" action="default">C</property></view></item>
    </layout>"""
    host.window.show()
    layout_node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    layout_node.AddLayoutDescription(601, description)
    slicer.app.layoutManager().setLayout(601)
    host.settle()
    assert _shown(host) == ["Curve", "Red"]
    red = host.layout_manager.sliceWidget("Red")
    plot = next(
        host.layout_manager.plotWidget(index)
        for index in range(host.layout_manager.plotViewCount)
        if host.layout_manager.plotWidget(index).mrmlPlotViewNode().GetLayoutName() == "Curve"
    )
    assert red.width() > 1.5 * plot.width()


def test_a_chart_is_drawn_and_follows_its_table(host: Any) -> None:
    import slicer

    host.window.show()
    table = slicer.util.updateTableFromArray(None, np.array([[0, 1.0], [1, 0.5], [2, 0.2]]), ["step", "loss"])
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "loss")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("step")
    series.SetYColumnName("loss")
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetColor(0, 0.8, 0)
    series.SetLineWidth(6)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    host.settle()
    view = host.layout_manager.plotWidget(0).plotView()
    drawn = _green(view.pixels())
    assert drawn.sum() > 100
    slicer.util.updateTableFromArray(table, np.array([[0, 0.2], [1, 0.5], [2, 1.0]]), ["step", "loss"])
    host.settle()
    assert (_green(view.pixels()) != drawn).sum() > 100


def test_the_scene_can_be_closed_while_all_views_are_shown(host: Any, ball: Any) -> None:
    _sphere_node()
    host.scene.Clear(0)
    host.settle()
    assert _slice_view(host, "Red").pixels().mean() < 10
    assert host.layout_manager.sliceViewNames() == ["Red", "Green", "Yellow"]
    assert not _green(host.layout_manager.threeDWidget(0).threeDView().pixels()).any()


def test_positions_in_a_slice_and_in_the_world_are_converted(host: Any, ball: Any) -> None:
    view = _slice_view(host, "Green")
    middle = [view.width() / 2, view.height() / 2, 0]
    ras = view.convertXYZToRAS(middle)
    assert ras[1] == pytest.approx(host.layout_manager.sliceWidget("Green").sliceLogic().GetSliceOffset())
    assert view.convertRASToXYZ(ras) == pytest.approx(middle, abs=1e-6)


def test_the_orientation_of_a_slice_can_be_changed(host: Any, ball: Any) -> None:
    widget = host.layout_manager.sliceWidget("Red")
    assert widget.sliceOrientation == "Axial"
    widget.setSliceOrientation("Sagittal")
    assert host.scene.GetNodeByID("vtkMRMLSliceNodeRed").GetOrientation() == "Sagittal"
    widget.setSliceOrientation("Axial")


def test_looking_from_an_axis(host: Any) -> None:
    view = host.layout_manager.threeDWidget(0).threeDView()
    view.lookFromAxis("R")
    assert np.argmax(view.cameraNode().GetPosition()) == 0
    view.lookFromAxis("I")
    assert np.argmin(view.cameraNode().GetPosition()) == 2


def _slice_view(host: Any, name: str) -> Any:
    return host.layout_manager.sliceWidget(name).sliceView()


def _shown(host: Any) -> list[str]:
    widgets = host.layout_manager._widgets.values()
    return sorted(_node(widget).GetLayoutName() for widget in widgets if widget.isVisible())


def _node(widget: Any) -> Any:
    for name in ("mrmlSliceNode", "mrmlViewNode", "mrmlPlotViewNode", "mrmlTableViewNode"):
        if hasattr(widget, name):
            return getattr(widget, name)()
    raise AssertionError(widget)


def _sphere_node() -> Any:
    import slicer
    import vtk

    source = vtk.vtkSphereSource()
    source.SetRadius(15)
    source.SetThetaResolution(30)
    source.SetPhiResolution(30)
    source.Update()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "sphere")
    node.SetAndObservePolyData(source.GetOutput())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetColor(0, 1, 0)
    node.GetDisplayNode().SetAmbient(0.6)
    node.GetDisplayNode().SetVisibility2D(True)
    return node


def _green(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return (green > red + 60) & (green > blue + 60)
