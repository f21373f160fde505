"""Compare a folder of predicted maps with a folder of reference maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from ..errors import UserError
from ..tasks import maps
from .crossings import crossing_metrics
from .orientation import angular_correlation, orientation_metrics
from .segmentation import segmentation_metrics

WHITE_MATTER = 3


def evaluate_folder(
    prediction_dir: Path,
    reference_dir: Path,
    mask: Path | None = None,
    white_matter: Path | None = None,
) -> dict[str, Any]:
    """Metrics of every kind of map that both folders hold.

    Args:
        prediction_dir: folder with ``segmentation.nii.gz``, ``crossings.nii.gz``, ``peaks.nii.gz`` and so on.
        reference_dir: folder with the same names.
        mask: image that is not zero where to compare; by default everywhere.
        white_matter: image that is not zero where to compare crossings and orientation; by default the white matter
            of the reference's segmentation if that holds tissues, else all of the mask.

    Returns:
        For each of ``segmentation``, ``crossings`` and ``orientation`` its metrics; ``fibres compared in`` says where.

    Raises:
        UserError: if the folders have no map in common, or two maps differ in shape or affine.
    """
    prediction_dir, reference_dir = Path(prediction_dir), Path(reference_dir)
    known = (maps.SEGMENTATION, maps.CROSSINGS, maps.PEAKS, maps.FOD)
    common = [name for name in known if (prediction_dir / name).is_file() and (reference_dir / name).is_file()]
    if not common:
        raise UserError(
            f"{prediction_dir}: expected a map that {reference_dir} has too, found none of {', '.join(known)} in both; "
            "predict or label the same task"
        )
    pairs = {name: _load_pair(prediction_dir / name, reference_dir / name) for name in common}
    (prediction, reference, affine), *_ = pairs.values()
    shape = reference.shape[:3]
    inside = _load_mask(mask, shape, affine) if mask is not None else np.ones(shape, dtype=bool)
    where, place = _where_fibres(reference_dir, inside, affine, white_matter)

    report: dict[str, Any] = {"prediction": prediction_dir, "reference": reference_dir, "fibres compared in": place}
    if maps.SEGMENTATION in pairs:
        prediction, reference, affine = pairs[maps.SEGMENTATION]
        voxel_size = np.linalg.norm(affine[:3, :3], axis=0)
        names = _label_names(prediction, reference)
        report["segmentation"] = segmentation_metrics(prediction, reference, inside, voxel_size, names)
    if maps.CROSSINGS in pairs:
        prediction, reference, _ = pairs[maps.CROSSINGS]
        probabilities = prediction_dir / maps.CROSSINGS_PROBABILITIES
        loaded = maps.load_probabilities(probabilities)[0] if probabilities.is_file() else None
        report["crossings"] = crossing_metrics(prediction, reference, where, loaded)
    if maps.PEAKS in pairs:
        prediction, reference, _ = pairs[maps.PEAKS]
        report["orientation"] = orientation_metrics(prediction, reference, where)
    if maps.FOD in pairs:
        prediction, reference, _ = pairs[maps.FOD]
        correlation = angular_correlation(prediction[where], reference[where])
        mean = float(np.nanmean(correlation)) if np.isfinite(correlation).any() else float("nan")
        report.setdefault("orientation", {})["angular_correlation"] = mean
    return report


def _load_pair(prediction_path: Path, reference_path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    load = {maps.PEAKS: maps.load_peaks, maps.FOD: maps.load_fod}.get(prediction_path.name, maps.load_labels)
    (prediction, affine), (reference, reference_affine) = load(prediction_path), load(reference_path)
    _check_grid(prediction_path, prediction.shape, affine, reference.shape[:3], reference_affine)
    return prediction, reference, reference_affine


def _where_fibres(
    reference_dir: Path, mask: np.ndarray, affine: np.ndarray, white_matter: Path | None
) -> tuple[np.ndarray, str]:
    if white_matter is not None:
        return _load_mask(white_matter, mask.shape, affine) & mask, str(white_matter)
    segmentation = reference_dir / maps.SEGMENTATION
    if segmentation.is_file():
        labels, found_affine = maps.load_labels(segmentation)
        _check_grid(segmentation, labels.shape, found_affine, mask.shape, affine)
        if labels.max(initial=0) < len(maps.TISSUES):  # else they are labels of the user's, where 3 may be anything
            return (labels == WHITE_MATTER) & mask, "white matter of the reference"
    return mask, "all of the mask"


def _load_mask(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    values, found_affine = maps.load_labels(path)
    _check_grid(path, values.shape, found_affine, shape, affine)
    return values > 0


def _check_grid(
    path: Path, found: tuple[int, ...], found_affine: np.ndarray, shape: tuple[int, ...], affine: np.ndarray
) -> None:
    if found[:3] != shape:
        raise UserError(f"{path}: expected the shape {shape}, found {found[:3]}; compare maps of the same scan")
    if not np.allclose(found_affine, affine, atol=1e-3):
        raise UserError(f"{path}: its affine is not that of the reference; compare maps of the same scan")


def _label_names(prediction: np.ndarray, reference: np.ndarray) -> dict[int, str]:
    """Names of the tissues, or of the labels of the user's that occur, by value without the background."""
    values = np.union1d(prediction, reference).tolist()
    if values[-1] < len(maps.TISSUES):
        return dict(enumerate(maps.TISSUES[1:], start=1))
    return {value: f"label {value}" for value in values if value}


def render_table(report: Mapping[str, Any]) -> RenderableType:
    """Tables for a terminal of what ``evaluate_folder`` returns."""
    tables: list[RenderableType] = []
    if "segmentation" in report:
        table = Table("tissue", "Dice", "volume error [%]", "HD95 [mm]", title="Segmentation")
        for name, values in report["segmentation"].items():
            cells = (f"{values['dice']:.3f}", f"{values['volume_error_percent']:+.1f}", f"{values['hd95_mm']:.1f}")
            table.add_row(name, *cells)
        tables.append(table)
    if "crossings" in report:
        tables += _crossing_tables(report["crossings"])
    if "orientation" in report:
        tables.append(_plain_table("Orientation", report["orientation"]))
    return Group(*tables)


def _crossing_tables(metrics: Mapping[str, Any]) -> list[Table]:
    confusion = Table("reference", *(f"found {name}" for name in maps.CROSSING_LABELS), "F1", title="Fibre crossings")
    for name, row, f1 in zip(maps.CROSSING_LABELS, metrics["confusion"], metrics["f1"], strict=True):
        confusion.add_row(name, *map(str, row), f"{f1:.3f}")
    single = {name: value for name, value in metrics.items() if not isinstance(value, list)}
    return [confusion, _plain_table("Fibre crossings, in all", single)]


def _plain_table(title: str, metrics: Mapping[str, Any]) -> Table:
    table = Table("metric", "value", title=title)
    for name, value in metrics.items():
        table.add_row(name.replace("_", " "), str(value) if isinstance(value, int) else f"{value:.3f}")
    return table
