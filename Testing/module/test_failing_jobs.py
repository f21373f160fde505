"""Jobs that break, with real clicks and real workers: a line that says what to do, and nothing half made."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.failures import failure_of
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.process import ProcessIdentity
from DMRIPretrainLib.jobs.worker import introduce
from DMRIPretrainLib.training.dataset_check import DataError
from Testing.Host import pointer
from Testing.module.seen import contents, require_advice, said
from Testing.module.training import quick

#: How PyTorch says that the memory of a graphics card is short.
OUT_OF_MEMORY = """
import torch
def exhausted(*arguments):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free.")
torch.nn.Conv3d.forward = exhausted
"""
#: The disk is full when a large file is about to be on it.
FULL_DISK = """
import errno, os
def full(descriptor, fsync=os.fsync):
    if os.fstat(descriptor).st_size > 1_000_000:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    fsync(descriptor)
os.fsync = full
"""


@pytest.fixture
def run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives code to every Python that the module starts from now on, which it runs before anything else."""
    folder = tmp_path / "first"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return lambda code: (folder / "sitecustomize.py").write_text(code) and None


@pytest.fixture
def jobs_in_a_file(tmp_path: Path) -> Callable[[], None]:
    """Makes the jobs folder one that cannot be written to, whoever tries."""
    import qt

    def break_it() -> None:
        (tmp_path / "file").touch()
        qt.QSettings().setValue("DMRIPretrain/JobsFolder", str(tmp_path / "file" / "jobs"))

    return break_it


def test_short_memory_of_the_graphics_card_is_told_and_the_log_is_a_click_away(
    host: Any, module: Any, panel: Any, small_scan: Any, run_first: Callable[[str], None]
) -> None:
    run_first(OUT_OF_MEMORY)
    module.session.parameterNode.scan = small_scan()
    predict, before = panel("PredictPanel"), contents()
    pointer.click(predict.ui.predictButton)
    host.wait_until(lambda: module.session.facts.job == "failed", 90, "the failure")
    require_advice(said(predict.ui.statusLabel), "memory of the GPU is not enough", "compute on the processor")
    pointer.click(predict.ui.logButton)
    assert "log.txt" in host.dialogs.texts("info")[0]
    assert contents() == before
    assert predict.ui.predictButton.isEnabled()


def test_jobs_without_a_place_are_told_and_nothing_begins(
    host: Any, module: Any, panel: Any, train: Any, in_scene: Any, jobs_in_a_file: Callable[[], None]
) -> None:
    node, segmentation = in_scene(0)
    jobs_in_a_file()
    module.session.parameterNode.scan = node
    predict, before = panel("PredictPanel"), contents()
    pointer.click(predict.ui.predictButton)
    host.wait_until(lambda: not module.session.facts.atWork, 30, "the refusal")
    require_advice(said(predict.ui.statusLabel), "cannot be written", "choose another folder")
    assert predict.ui.predictButton.isEnabled()
    assert not predict.ui.logButton.isVisible(), "there is no job"

    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.click(train.ui.addCaseButton)
    pointer.click(train.ui.labelButton)
    host.wait_until(lambda: not train.facts.busy, 30, "the refusal of labels")
    require_advice(said(train.ui.trainHintLabel), "cannot be written", "choose another folder")
    train.cases.replace([train.cases.rows[0].but(labelsNode=segmentation.GetID())])
    pointer.click(train.ui.trainButton)
    host.wait_until(lambda: not train.facts.busy, 30, "the refusal of the training")
    require_advice(said(train.ui.trainHintLabel), "cannot be written", "choose another folder")
    assert train.ui.trainButton.isEnabled()
    assert contents() == before


def add_cases(train: Any, in_scene: Callable[..., tuple[Any, Any]]) -> None:
    for number in range(2):
        node, segmentation = in_scene(number)
        pointer.choose(train.ui.caseScanSelector, node.GetName())
        pointer.choose(train.ui.caseLabelsSelector, segmentation.GetName())
        pointer.click(train.ui.addCaseButton)


