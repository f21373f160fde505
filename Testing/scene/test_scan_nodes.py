"""Scans go into nodes and back with the gradients they had in the world, whichever way round the image is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.nrrd_file import read_nrrd_scan, write_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.scene.geometry import set_affine
from DMRIPretrainLib.scene.scan_nodes import add_mean_b0, load_scan_node, node_to_scan, scan_to_node

SHAPE = (4, 5, 6)
VOLUMES = 9


def rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    """By Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def affines() -> list[np.ndarray]:
    """48 axis orientations, and as many oblique ones."""
    tilt = rotation(np.array([1.0, 2.0, -0.5]), 23)
    found = []
    for turn in (np.eye(3), tilt):
        for symmetry in cube_symmetries():
            affine = np.eye(4)
            affine[:3, :3] = turn @ symmetry @ np.diag([2.0, 2.5, 3.0])
            affine[:3, 3] = (-11, 7, 30)
            found.append(affine)
    return found


def make_scan(affine: np.ndarray) -> Scan:
    """A scan whose directions in the world are the same whatever the affine."""
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(VOLUMES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[0] = 0
    bvals = np.array([0, *[1000] * 4, *[2000] * (VOLUMES - 5)], dtype=float)
    signal = rng.integers(0, 1000, (*SHAPE, VOLUMES)).astype(np.int16)
    return Scan(signal, affine, GradientTable(bvals, directions))


def gradients_in_ras(node: Any) -> np.ndarray:
    """As a consumer of the node computes them: the measurement frame times each gradient."""
    frame = vtk.vtkMatrix4x4()
    node.GetMeasurementFrameMatrix(frame)
    rows = [frame.MultiplyPoint((*node.GetDiffusionGradient(i), 0))[:3] for i in range(node.GetNumberOfGradients())]
    return np.array(rows)


def voxels_in_ras(node: Any, positions: np.ndarray) -> np.ndarray:
    """(P, N) values at (P, 3) positions in RAS mm, looked up through VTK."""
    to_ijk = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(to_ijk)
    image = node.GetImageData()
    found = []
    for position in positions:
        i, j, k = (round(value) for value in to_ijk.MultiplyPoint((*position, 1))[:3])
        found.append([image.GetScalarComponentAsDouble(i, j, k, n) for n in range(VOLUMES)])
    return np.array(found)


VOXELS = np.array([[0, 0, 0], [3, 1, 2], [1, 4, 5]])


def assert_same_scan(found: Scan, expected: Scan) -> None:
    assert np.allclose(found.affine, expected.affine, atol=1e-5)
    assert np.array_equal(found.signal, expected.signal)
    assert np.allclose(found.gradients.bvals, expected.gradients.bvals, atol=1e-3)
    assert np.allclose(found.gradients.directions, expected.gradients.directions, atol=1e-6)


@pytest.mark.parametrize("affine", affines())
def test_nifti_to_node(scene: Any, save_dwi: Callable[..., Path], affine: np.ndarray) -> None:
    truth = make_scan(affine)
    node = load_scan_node(scene, save_dwi(truth))
    assert np.allclose(gradients_in_ras(node), truth.gradients.directions, atol=1e-6)
    assert np.allclose([node.GetBValue(i) for i in range(VOLUMES)], truth.gradients.bvals)
    positions = VOXELS @ affine[:3, :3].T + affine[:3, 3]
    assert np.array_equal(voxels_in_ras(node, positions), truth.signal[tuple(VOXELS.T)])


@pytest.mark.parametrize("affine", affines())
def test_node_to_scan(scene: Any, affine: np.ndarray) -> None:
    """The node is made by hand with gradients in another frame, not by ``scan_to_node``."""
    truth = make_scan(affine)
    frame = rotation(np.array([0.3, -1.0, 0.8]), 71)
    node = scene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "by hand")
    node.SetNumberOfGradients(VOLUMES)
    for index, direction in enumerate(truth.gradients.directions):
        node.SetDiffusionGradient(index, frame.T @ direction)
        node.SetBValue(index, truth.gradients.bvals[index])
    node.SetMeasurementFrameMatrix(slicer.util.vtkMatrixFromArray(np.pad(frame, (0, 1))))
    set_affine(node, affine)
    slicer.util.updateVolumeFromArray(node, truth.signal.transpose(2, 1, 0, 3))
    assert_same_scan(node_to_scan(node), truth)


@pytest.mark.parametrize("affine", affines()[::5])
def test_slicer_writes_what_our_reader_reads(scene: Any, tmp_path: Path, affine: np.ndarray) -> None:
    truth = make_scan(affine)
    storage = slicer.vtkMRMLNRRDStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "dwi.nrrd"))
    assert storage.WriteData(scan_to_node(scene, truth, "dwi"))
    assert_same_scan(read_nrrd_scan(tmp_path / "dwi.nrrd"), truth)


@pytest.mark.parametrize("affine", affines()[::5])
def test_slicer_reads_what_our_writer_writes(scene: Any, tmp_path: Path, affine: np.ndarray) -> None:
    truth = make_scan(affine)
    write_nrrd_scan(tmp_path / "dwi.nrrd", truth)
    storage = slicer.vtkMRMLNRRDStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "dwi.nrrd"))
    node = scene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode")
    assert storage.ReadData(node)
    assert_same_scan(node_to_scan(node), truth)


