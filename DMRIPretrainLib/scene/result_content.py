"""What a folder of results holds, read and made ready for the scene; nothing here touches it, so a thread may."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from ..errors import UserError
from ..tasks import maps
from .geometry import affine_of, grid_shape, same_grid, world_affine
from .labels import Label, labels_of
from .segmentation import surfaces_of
from .vector_volumes import vector_image

#: A colour table has an entry for every value up to the highest.
_HIGHEST_LABEL = 100_000
_READERS = {
    maps.SEGMENTATION: maps.load_labels,
    maps.CROSSINGS: maps.load_labels,
    maps.PEAKS: maps.load_peaks,
    maps.FOD: maps.load_fod,
    maps.SEGMENTATION_PROBABILITIES: maps.load_probabilities,
    maps.CROSSINGS_PROBABILITIES: maps.load_probabilities,
    maps.SEGMENTATION_UNCERTAINTY: maps.load_scalars,
    maps.CROSSINGS_UNCERTAINTY: maps.load_scalars,
    maps.ORIENTATION_UNCERTAINTY: maps.load_scalars,
}
#: Maps with several values a voxel.
_VECTORS = (maps.PEAKS, maps.FOD, maps.SEGMENTATION_PROBABILITIES, maps.CROSSINGS_PROBABILITIES)


@dataclass(frozen=True)
class ScanGrid:
    """Where the voxels of a scan lie.

    Attributes:
        name: of the scan.
        size: number of voxels along the axes.
        affine: (4, 4) voxel indices to the RAS mm of the node itself.
        world: (4, 4) voxel indices to world RAS mm; None without a parent transform.
    """

    name: str
    size: tuple[int, int, int]
    affine: np.ndarray
    world: np.ndarray | None

    @classmethod
    def of(cls, scan: slicer.vtkMRMLVolumeNode) -> "ScanGrid":
        """The grid of a node; in the main thread.

        Raises:
            UserError: if a parent transform is not rigid.
        """
        world = world_affine(scan) if scan.GetParentTransformNode() is not None else None
        return cls(scan.GetName(), grid_shape(scan), affine_of(scan), world)


@dataclass(frozen=True)
class ResultContent:
    """The maps of a result.

    Attributes:
        maps: arrays, by file name.
        affine: (4, 4) voxel indices to RAS mm.
        moves: whether it belongs under the parent transform of the scan, rather than in the world.
        report: content of ``report.json``; empty where there is none.
        labels: of the segmentation.
        vectors: the maps with several values a voxel as images.
        surfaces: of the segmentation, by label.
    """

    maps: dict[str, np.ndarray]
    affine: np.ndarray
    moves: bool
    report: dict[str, Any]
    labels: list[Label] = field(default_factory=list)
    vectors: dict[str, vtk.vtkImageData] = field(default_factory=dict)
    surfaces: dict[int, vtk.vtkPolyData] = field(default_factory=dict)


def read_result(folder: Path, grid: ScanGrid, labels: Sequence[Label] | None = None) -> ResultContent:
    """Read what ``predict`` or ``label`` has written.

    Args:
        folder: with any of the maps of ``tasks.maps``, and ``report.json``.
        grid: of the scan that it belongs to.
        labels: of the segmentation; by default those that the report names, else the tissues where the values fit.

    Raises:
        UserError: if there is no map, one cannot be read or lies on another grid than the scan.
    """
    present = [name for name in _READERS if (folder / name).is_file()]
    if not present:
        raise UserError(f"{folder}: expected results such as {maps.SEGMENTATION}, found none; choose another folder")
    arrays: dict[str, np.ndarray] = {}
    affines: dict[bool, np.ndarray] = {}
    for name in present:
        arrays[name], affine = _read_map(folder / name)
        affines[_moves(folder / name, affine, arrays[name].shape, grid)] = affine
    if len(affines) > 1:
        raise UserError(f"{folder}: expected maps on one grid, found several; predict the scan again")
    ((moves, affine),) = affines.items()
    report = _read_report(folder)
    vectors = {name: vector_image(arrays[name]) for name in present if name in _VECTORS}
    segmentation = arrays.get(maps.SEGMENTATION)
    if segmentation is None:
        return ResultContent(arrays, affine, moves, report, vectors=vectors)
    labels = list(labels or labels_of(np.unique(segmentation).tolist(), report))
    surfaces = surfaces_of(segmentation, affine, labels)
    return ResultContent(arrays, affine, moves, report, labels, vectors, surfaces)


def _read_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    read = _READERS[path.name]
    try:
        values, affine = read(path)
    except ImportError as error:
        raise UserError(
            f"{path}: expected the packages that read it, {error.name} is missing; install the requirements first"
        ) from error
    if read is maps.load_labels and values.max(initial=0) > _HIGHEST_LABEL:
        raise UserError(
            f"{path}: expected label values up to {_HIGHEST_LABEL}, found {values.max()}; number the labels anew"
        )
    return values, affine


def _moves(path: Path, affine: np.ndarray, shape: tuple[int, ...], grid: ScanGrid) -> bool:
    """Whether a map belongs under the parent transform of the scan.

    Results of the scan's file move with the scan; those of the scan as it lies in the world are there already.
    """
    if same_grid(affine, shape, grid.affine, grid.size):
        return True
    if grid.world is not None and same_grid(affine, shape, grid.world, grid.size):
        return False
    raise UserError(
        f"{path}: expected the grid of {grid.name}, {grid.size} voxels, found another with {tuple(shape[:3])}; choose "
        "the scan that the results are of"
    )


def _read_report(folder: Path) -> dict[str, Any]:
    """What is said beside the maps; names and colours have defaults, so that nothing is lost without it."""
    try:
        report = json.loads((folder / maps.REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
