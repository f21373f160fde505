"""From a scan to its result, with real clicks and a real process."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from Testing.Host import pointer
from Testing.Host.heartbeat import Heartbeat


@pytest.fixture
def ready(host: Any, module: Any, panel: Any, small_scan: Any) -> Any:
    """The panel, with a scan of Slicer chosen."""
    node = small_scan()
    module.session.parameterNode.scan = node
    host.settle(0.3)
    predict = panel("PredictPanel")
    yield predict
    watched = predict._job
    if watched is not None:
        from DMRIPretrainLib.jobs.worker import live_workers

        for worker in live_workers(watched):
            os.kill(worker.pid, signal.SIGKILL)


def wait_for(host: Any, module: Any, *states: str) -> None:
    host.wait_until(lambda: module.session.facts.job in states, 120, f"state {states}")


def test_one_click_leads_to_maps_and_glyphs_and_slicer_stays_alive(host: Any, module: Any, ready: Any) -> None:
    import slicer

    with Heartbeat() as beat:
        pointer.click(ready.ui.predictButton)
        wait_for(host, module, "running")
        assert not ready.ui.predictButton.isEnabled()
        assert ready.ui.progressBar.isVisible()
        host.wait_until(lambda: ready._status.latest.get("progress"), 120, "progress")
        wait_for(host, module, "finished")
    assert beat.longest_work < 0.1
    assert "Done" in ready.ui.statusLabel.text()
    result = module.session.results.find(module.session.parameterNode.result)
    assert result.segmentation is not None
    assert result.crossings is not None
    composite = slicer.util.getNode("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetLabelVolumeID() == result.crossings.GetID()
    display = module.session.results.display(result)
    assert not display.problem
    assert ready.ui.predictButton.isEnabled()
    assert not ready.ui.progressBar.isVisible()


def test_a_cancelled_prediction_leaves_nothing_in_the_scene(host: Any, module: Any, ready: Any) -> None:
    pointer.click(ready.ui.predictButton)
    wait_for(host, module, "queued", "running")
    pointer.click(ready.ui.cancelButton)
    wait_for(host, module, "stopped", "failed")
    assert "cancelled" in ready.ui.statusLabel.text()
    assert module.session.results.names() == []
    assert ready.ui.predictButton.isEnabled()


def test_a_scene_that_is_closed_while_the_result_comes_holds_nothing_of_it(host: Any, module: Any, ready: Any) -> None:
    import slicer

    pointer.click(ready.ui.predictButton)
    host.wait_until(lambda: ready._showing is not None, 120, "the result")
    host.wait_until(lambda: slicer.util.getNodes("*prediction*"), 30, "its first node")
    assert module.session.results.names() == []
    slicer.mrmlScene.Clear(0)
    host.settle(0.3)
    assert slicer.util.getNodes("*prediction*") == {}
    assert module.session.facts.job == "finished"
    # It is not lost: the scan is opened again, and the result beside it.
    pointer.click(ready.ui.showButton)
    host.wait_until(lambda: not module.session.facts.atWork, 60, "the result")
    assert module.session.results.names() == [module.session.parameterNode.result]


def test_a_scan_that_is_removed_while_its_result_comes_takes_it_along(host: Any, module: Any, ready: Any) -> None:
    import slicer

    pointer.click(ready.ui.predictButton)
    host.wait_until(lambda: slicer.util.getNodes("*prediction*"), 120, "the first node of the result")
    slicer.mrmlScene.RemoveNode(module.session.parameterNode.scan)
    host.wait_until(lambda: not module.session.facts.atWork, 30, "the end")
    assert slicer.util.getNodes("*prediction*") == {}
    assert "removed" in ready.ui.statusLabel.text()


def test_a_killed_process_is_noticed_and_said(host: Any, module: Any, ready: Any) -> None:
    from DMRIPretrainPanels.processes import endTree

    pointer.click(ready.ui.predictButton)
    wait_for(host, module, "queued", "running")
    host.wait_until(lambda: ready._status.workers, 30, "a worker")
    for worker in ready._status.workers:
        endTree(worker)
    wait_for(host, module, "failed")
    text = ready.ui.statusLabel.text()
    assert "killed" in text
    assert ready.ui.logButton.isVisible()
    pointer.click(ready.ui.logButton)
    assert "log.txt" in host.dialogs.texts("info")[0]


def test_a_job_that_goes_on_is_found_again(host: Any, module: Any, ready: Any) -> None:
    import slicer

    pointer.click(ready.ui.predictButton)
    wait_for(host, module, "running")
    first = ready._job.path
    slicer.mrmlScene.Clear(0)  # closing the scene does not harm it
    host.module_manager.reload("DMRIPretrain")
    again = host.open("DMRIPretrain")
    panel = next(each for each in again.panels if type(each).__name__ == "PredictPanel")
    assert panel._job.path == first
    assert again.session.facts.atWork
    host.wait_until(lambda: again.session.facts.job == "finished", 120, "the end")
    # The scan was not in the scene any more: it is there again, with its result.
    assert again.session.parameterNode.scan is not None
    assert again.session.results.names() == [again.session.parameterNode.result]


def test_a_model_file_that_is_none_is_refused_in_words(host: Any, module: Any, ready: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    module.session.parameterNode.modelFile = str(wrong)
    assert "wrong.safetensors" in ready.ui.tasksLabel.text()
    assert not ready.ui.predictButton.isEnabled()
    pointer.choose(ready.ui.modelBox, "tiny")
    assert module.session.parameterNode.modelFile == ""
    assert ready.ui.predictButton.isEnabled()
    assert "fibre directions" in ready.ui.tasksLabel.text()


def test_without_a_scan_the_button_says_what_to_do(module: Any, panel: Any) -> None:
    predict = panel("PredictPanel")
    assert not predict.ui.predictButton.isEnabled()
    assert predict.ui.predictButton.toolTip() == "Choose a scan first."
