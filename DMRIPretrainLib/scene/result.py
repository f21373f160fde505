"""A folder of results as nodes beside the scan, all at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from ..errors import UserError
from ..tasks import maps
from .geometry import affine_of, grid_shape, same_grid, world_affine
from .glyph_node import CROSSING_PROBABILITIES, CROSSINGS, LABEL_PROBABILITIES, LABELS, add_glyph_node
from .labels import Label, crossing_labels, labels_of
from .result_maps import add_angle_map, add_crossing_map, add_entropy_map, add_label_map, add_probability_map
from .scan_nodes import add_mean_b0
from .segmentation import add_segmentation
from .shown_result import ShownResult, keep, unique_name
from .slice_layers import show_in_slices
from .subject_hierarchy import add_folder, move_to_folder
from .vector_volumes import add_vector_volume

#: A colour table has an entry for every value up to the highest.
_HIGHEST_LABEL = 100_000


def show_result(
    folder: Path,
    scan: slicer.vtkMRMLVolumeNode,
    *,
    name: str | None = None,
    background: slicer.vtkMRMLScalarVolumeNode | None = None,
    labels: Sequence[Label] | None = None,
) -> ShownResult:
    """Add what ``predict`` or ``label`` has written to the scene of a scan, and show it in the slice views.

    Everything is read before the first node is made, so that a broken folder leaves the scene as it was.

    Args:
        folder: with any of the maps of ``tasks.maps``, and ``report.json``.
        scan: a node on the grid of the results.
        name: of the result; by default that of the folder. It is numbered where there is such a result already.
        background: the anatomy; by default the mean b0 of the scan is made.
        labels: of the segmentation; by default those that the report names, else the tissues where the values fit.

    Raises:
        UserError: if there is no map, one cannot be read or lies on another grid than the scan.
    """
    folder = Path(folder)
    files = _read(folder, scan)
    report = _read_report(folder)
    if background is None:
        is_scan = scan.IsA("vtkMRMLDiffusionWeightedVolumeNode")
        background = add_mean_b0(scan) if is_scan else scan
    name = unique_name(scan.GetScene(), name or folder.name)
    shown = ShownResult(name, scan, background, add_folder(scan, name), report)
    _add_segmentation(shown, files, labels)
    _add_crossings(shown, files)
    _add_orientation(shown, files)
    if shown.segmentation is not None and shown.crossings is not None:
        # Two areas of colour over each other say nothing: the tissues are outlined.
        shown.segmentation.GetDisplayNode().SetVisibility2DFill(False)
    show_in_slices(scan.GetScene(), background, over=shown.crossings)
    return shown


@dataclass(frozen=True)
class _Files:
    """What a folder holds, by file name, and where it belongs."""

    maps: dict[str, np.ndarray]
    affine: np.ndarray
    transform: str | None


def _read(folder: Path, scan: slicer.vtkMRMLVolumeNode) -> _Files:
    readers = {
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
    present = {name: read for name, read in readers.items() if (folder / name).is_file()}
    if not present:
        raise UserError(f"{folder}: expected results such as {maps.SEGMENTATION}, found none; choose another folder")
    arrays: dict[str, np.ndarray] = {}
    transforms: dict[str | None, np.ndarray] = {}
    for name, read in present.items():
        try:
            arrays[name], affine = read(folder / name)
        except ImportError as error:
            raise UserError(
                f"{folder / name}: expected the packages that read it, {error.name} is missing; install the "
                "requirements first"
            ) from error
        if read is maps.load_labels and arrays[name].max(initial=0) > _HIGHEST_LABEL:
            raise UserError(
                f"{folder / name}: expected label values up to {_HIGHEST_LABEL}, found {arrays[name].max()}; "
                "number the labels anew"
            )
        transforms[_transform_of(folder / name, affine, arrays[name].shape, scan)] = affine
    if len(transforms) > 1:
        raise UserError(f"{folder}: expected maps on one grid, found several; predict the scan again")
    (transform, affine), *_ = transforms.items()
    return _Files(arrays, affine, transform)


def _transform_of(path: Path, affine: np.ndarray, shape: tuple[int, ...], scan: slicer.vtkMRMLVolumeNode) -> str | None:
    """Identifier of the transform that a map belongs under.

    Results of the scan's file move with the scan; those of the scan as it lies in the world are there already.
    """
    size = grid_shape(scan)
    if same_grid(affine, shape, affine_of(scan), size):
        return scan.GetTransformNodeID()
    if scan.GetParentTransformNode() is not None and same_grid(affine, shape, world_affine(scan), size):
        return None
    raise UserError(
        f"{path}: expected the grid of {scan.GetName()}, {size} voxels, found another with {tuple(shape[:3])}; choose "
        "the scan that the results are of"
    )


def _read_report(folder: Path) -> dict[str, Any]:
    """What is said beside the maps; names and colours have defaults, so that nothing is lost without it."""
    try:
        report = json.loads((folder / maps.REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _place(shown: ShownResult, files: _Files, node: slicer.vtkMRMLTransformableNode, part: str, key: str = "") -> None:
    move_to_folder(node, shown.folder)
    node.SetAndObserveTransformNodeID(files.transform)
    keep(shown, node, part, key)


def _add_segmentation(shown: ShownResult, files: _Files, labels: Sequence[Label] | None) -> None:
    values = files.maps.get(maps.SEGMENTATION)
    if values is None:
        return
    scene = shown.scan.GetScene()
    labels = labels or labels_of(np.unique(values).tolist(), shown.report)
    shown.segmentation = add_segmentation(scene, f"{shown.name} segmentation", values, files.affine, labels, shown.scan)
    shown.labels = add_label_map(scene, f"{shown.name} labels", values, files.affine, labels, "Segmentation")
    _place(shown, files, shown.segmentation, "segmentation")
    _place(shown, files, shown.labels, "labels")
    _add_sureness(shown, files, "segmentation", labels)


def _add_crossings(shown: ShownResult, files: _Files) -> None:
    values = files.maps.get(maps.CROSSINGS)
    if values is None:
        return
    shown.crossings = add_crossing_map(shown.scan.GetScene(), f"{shown.name} crossings", values, files.affine)
    _place(shown, files, shown.crossings, "crossings")
    _add_sureness(shown, files, "crossings", crossing_labels())


def _add_sureness(shown: ShownResult, files: _Files, task: str, labels: Sequence[Label]) -> None:
    """Probabilities and uncertainty of a task whose answers are labels."""
    scene = shown.scan.GetScene()
    probabilities = files.maps.get(f"{task}_probabilities.nii.gz")
    if probabilities is not None:
        for index, label in enumerate(labels[: probabilities.shape[3]]):
            if label.value:
                of = f"{label.name} fibre populations" if task == "crossings" else label.name
                node = add_probability_map(
                    scene, f"{shown.name} probability of {of}", probabilities[..., index], files.affine
                )
                _place(shown, files, node, "probabilities", label.name)
    entropy = files.maps.get(f"{task}_uncertainty.nii.gz")
    if entropy is not None:
        node = add_entropy_map(scene, f"{shown.name} uncertainty of {task}", entropy, files.affine)
        _place(shown, files, node, "uncertainty", task)


def _add_orientation(shown: ShownResult, files: _Files) -> None:
    scene = shown.scan.GetScene()
    spread = files.maps.get(maps.ORIENTATION_UNCERTAINTY)
    if spread is not None:
        name = f"{shown.name} uncertainty of direction"
        node = add_angle_map(scene, name, spread, files.affine, "Uncertainty")
        _place(shown, files, node, "uncertainty", "orientation")
    shown.peaks = _add_vectors(shown, files, maps.PEAKS, "peaks", "peaks")
    shown.fodf = _add_vectors(shown, files, maps.FOD, "fODF", "fodf")
    if shown.peaks is None and shown.fodf is None:
        return
    inspected = {
        LABELS: shown.labels,
        LABEL_PROBABILITIES: _add_vectors(shown, files, maps.SEGMENTATION_PROBABILITIES, "probabilities of labels"),
        CROSSINGS: shown.crossings,
        CROSSING_PROBABILITIES: _add_vectors(
            shown, files, maps.CROSSINGS_PROBABILITIES, "probabilities of fibre populations"
        ),
    }
    shown.glyphs = add_glyph_node(
        scene,
        peaks=shown.peaks,
        fodf=shown.fodf,
        mask=shown.crossings,
        uncertainty=shown.uncertainty.get("orientation"),
        inspected={role: node for role, node in inspected.items() if node is not None},
        name=f"{shown.name} glyphs",
    )
    keep(shown, shown.glyphs, "glyphs")


def _add_vectors(
    shown: ShownResult, files: _Files, file: str, what: str, part: str = ""
) -> slicer.vtkMRMLVectorVolumeNode | None:
    if file not in files.maps:
        return None
    node = add_vector_volume(shown.scan.GetScene(), files.maps[file], files.affine, f"{shown.name} {what}")
    _place(shown, files, node, part)
    return node
