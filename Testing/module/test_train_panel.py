"""Training from the module: real clicks, a real worker in the background, small simulated scans."""

import csv
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings
from Testing.Host import pointer
from Testing.Host.heartbeat import Heartbeat
from Testing.module.training import import_study, quick


def test_nothing_can_be_pressed_before_there_are_cases(host: Any, train: Any) -> None:
    assert "Add annotated scans first" in train.ui.trainHintLabel.text()
    for name in ("train", "check", "label", "removeCase", "addCase"):
        assert not getattr(train.ui, f"{name}Button").isEnabled(), name
    assert not train.ui.followGroup.isVisible()
    assert train.ui.importFolderButton.isEnabled()


def test_every_control_has_a_tool_tip(host: Any, train: Any) -> None:
    import slicer
    from PySide6 import QtWidgets

    kinds = (QtWidgets.QAbstractButton, QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox, QtWidgets.QLineEdit)
    named = [widget for widget in train.widget.findChildren(QtWidgets.QWidget) if isinstance(widget, kinds)]
    own = [widget for widget in named if widget.objectName() in slicer.util.childWidgetVariables(train.widget).__dict__]
    assert len(own) > 20
    assert [widget.objectName() for widget in own if not widget.toolTip() and widget.objectName()[0] != "q"] == []


def test_training_on_scans_of_the_scene_stopped_resumed_and_used(
    host: Any, train: Any, module: Any, in_scene: Callable[..., tuple[Any, Any]], tmp_path: Path
) -> None:
    for number in range(2):
        node, segmentation = in_scene(number)
        pointer.choose(train.ui.caseScanSelector, node.GetName())
        pointer.choose(train.ui.caseLabelsSelector, segmentation.GetName())
        pointer.click(train.ui.addCaseButton)
    assert [case.labelled for case in train.cases.rows] == [True, True]
    quick(train, steps=400, interval=2)
    train.ui.nameEdit.setText("tissue")
    importlib.import_module("DMRIPretrainLib.scans.load")  # as after any scan was opened: it takes a moment, once

    with Heartbeat() as beat:
        pointer.click(train.ui.trainButton)
        assert not train.ui.trainButton.isEnabled()
        host.wait_until(lambda: train.jobs.watch.state == "running", 60, "the start")
        job = train.jobs.watch.job
        assert job.path == tmp_path / "jobs" / "tissue"
        host.wait_until(lambda: "score" in train.jobs.watch.curves.by_name, 60, "the first measurement")
    assert beat.longest_work < 0.1
    pointer.click(train.ui.curvesBox)
    host.wait_until(lambda: len(train.jobs.watch.curves.by_name["score"]) >= 3, 60, "a curve")
    host.settle(0.3)
    assert train.jobs.curves.kinds[0] in ("score", "loss")
    assert "Best score" in train.ui.detailLabel.text()
    assert train.ui.pictureLabel.isVisible()
    _keep_picture(host, "training")

    table = list(csv.DictReader((job.path / "cases.csv").open()))
    assert [row["subject"] for row in table] == ["brain 0", "brain 1"]
    specification = job.specification()
    assert FinetuneSettings.from_json(specification).to_json() == {**specification, "tasks": ("segmentation",)}

    pointer.click(train.ui.stopButton)
    host.wait_until(lambda: train.jobs.watch.state == "stopped", 60, "the stop")
    assert (job.result / "model.safetensors").is_file()
    steps = json.loads((job.result / "metrics.json").read_text())["best_step"]
    assert steps < 400
    pointer.click(train.ui.resumeButton)
    host.wait_until(lambda: train.jobs.watch.state == "running", 60, "the resumption")
    host.wait_until(lambda: train.jobs.watch.status.latest["progress"].get("step", 0) > steps, 60, "further steps")
    pointer.click(train.ui.stopButton)
    host.wait_until(lambda: train.jobs.watch.state == "stopped", 60, "the second stop")

    pointer.click(train.ui.useButton)
    assert module.session.parameterNode.modelFile == str(job.result / "model.safetensors")


