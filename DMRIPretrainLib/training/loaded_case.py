"""An annotated scan in memory, ready to cut patches from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..qspace.prepare import PreparedScan, prepare_scan
from ..scans.frames import grid_to_world_rotation
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..scans.maps import read_map
from ..scans.scan import Scan
from .cases import CaseFiles


@dataclass(frozen=True)
class LoadedCase:
    """A prepared scan with its labels.

    Attributes:
        name: for messages.
        scan: the scan in RAS voxel order.
        labels: label map of each task in RAS voxel order; directions are in the grid frame.
        region: (X, Y, Z) bool, voxels of the mask that may be used: for training, or for validation.
    """

    name: str
    scan: PreparedScan
    labels: dict[str, np.ndarray]
    region: np.ndarray


def load_case(files: CaseFiles, tasks: tuple[str, ...], b0_threshold: float = DEFAULT_B0_THRESHOLD) -> LoadedCase:
    """Read scan and labels and bring them to RAS voxel order.

    Raises:
        UserError: if a file cannot be used or a label map lies on another grid.
    """
    scan = files.load(b0_threshold)
    prepared = prepare_scan(scan)
    labels = {}
    for task in tasks:
        label = read_label(files.labels[task], task, scan)
        label = np.ascontiguousarray(prepared.orientation.apply(label))
        labels[task] = label @ grid_to_world_rotation(prepared.affine) if task == "orientation" else label
    return LoadedCase(files.name, prepared, labels, prepared.mask)


def read_label(path: Path, task: str, scan: Scan) -> np.ndarray:
    """A label map on the grid of a scan, in its voxel order.

    Returns:
        (X, Y, Z) int64 labels, or for orientation (X, Y, Z, 3, 3) float32 peaks, unit vector x amplitude in
        the world frame, strongest first.

    Raises:
        UserError: if the map cannot be read, lies on another grid, or does not hold what the task needs.
    """
    values = read_map(path, scan)
    return as_peaks(values, path) if task == "orientation" else as_labels(values, task, path)


def as_labels(values: np.ndarray, task: str, path: Path) -> np.ndarray:
    """(X, Y, Z) int64 labels of a map that holds them.

    Raises:
        UserError: if it is not 3D, or holds something else than whole numbers from 0 on; or for crossings more
            fibres than there can be.
    """
    expected = f"{path}: expected a 3D map of whole numbers from 0 on"
    if values.ndim != 3:
        found = "x".join(map(str, values.shape))
        raise UserError(f"{expected}, found the shape {found}; save it as labels")
    numbers = np.asarray(values, dtype=np.float64)
    rounded = np.rint(numbers)
    wrong = ~np.isclose(rounded, numbers, atol=1e-3) | (rounded < 0)
    if wrong.any():
        examples = ", ".join(f"{value:.4g}" for value in np.unique(numbers[wrong])[:3])
        raise UserError(f"{expected}, found {examples} among others in {wrong.sum()} voxels; save it as labels")
    if task == "crossings" and rounded.max() > 9:
        raise UserError(f"{path}: expected numbers of fibres, found a value of {rounded.max():g}; check the file")
    return rounded.astype(np.int64)


def as_peaks(values: np.ndarray, path: Path) -> np.ndarray:
    """(X, Y, Z, 3, 3) peaks, strongest first, in the frame of the map, of a map that holds them.

    Raises:
        UserError: if it has not 3, 6 or 9 volumes.
    """
    if values.ndim != 4 or values.shape[3] not in (3, 6, 9):
        found = "x".join(map(str, values.shape))
        raise UserError(f"{path}: expected peaks of 3, 6 or 9 volumes, found {found}; write one to three peaks a voxel")
    vectors = np.nan_to_num(np.asarray(values, dtype=np.float32)).reshape(*values.shape[:3], -1, 3)
    vectors = np.pad(vectors, ((0, 0),) * 3 + ((0, 3 - vectors.shape[3]), (0, 0)))
    order = np.argsort(-np.linalg.norm(vectors, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(vectors, order[..., None], axis=3)


def hold_out_slab(mask: np.ndarray, share: float = 0.25) -> np.ndarray:
    """(X, Y, Z) bool: the middle coronal slab with about this share of a mask in RAS voxel order.

    For validation where there is a single brain: the slab crosses ventricles, deep grey and white matter,
    and the network never sees its labels.
    """
    cumulated = np.cumsum(mask.sum(axis=(0, 2)))
    total = cumulated[-1]
    first, last = np.searchsorted(cumulated, [total * (0.5 - share / 2), total * (0.5 + share / 2)])
    slab = np.zeros_like(mask)
    slab[:, first : max(last, first + 1), :] = True
    return slab & mask
