"""Training curves and tables of metrics."""

import math
from pathlib import Path
from typing import Any

import pytest
import vtk

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.scene.curves import TrainingCurves
from DMRIPretrainLib.scene.tables import add_metric_tables


def metric(name: str, step: Any, value: Any) -> dict[str, Any]:
    return {"kind": "metric", "name": name, "step": step, "value": value}


def column(node: Any, name: str) -> list[float]:
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(index) for index in range(array.GetNumberOfValues())]


def test_events_of_a_job_become_curves_as_they_come(scene: Any, tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "job")
    job.create({})
    job.append("state", state="running")
    job.append("metric", step=0, name="score", value=0.5)
    job.append("metric", step=0, name="dominant error [deg]", value=12.0)
    curves = TrainingCurves(scene, "tissue")
    curves.add(job.read_events())
    assert set(curves.charts) == {"score", "angle"}
    seen = len(job.read_events())
    job.append("progress", step=3, fraction=0.1, seconds_left=7, loss=1.0)
    for name, value in (("loss", 0.9), ("loss crossings", 0.4), ("share of time waiting for data", 0.1)):
        job.append("metric", step=10, name=name, value=value)
    job.append("metric", step=10, name="score", value=0.6)
    curves.add(job.read_events()[seen:])
    assert set(curves.charts) == {"loss", "score", "angle"}
    assert column(curves.tables["score"], "step") == [0, 10]
    assert column(curves.tables["score"], "score") == [0.5, 0.6]
    chart = curves.charts["loss"]
    # VTK cannot draw a line of one point.
    assert chart.GetNumberOfPlotSeriesNodes() == 0
    curves.add([metric("loss", 20, 0.8), metric("loss crossings", 20, 0.3)])
    names = [chart.GetNthPlotSeriesNode(i).GetName() for i in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["loss", "loss crossings"]
    series = chart.GetNthPlotSeriesNode(1)
    assert series.GetTableNode() is curves.tables["loss"]
    assert (series.GetXColumnName(), series.GetYColumnName()) == ("step", "loss crossings")
    assert chart.GetYAxisTitle() == "loss"
    assert curves.charts["angle"].GetYAxisTitle() == "degrees"
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 3


def test_curves_of_one_chart_may_have_other_steps(scene: Any) -> None:
    curves = TrainingCurves(scene, "run")
    curves.add([metric("loss", 1, 3.0), metric("loss a", 2, 2.0), metric("loss", 2, 1.0)])
    first, second = column(curves.tables["loss"], "loss a")
    assert math.isnan(first)
    assert second == 2.0


def test_a_run_that_goes_on_from_a_checkpoint_draws_its_steps_anew(scene: Any) -> None:
    curves = TrainingCurves(scene, "run")
    curves.add([metric("score", step, step / 100) for step in (0, 10, 20, 30)])
    curves.add([metric("score", 20, 0.9)])
    assert column(curves.tables["score"], "step") == [0, 10, 20]
    assert column(curves.tables["score"], "score") == [0.0, 0.1, 0.9]
    assert curves.charts["score"].GetNumberOfPlotSeriesNodes() == 1


def test_curves_can_be_given_whole(scene: Any) -> None:
    curves = TrainingCurves(scene, "run")
    curves.add([metric("score", 0, 0.1)])
    curves.replace({"score": [(0, 0.2), (5, 0.3)], "loss": [(5, 1.5)]})
    assert column(curves.tables["score"], "score") == [0.2, 0.3]
    assert column(curves.tables["loss"], "loss") == [1.5]


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "state", "state": "running"},
        {"kind": "metric"},
        metric("score of averaged weights", None, 0.5),
        metric("score", 3, None),
        metric("score", 3, math.nan),
        metric("score", "3", 0.5),
        {},
    ],
)
def test_events_that_are_no_points_are_passed_over(scene: Any, event: dict[str, Any]) -> None:
    curves = TrainingCurves(scene, "run")
    curves.add([event])
    assert curves.charts == {}


def test_the_plots_can_be_drawn(scene: Any) -> None:
    """What a plot view does with the nodes: the columns are there and hold numbers."""
    curves = TrainingCurves(scene, "run")
    curves.add([metric("loss", step, 1 / (1 + step)) for step in range(5)])
    series = curves.charts["loss"].GetNthPlotSeriesNode(0)
    plot = vtk.vtkPlotLine()
    plot.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
    plot.Update()
    bounds = [0.0] * 4
    plot.GetBounds(bounds)
    assert bounds == pytest.approx([0, 4, 0.2, 1])


EVALUATION = {
    "prediction": "results",
    "segmentation": {"CSF": {"dice": 0.5, "hd95_mm": 3.0}, "WM": {"dice": 0.75, "hd95_mm": float("nan")}},
    "crossings": {
        "accuracy": 0.8,
        "f1": [0.9, 0.8, 0.7, 0.6],
        "confusion": [[10, 0, 0, 0], [1, 9, 0, 0], [0, 2, 8, 0], [0, 0, 3, 7]],
    },
    "orientation": {"dominant_mean": 6.5, "voxels": 1234, "undefined": None},
}


def cells(node: Any) -> list[list[str]]:
    return [
        [node.GetCellText(row, index) for index in range(node.GetNumberOfColumns())]
        for row in range(node.GetNumberOfRows())
    ]


def test_an_evaluation_becomes_tables(scene: Any) -> None:
    tables = {}
    for node in add_metric_tables(scene, "ours", EVALUATION):
        tables.setdefault(node.GetName(), []).append(node)
    assert set(tables) == {
        "ours",
        "ours segmentation",
        "ours crossings",
        "ours crossings confusion",
        "ours orientation",
    }
    (segmentation,) = tables["ours segmentation"]
    assert [segmentation.GetColumnName(i) for i in range(3)] == ["name", "dice", "hd95 [mm]"]
    assert [row[0] for row in cells(segmentation)] == ["CSF", "WM"]
    assert column(segmentation, "dice") == [0.5, 0.75]
    (confusion,) = tables["ours crossings confusion"]
    assert column(confusion, "found two") == [0, 0, 8, 3]
    (crossings,) = tables["ours crossings"]
    assert ["f1, two", "0.7"] in cells(crossings)
    (orientation,) = tables["ours orientation"]
    assert cells(orientation) == [["dominant mean", "6.5"], ["voxels", "1234"], ["undefined", "undefined"]]


def test_a_report_of_a_prediction_becomes_tables(scene: Any) -> None:
    report = {
        "shells_used": [700, 1200, 2000, 3000],  # as many as there are numbers of fibres
        "tasks": ["crossings", "segmentation"],
        "brain_ml": 1364.3,
        "outside": [],
        "segmentation_ml": {"CSF": 211.7, "WM": 377.8},
        "labels": {"segmentation": [{"value": 1, "name": "CSF", "colour": [0, 1, 2]}]},
    }
    first, second = add_metric_tables(scene, "ours", report)
    assert cells(first) == [
        ["shells used", "700, 1200, 2000, 3000"],
        ["tasks", "crossings, segmentation"],
        ["brain [ml]", "1364"],
        ["outside", ""],
    ]
    assert second.GetName() == "ours segmentation [ml]"
    assert column(second, "value") == [211.7, 377.8]


def test_a_report_without_numbers_makes_no_table(scene: Any) -> None:
    assert add_metric_tables(scene, "none", {"labels": {}}) == []