def test_numbers_are_those_of_the_library(host: Any, train: Any) -> None:
    def shown() -> tuple[int, ...]:
        return tuple(getattr(train.ui, f"{name}Box").value() for name in ("steps", "interval", "batch", "patience"))

    standard = FinetuneSettings("", ())
    finetune = (standard.steps, standard.interval, standard.batch, standard.patience)
    assert shown() == finetune
    pointer.choose(train.ui.modeBox, "Pretrain on scans without labels")
    assert shown()[:2] == (PretrainSettings.steps, PretrainSettings.interval)
    pointer.choose(train.ui.modeBox, "Learn from annotated scans")
    assert shown() == finetune


def test_pretraining_on_a_folder_needs_no_cases(host: Any, train: Any, study: Path) -> None:
    pointer.choose(train.ui.modeBox, "Pretrain on scans without labels")
    assert not train.ui.casesGroup.isVisible()
    pointer.choose(train.ui.startBox, "Nothing (from scratch)")
    pointer.choose(train.ui.recipeBox, "autoencoder")
    train.ui.dataPath.currentPath = str(study)
    quick(train, steps=4, interval=2)
    train.ui.networkBox.setCurrentText("bvm")
    pointer.click(train.ui.trainButton)
    host.wait_until(lambda: train.jobs.watch.state == "finished", 90, "the end")
    job = train.jobs.watch.job
    assert (job.result / "model.safetensors").is_file()
    specification = job.specification()
    assert (specification["recipe"], specification["data"], specification["steps"]) == ("autoencoder", [str(study)], 4)
    assert PretrainSettings.from_json(specification).network == "bvm"
    assert not train.ui.useButton.isEnabled(), "a pretrained model predicts nothing"


def test_labels_are_made_for_scans_without_any_and_jobs_are_found_again(
    host: Any, train: Any, module: Any, panel: Callable[[str], Any], study: Path
) -> None:
    import_study(host, train, study, None)
    assert [case.subject for case in train.cases.rows] == ["01", "02"]
    assert "no labels yet" in train.ui.trainHintLabel.text()
    assert not train.ui.trainButton.isEnabled()
    pointer.click(train.ui.labelButton)
    host.wait_until(lambda: not train.facts.labelling and not train.facts.preparing, 90, "the labels")
    assert train.ui.trainHintLabel.text() == ""
    assert all((Path(case.labels) / "segmentation.nii.gz").is_file() for case in train.cases.rows)
    assert train.ui.trainButton.isEnabled()

    module.onReload()
    host.settle(0.3)
    again = panel_of(host, "TrainPanel")
    pointer.click(again.ui.section)
    host.wait_until(lambda: again.jobs.list.lines, 10, "the list of jobs")
    (line,) = again.jobs.list.lines
    assert (line.kind, line.state) == ("label", "finished")


def test_cases_with_labels_come_with_a_folder(host: Any, train: Any, study: Path) -> None:
    import_study(host, train, study, study / "derivatives" / "truth")
    assert all(case.labelled for case in train.cases.rows)
    pointer.choose(train.ui.taskBox, "All three")
    assert train.ui.trainButton.isEnabled()
    train.cases.replace([case.but(labels=case.labels + "/segmentation.nii.gz") for case in train.cases.rows])
    train.refresh()
    assert not train.ui.trainButton.isEnabled()
    assert "needs a folder of labels" in train.ui.trainHintLabel.text()


def test_dropped_files_become_cases(host: Any, train: Any, study: Path) -> None:
    scan = study / "sub-01" / "dwi" / "sub-01_dwi.nii.gz"
    assert pointer.drop_files(train.ui.casesTable, [scan, study / "dataset_description.json"])
    assert [Path(case.scan) for case in train.cases.rows] == [scan]


