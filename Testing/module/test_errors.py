"""What users do wrong and what breaks under them, with real clicks: a line that says what to do, and nothing else."""

import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.failures import failure_of
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.training.dataset_check import DataError
from Testing.Host import pointer
from Testing.module.training import quick
from Testing.module.words import require_advice, said

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


def contents() -> list[str]:
    """Names of what a user sees in the scene."""
    import slicer

    kinds = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLModelNode", "vtkMRMLTableNode")
    nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    return sorted(node.GetName() for node in nodes if not node.GetHideFromEditors())


# --- scans ---


def text_file(path: Path) -> None:
    path.write_text("no image")


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def without_volumes(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4)), path)


def too_few_bvalues(path: Path) -> None:
    bval = path.with_name("sub-01_dwi.bval")
    bval.write_text(" ".join(bval.read_text().split()[:-2]))


def no_bvectors(path: Path) -> None:
    path.with_name("sub-01_dwi.bvec").unlink()


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (text_file, "convert the file again"),
        (truncated, "convert it again"),
        (without_volumes, "give the DWI"),
        (too_few_bvalues, "give the two files that belong together"),
        (no_bvectors, "open the scan again and choose it"),
    ],
)
def test_a_file_that_is_no_scan_is_refused(
    host: Any, module: Any, panel: Any, study: Path, tmp_path: Path, spoil: Callable[[Path], None], advice: str
) -> None:
    shutil.copytree(study / "sub-01" / "dwi", tmp_path / "dwi")
    path = tmp_path / "dwi" / "sub-01_dwi.nii.gz"
    spoil(path)
    host.dialogs.answer("open file", str(path))
    host.dialogs.answer("open file", "")  # no b-vectors chosen either
    pointer.click(panel("ScanPanel").ui.openButton)
    (text,) = host.dialogs.texts("error")
    assert "sub-01_dwi" in text
    assert advice in text
    assert "Traceback" not in text
    assert "\n" not in text
    assert contents() == []
    assert panel("ScanPanel").ui.openButton.isEnabled()
    assert not panel("PredictPanel").ui.predictButton.isEnabled()


def test_a_node_without_gradients_is_told_when_it_is_chosen(
    host: Any, module: Any, panel: Any, small_scan: Any, train: Any
) -> None:
    import slicer

    good = small_scan()
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "zeros")
    empty.SetNumberOfGradients(13)
    slicer.util.updateVolumeFromArray(empty, np.ones((4, 4, 4, 13), dtype=np.float32))
    plain = slicer.util.addVolumeFromArray(np.ones((4, 4, 4), np.float32))
    plain.SetName("anatomy")
    scan = panel("ScanPanel")
    pointer.choose(scan.ui.scanSelector, "zeros")
    text = said(scan.ui.findingsLabel)
    assert "zeros: expected" in text
    assert "give a scan with more" in text
    assert not panel("PredictPanel").ui.predictButton.isEnabled()
    with pytest.raises(pointer.NotClickableError):
        pointer.choose(scan.ui.scanSelector, "anatomy")
    with pytest.raises(pointer.NotClickableError):
        pointer.choose(train.ui.caseScanSelector, "anatomy")
    pointer.choose(scan.ui.scanSelector, good.GetName())
    assert panel("PredictPanel").ui.predictButton.isEnabled()


# --- models ---


def other_header(version: int | None, architecture: Any = None) -> bytes:
    described = {"format_version": version, "architecture": architecture}
    own = {} if version is None else {"dmri_pretrain": json.dumps(described)}
    table = json.dumps({"__metadata__": {"format": "pt", **own}}).encode()
    return len(table).to_bytes(8, "little") + table


MODELS = {
    "random": (np.random.default_rng(0).bytes(4000), "damaged file"),
    "short": (b"\x02\0", "damaged file"),
    "pickle": (pickle.dumps({"weights": list(range(500))}), "damaged file"),
    "stranger": (other_header(None), "found a safetensors file of something else"),
    "newer": (other_header(99, {}), "update DMRIPretrain"),
    "odd": (other_header(2, {"heads": "none"}), "get the file again"),
    "nested": ((100_000).to_bytes(8, "little") + b"[" * 100_000, "damaged file"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_from_elsewhere_is_refused_in_both_panels(
    host: Any, module: Any, panel: Any, train: Any, small_scan: Any, tmp_path: Path, kind: str
) -> None:
    content, advice = MODELS[kind]
    path = tmp_path / f"{kind}.safetensors"
    path.write_bytes(content)
    module.session.parameterNode.scan = small_scan()
    predict = panel("PredictPanel")
    host.dialogs.answer("open file", str(path))
    pointer.choose(predict.ui.modelBox, "Choose a file...")
    require_advice(said(predict.ui.tasksLabel), f"{kind}.safetensors", advice)
    assert not predict.ui.predictButton.isEnabled()
    pointer.choose(predict.ui.modelBox, "tiny")
    assert predict.ui.predictButton.isEnabled()

    pointer.choose(train.ui.modeBox, "Pretrain on scans without labels")
    pointer.choose(train.ui.startBox, "Model file")
    assert "Choose a model file" in said(train.ui.trainHintLabel)
    train.ui.startPath.currentPath = str(path)
    require_advice(said(train.ui.trainHintLabel), f"{kind}.safetensors", advice)
    assert not train.ui.trainButton.isEnabled()
    pointer.choose(train.ui.startBox, "Nothing (from scratch)")
    assert train.ui.trainButton.isEnabled()


def test_a_scene_may_name_a_model_that_no_longer_ships(host: Any, module: Any, panel: Any, small_scan: Any) -> None:
    module.session.parameterNode.scan = small_scan()
    module.session.parameterNode.model = "of-yesterday"
    predict = panel("PredictPanel")
    require_advice(said(predict.ui.tasksLabel), "of-yesterday", "choose another one")
    assert not predict.ui.predictButton.isEnabled()
    pointer.choose(predict.ui.modelBox, "tiny")
    assert predict.ui.predictButton.isEnabled()


# --- prediction ---


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


# --- training ---


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
