"""Diffusion scans as diffusion-weighted volume nodes, and back.

A node holds its gradients in the measurement frame, and a matrix that turns them into the RAS frame of the node. Here
that matrix is the identity and the gradients are in RAS, whatever the affine of the image.
"""

import logging
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import UserError
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD, GradientTable
from ..scans.scan import Scan
from .geometry import affine_of, rigid_transform_to_world, set_affine
from .steps import Steps, require_in_scene, run_at_once
from .subject_hierarchy import add_item, place_beside
from .volumes import image_of, new_volume

_log = logging.getLogger(__name__)

#: Slicer's NRRD writer drops the gradients of fewer volumes without a word. None would be a scan: a b0, six directions.
MINIMUM_VOLUMES = 7


def load_scan_node(
    scene: slicer.vtkMRMLScene, path: Path, *, bval: Path | None = None, bvec: Path | None = None
) -> slicer.vtkMRMLDiffusionWeightedVolumeNode:
    """Load a diffusion scan into the scene.

    Args:
        scene: where to.
        path: NIfTI, DWI NRRD or a folder with one scan, see ``scans.load.load_scan``.
        bval: b-values of a NIfTI scan; by default found beside it.
        bvec: b-vectors of a NIfTI scan, likewise.

    Returns:
        The new node, named as the file.

    Raises:
        UserError: if something cannot be read or is wrong, or Slicer lacks the packages that read it.
    """
    return run_at_once(load_scan_steps(scene, path, bval=bval, bvec=bvec))


def load_scan_steps(
    scene: slicer.vtkMRMLScene, path: Path, *, bval: Path | None = None, bvec: Path | None = None
) -> Steps[slicer.vtkMRMLDiffusionWeightedVolumeNode]:
    """As :func:`load_scan_node`, step by step."""
    scan, image = yield lambda: _read(path, bval, bvec)
    return _add_scan(scene, scan, image, _name_of(scan.path or Path(path)))


def _read(path: Path, bval: Path | None, bvec: Path | None) -> tuple[Scan, vtk.vtkImageData]:
    try:
        from ..scans.checks import check_scan, raise_errors
        from ..scans.load import read_scan
    except ImportError as error:
        raise UserError(
            f"{path}: expected the packages that read scans, {error.name} is missing; install the requirements first"
        ) from error
    scan = read_scan(path, bval=bval, bvec=bvec)
    findings = check_scan(scan)
    raise_errors(findings, scan.path)
    for finding in findings:
        _log.warning("%s: %s", scan.path, finding.message)
    return scan, image_of(scan.signal)


def _name_of(path: Path) -> str:
    """``sub-01_dwi`` of ``sub-01_dwi.nii.gz``; the folder's name too where the file's says nothing."""
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return f"{path.parent.name} {name}" if name in ("dwi", "data") and path.parent.name else name


def scan_to_node(scene: slicer.vtkMRMLScene, scan: Scan, name: str) -> slicer.vtkMRMLDiffusionWeightedVolumeNode:
    """Add a scan to the scene; its mask is not part of the node.

    Raises:
        UserError: if it has fewer volumes than Slicer can save with their gradients.
    """
    return _add_scan(scene, scan, image_of(scan.signal), name)


def _add_scan(
    scene: slicer.vtkMRMLScene, scan: Scan, image: vtk.vtkImageData, name: str
) -> slicer.vtkMRMLDiffusionWeightedVolumeNode:
    count = scan.signal.shape[3]
    if count < MINIMUM_VOLUMES:
        raise UserError(
            f"{name}: expected {MINIMUM_VOLUMES} volumes or more, found {count}; with fewer Slicer cannot save the "
            "gradients, load a full scan"
        )
    node = scene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", name)
    node.SetNumberOfGradients(count)
    node.SetDiffusionGradients(_to_vtk(_unit_or_zero(scan.gradients.directions)))
    node.SetBValues(_to_vtk(scan.gradients.bvals))
    node.SetMeasurementFrameMatrix(vtk.vtkMatrix4x4())
    set_affine(node, scan.affine)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    add_item(node)
    return node


