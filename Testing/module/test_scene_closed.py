"""The scene is closed, or the module left, in the middle of everything: no panel minds, and nothing is half made."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.networks.catalogue import shipped_model
from DMRIPretrainLib.training.settings import FinetuneSettings
from Testing.Host import pointer
from Testing.module.seen import contents, require_advice, said
from Testing.module.training import quick


@pytest.fixture
def with_case(train: Any, in_scene: Callable[..., tuple[Any, Any]]) -> Any:
    """The training panel with two cases of the scene, the second without labels unless they are given."""

    def add(*, labelled: bool) -> Any:
        for number in range(2):
            node, segmentation = in_scene(number)
            pointer.choose(train.ui.caseScanSelector, node.GetName())
            if labelled:
                pointer.choose(train.ui.caseLabelsSelector, segmentation.GetName())
            pointer.click(train.ui.addCaseButton)
        quick(train, steps=400, interval=2)
        return train

    return add


def close(host: Any) -> None:
    host.scene.Clear(0)
    assert contents() == []


def test_while_labels_are_made(host: Any, with_case: Any) -> None:
    train = with_case(labelled=False)
    pointer.click(train.ui.labelButton)
    assert train.facts.preparing
    close(host)
    host.wait_until(lambda: train.facts.labelling, 30, "the job")
    host.wait_until(lambda: not train.facts.busy, 60, "its end")
    assert read_status(train.labels.job).state == "finished", "the scans were written before"
    assert train.cases.rows == []
    assert "Add annotated scans first" in said(train.ui.trainHintLabel)
    assert contents() == []


def test_while_cases_are_checked(host: Any, with_case: Any) -> None:
    train = with_case(labelled=True)
    pointer.click(train.ui.checkButton)
    assert train.facts.preparing
    close(host)
    host.wait_until(lambda: not train.facts.busy, 30, "the end of the preparation")
    host.settle(0.3)
    assert not train.facts.busy, "nobody waits for an answer about cases that are gone"
    assert not train.ui.findingsLabel.isVisible()


def test_while_a_check_answers(host: Any, with_case: Any) -> None:
    train = with_case(labelled=True)
    pointer.click(train.ui.checkButton)
    host.wait_until(lambda: train.facts.checking, 30, "the check")
    begun = time.monotonic()
    close(host)
    assert time.monotonic() - begun < 2
    assert not train.facts.busy
    assert not train.ui.findingsLabel.isVisible()


def test_while_a_training_begins_and_works(host: Any, with_case: Any, in_scene: Any) -> None:
    train = with_case(labelled=True)
    pointer.click(train.ui.trainButton)
    assert train.facts.preparing
    close(host)
    host.wait_until(lambda: train.jobs.watch.state == "running", 60, "the start")
    host.wait_until(lambda: train.jobs.watch.curves.by_name.get("score"), 60, "a score")
    pointer.click(train.ui.curvesBox)
    host.wait_until(lambda: train.jobs.curves.kinds, 30, "curves")
    close(host)
    assert not train.ui.curvesBox.isChecked()
    pointer.click(train.ui.stopButton)
    host.wait_until(lambda: train.jobs.watch.state == "stopped", 60, "the stop")
    node, _ = in_scene(0)
    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.click(train.ui.addCaseButton)
    assert len(train.cases.rows) == 1


def test_while_a_prediction_begins_and_the_module_left_before_it_ends(
    host: Any, module: Any, panel: Any, small_scan: Any
) -> None:
    module.session.parameterNode.scan = small_scan()
    predict = panel("PredictPanel")
    pointer.click(predict.ui.predictButton)
    assert module.session.facts.job == "preparing"
    close(host)
    host.wait_until(lambda: predict._job is not None, 30, "the job")
    host.window.leave_module()
    host.wait_until(lambda: not module.session.facts.atWork, 90, "the end")
    assert contents() == [], "nobody has asked for it"
    host.open("DMRIPretrain")
    pointer.click(predict.ui.showButton)
    host.wait_until(lambda: module.session.facts.result, 30, "the result")
    # Its scan was written before; it comes back with the result.
    assert module.session.results.names() == [module.session.parameterNode.result]
    assert predict.ui.predictButton.isEnabled()


@pytest.fixture
def comparing(host: Any, module: Any, train: Any, panel: Any, small_scan: Any, tmp_path: Path) -> Any:
    """The panel that compares, at work on a training whose result is its start."""
    job = JobFolder(tmp_path / "jobs" / "done")
    job.create(FinetuneSettings("cases.csv", ("segmentation",), start="tiny", device="cpu").to_json())
    job.result.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model("tiny"), job.result / "model.safetensors")
    job.append("state", state="finished")
    module.session.parameterNode.scan = small_scan()
    pointer.click(train.ui.refreshButton)
    host.wait_until(lambda: train.jobs.list.lines, 10, "the job in the list")
    train.ui.jobsTable.selectRow(0)
    host.settle(0.1)
    pointer.click(train.ui.compareButton)
    compare = panel("ComparePanel")
    assert compare.comparing
    return compare


def test_while_two_models_are_compared(host: Any, train: Any, comparing: Any, small_scan: Any, module: Any) -> None:
    host.wait_until(lambda: comparing._watch.state == "running", 60, "the first prediction")
    first = comparing._watch.job
    close(host)
    assert not comparing.comparing
    host.wait_until(lambda: read_status(first).is_over, 60, "its end")
    host.settle(0.5)
    assert contents() == []
    assert "Predicting" not in said(comparing.ui.compareLabel)
    module.session.parameterNode.scan = small_scan()
    pointer.require_reachable(train.ui.compareButton)


@pytest.mark.slow
def test_a_comparison_goes_on_when_the_module_is_left(host: Any, comparing: Any) -> None:
    host.window.leave_module()
    host.wait_until(lambda: not comparing.comparing, 90, "the end")
    host.open("DMRIPretrain")
    assert said(comparing.ui.compareLabel) == ""
    assert [comparing.ui.beforeBox.currentText(), comparing.ui.afterBox.currentText()] == ["before done", "after done"]
    pointer.require_reachable(comparing.ui.sideBySideButton)


def test_a_scan_that_is_removed_ends_its_comparison(host: Any, comparing: Any, module: Any) -> None:
    import slicer

    host.wait_until(lambda: comparing._watch.job is not None, 30, "the first prediction")
    slicer.mrmlScene.RemoveNode(module.session.parameterNode.scan)
    host.wait_until(lambda: not comparing.comparing, 60, "the end")
    require_advice(said(comparing.ui.compareLabel), "no longer in the scene", "compare again")
    assert contents() == []