def test_following_a_long_job_takes_little_of_the_main_thread(
    host: Any, train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobFolder(tmp_path / "jobs" / "long")
    job.create({"kind": "finetune"})
    lines = [
        json.dumps({"time": step, "kind": "metric", "step": step, "name": name, "value": step / 2e4})
        for step in range(20_000)
        for name in ("loss", "loss segmentation", "score", "Dice CSF", "Dice GM", "Dice WM")
    ]
    with job.events_path.open("a") as file:
        file.write("\n".join([*lines, json.dumps({"time": 1e6, "kind": "state", "state": "stopped"})]) + "\n")
    pointer.click(train.ui.refreshButton)
    host.wait_until(lambda: train.jobs.list.lines, 10, "the job in the list")
    times = []
    look = type(train.jobs.watch).look

    def measured(watch: Any) -> None:
        begun = time.thread_time()
        look(watch)
        times.append(time.thread_time() - begun)

    monkeypatch.setattr(type(train.jobs.watch), "look", measured)
    train.jobs.follow(job)
    while train.jobs.watch.behind:
        train.jobs.watch.look()
    assert len(times) > 20
    assert sorted(times)[-3] < 0.05, "of all looks the two slowest may have been disturbed"
    host.settle(0.1)
    begun = time.thread_time()
    train.jobs.curves.draw(train.jobs.watch)
    assert time.thread_time() - begun < 0.1
    assert train.jobs.watch.state == "stopped"
    assert train.jobs.watch.curves.by_name["loss"][-1][0] == 19_999
    pointer.click(train.ui.curvesBox)
    host.settle(0.2)
    views = [host.layout_manager.plotWidget(number) for number in range(host.layout_manager.plotViewCount)]
    assert [view for view in views if view.mrmlPlotViewNode().GetPlotChartNode() is not None], "the curves are shown"
    host.scene.Clear(0)
    host.settle(0.1)
    assert not train.ui.curvesBox.isChecked(), "the curves went with the scene"
    assert train.jobs.watch.state == "stopped", "and the job did not"


def panel_of(host: Any, name: str) -> Any:
    import slicer

    widget = slicer.modules.dmripretrain.widgetRepresentation().self()
    return next(panel for panel in widget.panels if type(panel).__name__ == name)


@pytest.mark.timeout(120)
def test_the_start_and_the_result_are_compared_side_by_side(
    host: Any, train: Any, module: Any, in_scene: Callable[..., tuple[Any, Any]], study: Path
) -> None:
    import slicer

    from DMRIPretrainLib.scene.shown_result import shown_results

    import_study(host, train, study, study / "derivatives" / "truth")
    quick(train, steps=2, interval=2)
    pointer.click(train.ui.trainButton)
    host.wait_until(lambda: train.jobs.watch.state == "finished", 90, "the end")
    assert not train.ui.compareButton.isEnabled(), "no scan is chosen"
    node, _ = in_scene(0)
    module.session.parameterNode.scan = node
    host.settle(0.1)
    pointer.click(train.ui.compareButton)
    assert not train.ui.compareButton.isEnabled()
    compare = panel_of(host, "ComparePanel")
    host.wait_until(lambda: not compare.comparing, 90, "the predictions")
    host.settle(0.5)
    names = [result.name for result in shown_results(slicer.mrmlScene)]
    assert [name.split()[0] for name in names] == ["before", "after"]
    assert set(host.layout_manager.sliceViewNames()) >= {"Before", "After"}
    assert compare.ui.compareLabel.text() == ""
    _keep_picture(host, "compared")
    pointer.click(compare.ui.differencesButton)
    host.wait_until(lambda: not compare.comparing, 30, "the maps of differences")
    assert slicer.util.getNodes(f"{names[0]} to {names[1]}*")


def _keep_picture(host: Any, name: str) -> None:
    if folder := os.environ.get("DMRIPRETRAIN_PICTURES"):
        host.screenshot(Path(folder) / f"{name}.png")
