"""Choosing, opening, checking and repairing a scan."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

from Testing.Host import pointer
from Testing.Host.heartbeat import Heartbeat


@pytest.fixture
def scan_file(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of a real scan that may be changed."""
    for name in ("dwi.nii.gz", "dwi.bval", "dwi.bvec"):
        shutil.copyfile(shared_data / "prisma_20dir_b2500" / name, tmp_path / name)
    return tmp_path / "dwi.nii.gz"


def open_file(host: Any, panel: Any, path: Path) -> Any:
    host.dialogs.answer("open file", str(path))
    pointer.click(panel("ScanPanel").ui.openButton)
    host.wait_until(lambda: panel("ScanPanel")._opening is None, 60, "opening")
    return panel("ScanPanel").scan


def checked(host: Any, module: Any) -> str:
    host.wait_until(lambda: module.session.facts.check != "running", 60, "the check")
    return module.session.facts.check


def test_a_file_is_opened_described_shown_and_checked(host: Any, module: Any, panel: Any, scan_file: Path) -> None:
    import slicer

    with Heartbeat() as beat:
        node = open_file(host, panel, scan_file)
        host.settle(0.3)
    assert beat.longest_work < 0.1
    ui = panel("ScanPanel").ui
    assert ui.tableLabel.text() == "1 b0 + 20 \u00d7 2500 s/mm\u00b2"
    assert ui.voxelsLabel.text() == "49 \u00d7 64 \u00d7 39 of 3 \u00d7 3 \u00d7 3 mm"
    composite = slicer.util.getNode("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetBackgroundVolumeID() == node.GetID()
    assert not ui.checkButton.isEnabled()
    with Heartbeat() as beat:
        assert checked(host, module) == "right"
    assert beat.longest_work < 0.1
    assert "fit the image" in ui.gradientLabel.text()
    assert "(b 2500)" in ui.noiseLabel.text()
    assert not ui.repairButton.isVisible()


def test_flipped_gradients_are_found_and_repaired(host: Any, module: Any, panel: Any, scan_file: Path) -> None:
    vectors = np.loadtxt(scan_file.with_name("dwi.bvec"))
    np.savetxt(scan_file.with_name("dwi.bvec"), vectors * [[1], [-1], [1]])
    node = open_file(host, panel, scan_file)
    wrong = vtk_to_numpy(node.GetDiffusionGradients()).copy()
    assert checked(host, module) == "wrong"
    ui = panel("ScanPanel").ui
    assert "flip y" in ui.gradientLabel.text()
    pointer.click(ui.repairButton)
    assert checked(host, module) == "right"
    repaired = vtk_to_numpy(node.GetDiffusionGradients())
    # The image is axial: the second axis of the world is that of the file.
    assert np.allclose(np.abs((repaired * (wrong * [1, -1, 1])).sum(axis=1))[1:], 1, atol=1e-4)
    # The file of the user stays as it was; what is predicted is read with the corrected table.
    assert np.allclose(np.loadtxt(scan_file.with_name("dwi.bvec")), vectors * [[1], [-1], [1]])


def test_what_cannot_be_opened_is_said_in_one_sentence(host: Any, module: Any, panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_text("no image")
    for name in ("broken.bval", "broken.bvec"):
        (tmp_path / name).write_text("0 1000\n")
    assert open_file(host, panel, broken) is None
    (text,) = host.dialogs.texts("error")
    assert "broken.nii.gz" in text
    assert "\n" not in text


def test_missing_side_files_are_asked_for(host: Any, module: Any, panel: Any, scan_file: Path, tmp_path: Path) -> None:
    away = tmp_path / "elsewhere"
    away.mkdir()
    shutil.move(tmp_path / "dwi.bvec", away / "vectors.txt")
    host.dialogs.answer("open file", str(scan_file))
    host.dialogs.answer("open file", str(away / "vectors.txt"))
    pointer.click(panel("ScanPanel").ui.openButton)
    host.wait_until(lambda: panel("ScanPanel").scan is not None, 60, "opening")
    assert checked(host, module) == "right"


def test_a_node_of_slicer_is_written_to_files_that_read_back_the_same(
    host: Any, module: Any, small_scan: Any, tmp_path: Path
) -> None:
    import slicer
    import vtk
    from DMRIPretrainPanels.scan_files import filesOf, writer

    from DMRIPretrainLib.scans.load import read_scan
    from DMRIPretrainLib.scene.scan_nodes import node_to_scan

    node = small_scan()
    turn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = vtk.vtkTransform()
    moved.Translate(5, 0, -3)
    moved.RotateX(30)
    turn.SetMatrixTransformToParent(moved.GetMatrix())
    node.SetAndObserveTransformNodeID(turn.GetID())
    assert filesOf(node) is None
    files = writer(node, tmp_path)()
    read, held = read_scan(files.image, bval=files.bval, bvec=files.bvec), node_to_scan(node)
    assert np.allclose(read.affine, held.affine, atol=1e-5)
    assert np.allclose(read.signal, held.signal)
    assert np.allclose(read.gradients.directions, held.gradients.directions, atol=1e-6)


def test_too_few_volumes_are_refused(host: Any, module: Any, panel: Any, small_scan: Any) -> None:
    import slicer

    node = small_scan(6)
    short = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "short")
    short.SetNumberOfGradients(5)
    slicer.util.updateVolumeFromArray(short, np.ones((4, 4, 4, 5), dtype=np.float32))
    module.session.parameterNode.scan = node
    assert not module.session.facts.scanProblem
    module.session.parameterNode.scan = short
    assert "5 volumes" in panel("ScanPanel").ui.findingsLabel.text()
    assert not panel("ScanPanel").ui.checkButton.isEnabled()


def test_the_only_scan_of_a_scene_is_chosen(host: Any, module: Any, small_scan: Any) -> None:
    host.window.leave_module()
    node = small_scan()
    host.open("DMRIPretrain")
    assert module.session.parameterNode.scan is node