def test_labels_of_another_grid_are_told_before_anything_begins(
    host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]]
) -> None:
    import slicer

    node, _ = in_scene(0)
    other = slicer.util.addVolumeFromArray(np.ones((4, 4, 4), np.int16), nodeClassName="vtkMRMLLabelMapVolumeNode")
    other.SetName("elsewhere")
    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.choose(train.ui.caseLabelsSelector, "elsewhere")
    pointer.click(train.ui.addCaseButton)
    for button in (train.ui.checkButton, train.ui.trainButton):
        pointer.click(button)
        text = said(train.ui.trainHintLabel)
        require_advice(text, "Elsewhere: expected the grid of brain 0", "resample the labels")
        assert not train.facts.busy
        assert button.isEnabled()


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("vtkMRMLLabelMapVolumeNode", "choose those of this scan"), ("vtkMRMLSegmentationNode", "draw some")],
)
def test_labels_without_content_are_told(
    host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]], kind: str, advice: str
) -> None:
    import slicer

    node, _ = in_scene(0)
    slicer.mrmlScene.AddNewNodeByClass(kind, "nothing")
    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.choose(train.ui.caseLabelsSelector, "nothing")
    pointer.click(train.ui.addCaseButton)
    pointer.click(train.ui.checkButton)
    host.wait_until(lambda: not train.facts.busy, 30, "the refusal")
    require_advice(said(train.ui.trainHintLabel), "Nothing: expected", advice)


def test_the_check_says_what_is_wrong_and_what_the_training_will_take(
    host: Any, train: Any, study: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "study")
    truth = tmp_path / "study" / "derivatives" / "truth"
    whole, spoilt = truth / "whole.nii.gz", truth / "sub-01_dwi" / "segmentation.nii.gz"
    shutil.copyfile(spoilt, whole)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), spoilt)
    host.dialogs.answer("folder", str(tmp_path / "study"))
    host.dialogs.answer("folder", str(truth))
    pointer.click(train.ui.importFolderButton)
    quick(train)
    pointer.click(train.ui.checkButton)
    host.wait_until(lambda: not train.facts.busy, 60, "the findings")
    text = said(train.ui.findingsLabel)
    assert "4 x 4 x 4 voxels instead of 16 x 16 x 16" in text
    assert "Training will take" not in text

    shutil.copyfile(whole, spoilt)
    pointer.click(train.ui.checkButton)
    host.wait_until(lambda: not train.facts.busy, 60, "the estimate")
    text = said(train.ui.findingsLabel)
    assert "Training will take about" in text
    assert "GB of memory (cpu)" in text
    assert "instead of" not in text
    train.ui.stepsBox.setValue(8)
    assert not train.ui.findingsLabel.isVisible(), "the estimate was for other settings"


def test_a_training_that_was_killed_goes_on(host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]]) -> None:
    add_cases(train, in_scene)
    quick(train, steps=400, interval=2)
    pointer.click(train.ui.trainButton)
    before = contents()
    host.wait_until(lambda: train.jobs.watch.status and train.jobs.watch.status.latest.get("best"), 60, "a score")
    for worker in train.jobs.watch.status.workers:
        os.kill(worker.pid, signal.SIGKILL)
    host.wait_until(lambda: train.jobs.watch.state == "lost", 30, "the loss")
    require_advice(said(train.ui.jobLabel), "Training: broken off", "Press Resume; it goes on from its last checkpoint")
    assert contents() == before
    pointer.require_reachable(train.ui.logButton)
    pointer.click(train.ui.resumeButton)
    host.wait_until(lambda: train.jobs.watch.state == "running", 60, "the resumption")
    pointer.click(train.ui.stopButton)
    host.wait_until(lambda: train.jobs.watch.state == "stopped", 60, "the stop")


def test_a_training_goes_on_when_there_is_room_on_the_disk(
    host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]], run_first: Callable[[str], None]
) -> None:
    run_first(FULL_DISK)
    add_cases(train, in_scene)
    quick(train, steps=4, interval=2)
    pointer.click(train.ui.trainButton)
    host.wait_until(lambda: train.jobs.watch.state == "failed", 60, "the failure")
    require_advice(said(train.ui.jobLabel), "The disk is full", "Make space on the disk, then press Resume")
    run_first("pass")
    pointer.click(train.ui.resumeButton)
    host.wait_until(lambda: train.jobs.watch.state == "finished", 60, "the end")