def node_to_scan(node: slicer.vtkMRMLDiffusionWeightedVolumeNode, b0_threshold: float = DEFAULT_B0_THRESHOLD) -> Scan:
    """The scan that a node holds, in the world frame.

    Rigid parent transforms move the grid and turn the gradients alike. Hardening a transform in Slicer
    turns the grid alone, which nobody can see afterwards: it is no way to turn a diffusion scan.

    Args:
        node: with as many gradients as volumes.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.

    Returns:
        The scan without a mask. Its signal is the memory of the node, not a copy.

    Raises:
        UserError: if the node is empty, its table does not fit or its parent transform is not rigid.
    """
    name, image = node.GetName(), node.GetImageData()
    volumes = image.GetNumberOfScalarComponents() if image is not None else 0
    if image is None or image.GetPointData().GetScalars() is None or volumes < 2:
        raise UserError(f"{name}: expected a diffusion scan, found {volumes or 'no'} volume; choose another node")
    if node.GetNumberOfGradients() != volumes:
        raise UserError(
            f"{name}: expected a gradient for each of {volumes} volumes, found {node.GetNumberOfGradients()}; "
            "load the scan again from its file"
        )
    transform = rigid_transform_to_world(node)
    vectors = vtk_to_numpy(node.GetDiffusionGradients()) @ _measurement_frame(node).T @ transform[:3, :3].T
    bvals = vtk_to_numpy(node.GetBValues()).copy()
    signal = slicer.util.arrayFromVolume(node).transpose(2, 1, 0, 3)
    return Scan(signal, transform @ affine_of(node), GradientTable(bvals, vectors, b0_threshold), path=Path(name))


def add_mean_b0(node: slicer.vtkMRMLDiffusionWeightedVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """The mean of the b0 volumes as a volume beside the scan, under its parent transform: the background of results.

    Where there is no b0 it is the mean of all volumes.
    """
    return run_at_once(mean_b0_steps(node))


def mean_b0_steps(
    node: slicer.vtkMRMLDiffusionWeightedVolumeNode,
) -> Steps[slicer.vtkMRMLScalarVolumeNode]:
    """As :func:`add_mean_b0`, step by step."""
    signal = slicer.util.arrayFromVolume(node)  # keeps the memory alive, even if the node goes
    is_b0 = vtk_to_numpy(node.GetBValues()) <= DEFAULT_B0_THRESHOLD
    indices = np.flatnonzero(is_b0) if is_b0.any() else np.arange(signal.shape[3])
    mean, window = yield lambda: _mean(signal, indices)
    require_in_scene(node)
    name = f"{node.GetName()} {'mean b0' if is_b0.any() else 'mean'}"
    volume = new_volume(node.GetScene(), name, mean.transpose(2, 1, 0), affine_of(node))
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(*window)
    place_beside(volume, node)
    return volume


def _mean(signal: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Mean of some volumes, and from where to where its brightness goes."""
    mean = np.zeros(signal.shape[:3], dtype=np.float32)
    for index in indices:
        mean += signal[..., index]
    mean /= len(indices)
    low, high = np.percentile(mean[mean > 0], (1, 99)) if mean.any() else (0.0, 1.0)
    return mean, (float(low) / 2, float(high))


def _measurement_frame(node: slicer.vtkMRMLDiffusionWeightedVolumeNode) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    node.GetMeasurementFrameMatrix(matrix)
    frame = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    if not np.allclose(frame.T @ frame, np.eye(3), atol=0.01):
        raise UserError(
            f"{node.GetName()}: expected a measurement frame of orthogonal unit vectors, found another; load the scan "
            "again from its file"
        )
    return frame


def _unit_or_zero(directions: np.ndarray) -> np.ndarray:
    """Exactly so: the node refuses the whole table for one vector that is off by a millionth."""
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return np.divide(directions, lengths, out=np.zeros_like(directions), where=lengths > 0.5)


def _to_vtk(values: np.ndarray) -> vtk.vtkDoubleArray:
    return numpy_to_vtk(np.ascontiguousarray(values, dtype=float), deep=True, array_type=vtk.VTK_DOUBLE)