def under_transform(scene: Any, node: Any, matrix: np.ndarray) -> Any:
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_rigid_parent_transforms_move_the_grid_and_turn_the_gradients(scene: Any) -> None:
    truth = make_scan(affines()[60])
    node = scan_to_node(scene, truth, "dwi")
    move = np.eye(4)
    move[:3, :3] = rotation(np.array([0.0, 0.0, 1.0]), 90)
    move[:3, 3] = (5, -6, 7)
    outer = under_transform(scene, under_transform(scene, node, move), np.diag([1.0, 1.0, 1.0, 1.0]))
    found = node_to_scan(node)
    x, y, z = truth.gradients.directions.T
    assert np.allclose(found.gradients.directions, np.stack([-y, x, z], axis=1), atol=1e-6)
    assert np.allclose(found.affine[:3, 3], (-truth.affine[1, 3] + 5, truth.affine[0, 3] - 6, truth.affine[2, 3] + 7))
    # How the fibres lie in the brain does not change: gradients along the voxel axes stay as they are.
    assert np.allclose(found.grid_gradients().directions, truth.grid_gradients().directions, atol=1e-6)
    assert outer.GetName() == "moved"


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1.0, 1.2, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0])])
def test_transforms_that_scale_or_mirror_are_refused(scene: Any, matrix: np.ndarray) -> None:
    node = scan_to_node(scene, make_scan(np.eye(4)), "dwi")
    under_transform(scene, node, matrix)
    with pytest.raises(UserError, match=r"^dwi: expected no parent transform or a rigid one, found moved"):
        node_to_scan(node)


def test_transforms_that_bend_are_refused(scene: Any) -> None:
    node = scan_to_node(scene, make_scan(np.eye(4)), "dwi")
    transform = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    node.SetAndObserveTransformNodeID(transform.GetID())
    grid = vtk.vtkImageData()
    grid.SetDimensions(4, 4, 4)
    grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
    grid.GetPointData().GetScalars().Fill(1)
    bend = vtk.vtkGridTransform()
    bend.SetDisplacementGridData(grid)
    transform.SetAndObserveTransformToParent(bend)
    with pytest.raises(UserError, match="found bent"):
        node_to_scan(node)


def test_scans_whose_gradients_slicer_would_lose_are_refused(scene: Any) -> None:
    scan = make_scan(np.eye(4))
    with pytest.raises(UserError, match="expected 7 volumes or more, found 6"):
        scan_to_node(scene, scan.subset(np.arange(6)), "small")
    assert scene.GetNumberOfNodesByClass("vtkMRMLDiffusionWeightedVolumeNode") == 0


def test_the_smallest_scan_is_saved_with_its_gradients(scene: Any, tmp_path: Path) -> None:
    truth = make_scan(np.eye(4)).subset(np.arange(7))
    storage = slicer.vtkMRMLNRRDStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "dwi.nrrd"))
    storage.WriteData(scan_to_node(scene, truth, "dwi"))
    assert_same_scan(read_nrrd_scan(tmp_path / "dwi.nrrd"), truth)


def test_directions_that_are_nearly_unit_vectors_are_taken(scene: Any) -> None:
    truth = make_scan(np.eye(4))
    rough = GradientTable(truth.gradients.bvals, truth.gradients.directions.round(4))
    node = scan_to_node(scene, Scan(truth.signal, truth.affine, rough), "rough")
    assert np.allclose(gradients_in_ras(node), truth.gradients.directions, atol=1e-4)


def test_a_node_whose_table_does_not_fit_is_refused(scene: Any) -> None:
    node = scan_to_node(scene, make_scan(np.eye(4)), "dwi")
    node.SetNumberOfGradients(VOLUMES + 1)
    with pytest.raises(UserError, match="expected a gradient for each of 9 volumes, found 10"):
        node_to_scan(node)


def test_an_empty_node_is_refused(scene: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "nothing")
    with pytest.raises(UserError, match="nothing: expected a diffusion scan, found no volume"):
        node_to_scan(node)


def test_a_scan_that_is_wrong_leaves_no_node(scene: Any, save_dwi: Callable[..., Path]) -> None:
    path = save_dwi(make_scan(np.eye(4)))
    path.with_name("dwi.bval").write_text("0 1000 1000\n")
    before = scene.GetNumberOfNodes()
    with pytest.raises(UserError, match=r"expected 3 b-vectors"):
        load_scan_node(scene, path)
    assert scene.GetNumberOfNodes() == before


def test_the_mean_b0_lies_beside_the_scan(scene: Any, make_dwi: Callable[..., Scan]) -> None:
    scan = make_dwi((6, 7, 8), b0s=3, snr=10.0, affine=affines()[70])
    node = scan_to_node(scene, scan, "dwi")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    under_transform(scene, node, np.eye(4))
    mean = add_mean_b0(node)
    assert mean.GetName() == "dwi mean b0"
    assert np.allclose(slicer.util.arrayFromVolume(mean).transpose(2, 1, 0), scan.mean_b0(), rtol=1e-5)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(ijk_to_ras(mean)), scan.affine, atol=1e-5)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(mean)) == study
    assert mean.GetParentTransformNode() is node.GetParentTransformNode()


def ijk_to_ras(node: Any) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def test_a_real_scan_shows_the_brain(application: Any, shared_scan_path: Callable[[str], Path]) -> None:
    node = load_scan_node(application.scene, shared_scan_path("toshiba"))
    assert node.GetName() == "toshiba_60dir_b1500 dwi"
    view = application.slice_view("Red", (120, 120))
    view.show(add_mean_b0(node))
    image = view.image()[..., 0]
    assert 30 < image[40:80, 40:80].mean() < 200
    assert image[:10, :10].max() < 20