def test_a_training_that_lacks_memory_says_what_to_change(
    host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]], run_first: Callable[[str], None]
) -> None:
    run_first(OUT_OF_MEMORY)
    add_cases(train, in_scene)
    quick(train, steps=4, interval=2)
    pointer.click(train.ui.trainButton)
    host.wait_until(lambda: train.jobs.watch.state == "failed", 60, "the failure")
    require_advice(said(train.ui.jobLabel), "memory", "close other programs")
    assert train.ui.trainButton.isEnabled()
    pointer.require_reachable(train.ui.logButton)


def test_labels_that_were_killed_are_told(host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]]) -> None:
    node, _ = in_scene(0)
    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.click(train.ui.addCaseButton)
    pointer.click(train.ui.labelButton)
    host.wait_until(lambda: train.facts.labelling, 30, "the job")
    (path,) = (train.labels.job.path / "workers").glob("*.json")
    os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
    host.wait_until(lambda: not train.facts.busy, 30, "the loss")
    require_advice(said(train.ui.trainHintLabel), "ended without a word", "make the labels again")
    assert train.ui.labelButton.isEnabled()


def test_a_job_whose_folder_is_taken_away_is_told(host: Any, train: Any, tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "jobs" / "gone")
    job.create({"kind": "finetune"})
    job.append("state", state="stopped")
    pointer.click(train.ui.refreshButton)
    host.wait_until(lambda: train.jobs.list.lines, 10, "the job in the list")
    train.ui.jobsTable.selectRow(0)
    host.settle(0.1)
    assert train.jobs.watch.state == "stopped"
    shutil.rmtree(job.path)
    pointer.click(train.ui.logButton)
    require_advice(said(train.ui.detailLabel), "log.txt", "Look again")
    pointer.click(train.ui.resumeButton)
    require_advice(said(train.ui.detailLabel), "start a new job")
    pointer.click(train.ui.refreshButton)
    host.wait_until(lambda: not train.jobs.list.lines, 10, "the list without it")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (DataError("dwi.nii.gz: expected labels, found none; add some"), "Check the cases says all that is wrong"),
        (UserError("model.safetensors: expected a model, found none; get the file again"), "get the file again"),
        (ModuleNotFoundError("No module named 'monai'", name="monai"), "Install the packages (Set-up)"),
        (RuntimeError("CUDA error: no kernel image is available"), "Compute on the processor"),
        (ValueError("something odd"), "Show the log"),
    ],
)
def test_a_job_that_failed_says_what_to_press_here(
    host: Any, train: Any, tmp_path: Path, error: Exception, advice: str
) -> None:
    job = JobFolder(tmp_path / "jobs" / "failed")
    job.create({"kind": "finetune"})
    job.append("failure", **failure_of(error).to_json())
    job.append("state", state="failed")
    pointer.click(train.ui.refreshButton)
    host.wait_until(lambda: train.jobs.list.lines, 10, "the job in the list")
    train.ui.jobsTable.selectRow(0)
    host.settle(0.1)
    require_advice(said(train.ui.jobLabel), "Training: failed.", advice)
    assert "dmri-pretrain" not in train.ui.jobLabel.text(), "that is for the command line"
    assert train.ui.resumeButton.isEnabled()


def test_a_job_says_how_long_it_will_take_before_it_can_tell_by_itself(host: Any, train: Any, tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "jobs" / "begun")
    job.create({"kind": "finetune"})
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as worker:
        introduce(job, ProcessIdentity.of(worker.pid))
        job.append("state", state="running")
        job.append("estimate", seconds=240.0)
        pointer.click(train.ui.refreshButton)
        host.wait_until(lambda: train.jobs.list.lines, 10, "the job in the list")
        train.ui.jobsTable.selectRow(0)
        host.settle(0.1)
        assert said(train.ui.detailLabel) == "about 4 min in all"
        worker.kill()
