"""The files of a scan in the scene: those it was opened from, or some written for the processes that need them.

Always NIfTI with b-values and b-vectors: a corrected table can be laid beside that without touching the scan itself.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer.util
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import write_nifti
from DMRIPretrainLib.scans.checks import check_gradients, raise_errors
from DMRIPretrainLib.scans.fsl import find_side_file, read_fsl_gradients, write_fsl_gradients
from DMRIPretrainLib.scene.geometry import affine_of, rigid_transform_to_world
from DMRIPretrainLib.scene.scan_nodes import MINIMUM_VOLUMES, load_scan_steps, node_to_scan

#: Attributes of a scan node: its files, and what the node and the file were like then.
_FILES = ("DMRIPretrain.Scan", "DMRIPretrain.Bval", "DMRIPretrain.Bvec")
_STAMP = "DMRIPretrain.Stamp"
NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class ScanFiles:
    """A scan as the library reads it.

    Attributes:
        image: NIfTI.
        bval: its b-values.
        bvec: its b-vectors.
    """

    image: Path
    bval: Path
    bvec: Path


def openScan(scene, path, ask):
    """Load a scan from a file, and remember where it came from: steps that return its node.

    Args:
        scene: where to.
        path: NIfTI or NRRD.
        ask: returns the path of a file that is not beside the scan, ``bval`` or ``bvec``; empty for none.

    Raises:
        UserError: if it cannot be read, or a file is missing.
    """
    if not path.name.endswith(NIFTI):
        return (yield from load_scan_steps(scene, path))
    bval, bvec = (_sideFile(path, kind, ask) for kind in ("bval", "bvec"))
    return (yield from openFiles(scene, path, bval, bvec))


def openFiles(scene, image, bval, bvec):
    """Load a scan from NIfTI and its files of gradients, and remember them: steps that return its node.

    Raises:
        UserError: if it cannot be read.
    """
    node = yield from load_scan_steps(scene, image, bval=bval, bvec=bvec)
    _remember(node, ScanFiles(image, bval, bvec))
    return node


def _sideFile(path, kind, ask):
    try:
        return find_side_file(path, kind)
    except UserError:
        chosen = ask(kind)
        if not chosen:
            what = {"bval": "b-values", "bvec": "b-vectors"}[kind]
            text = f"{path}: expected a file of its {what}, found none; open the scan again and choose it"
            raise UserError(text) from None
        return Path(chosen)


def problemOf(node):
    """Why a node cannot be predicted, in one sentence; empty where it can."""
    try:
        scan = node_to_scan(node)
        volumes = scan.signal.shape[3]
        if volumes >= MINIMUM_VOLUMES:
            raise_errors(check_gradients(scan.gradients), scan.path)
            return ""
    except UserError as error:
        return str(error)
    return f"{node.GetName()} has {volumes} volumes; at least {MINIMUM_VOLUMES} are needed: a b0 and six directions."


def filesOf(node):
    """The files that hold what the node holds, None where there are none or one of the two has changed since."""
    paths = [node.GetAttribute(name) for name in _FILES]
    if not all(paths):
        return None
    files = ScanFiles(*map(Path, paths))
    try:
        return files if node.GetAttribute(_STAMP) == _stamp(node, files) else None
    except OSError:
        return None


def writer(node, folder):
    """What writes the files of a node, unless there are some; it may run in a thread.

    Args:
        node: a scan that can be predicted.
        folder: where to, below a folder of its own.

    Returns:
        A function without arguments that returns ``ScanFiles``.

    Raises:
        UserError: if the node cannot be predicted.
    """
    files = filesOf(node)
    if files is not None:
        return lambda: files
    scan = node_to_scan(node)  # its signal keeps the memory alive, even if the node goes
    own = folder / f"{_plain(node.GetName())}-{_digest(scan)}"
    files = ScanFiles(own / "dwi.nii", own / "dwi.bval", own / "dwi.bvec")

    def write():
        signal = scan.signal.astype(np.float32) if scan.signal.dtype.itemsize == 8 else scan.signal
        write_nifti(files.image, signal, scan.affine)
        write_fsl_gradients(files.bval, files.bvec, scan.gradients, scan.affine)
        return files

    return write


def repair(node, files, corrected):
    """Give a node the corrected directions.

    Args:
        node: the scan.
        files: that were checked.
        corrected: the b-vectors as they should be.

    Raises:
        UserError: if the file cannot be read.
    """
    fromFile = filesOf(node) == files
    rotation = rigid_transform_to_world(node)
    affine = affine_of(node) if fromFile else rotation @ affine_of(node)
    directions = read_fsl_gradients(files.bval, corrected, affine).directions
    if not fromFile:
        directions = directions @ rotation[:3, :3]
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = np.divide(directions, lengths, out=np.zeros_like(directions), where=lengths > 0.5)
    node.SetMeasurementFrameMatrix(vtk.vtkMatrix4x4())
    node.SetDiffusionGradients(numpy_to_vtk(np.ascontiguousarray(unit), deep=True, array_type=vtk.VTK_DOUBLE))
    if fromFile:
        _remember(node, ScanFiles(files.image, files.bval, corrected))


def scanOf(scene, image):
    """The scan in a scene that was opened from a file, or None."""
    nodes = slicer.util.getNodesByClass("vtkMRMLDiffusionWeightedVolumeNode", scene)
    return next((node for node in nodes if node.GetAttribute(_FILES[0]) == str(image)), None)


def _remember(node, files):
    for name, path in zip(_FILES, (files.image, files.bval, files.bvec), strict=True):
        node.SetAttribute(name, str(path))
    node.SetAttribute(_STAMP, _stamp(node, files))


def _stamp(node, files):
    status = files.image.stat()
    table = hashlib.sha256(np.round(affine_of(node), 4).tobytes())
    for index in range(node.GetNumberOfGradients()):
        table.update(np.round([node.GetBValue(index), *node.GetDiffusionGradient(index)], 4).tobytes())
    return f"{status.st_size} {status.st_mtime_ns} {table.hexdigest()[:16]}"


def _digest(scan):
    parts = (scan.affine, scan.gradients.bvals, scan.gradients.directions)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:8]


def _plain(name):
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60] or "scan"
