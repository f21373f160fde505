"""From a scan on disk to a folder of results."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_json, write_nifti
from ..networks.device import choose_device
from ..networks.model import HeadSpec
from ..progress import Progress, silent
from ..qspace.harmonics import rotation_matrix
from ..qspace.prepare import PreparedScan, prepare_scan
from ..scans.frames import grid_to_world_rotation
from ..scans.scan import Scan
from ..tasks import maps
from ..tasks.orientation import FODF_ORDER
from ..tasks.segmentation import tissue_head
from .familiarity import decoded_error, sample_voxels, unfamiliar
from .loaded_model import LoadedModel
from .predictor import Predictor
from .preview import legend_of, render_preview
from .uncertainty import direction_spread, direction_subsets, normalised_entropy

PREVIEW = "preview.png"


@dataclass(frozen=True)
class Prediction:
    """Results in the voxel order of the scan's file; directions in the world frame.

    Attributes:
        head: what was asked.
        answer: (X, Y, Z) labels or counts, or (X, Y, Z, 3, 3) peaks.
        probabilities: (X, Y, Z, C) class probabilities, or fODF coefficients.
        uncertainty: (X, Y, Z) normalised entropy, or mean angle in degrees; None where not computed.
    """

    head: HeadSpec
    answer: np.ndarray
    probabilities: np.ndarray
    uncertainty: np.ndarray | None


def predict(
    scan: Scan,
    models: list[LoadedModel],
    out: Path,
    *,
    device: str = "auto",
    ensemble: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Answer every task of every model for one scan and write the results.

    Where the scan is unlike those that a model has seen, a warning is logged and told in the report.

    Args:
        scan: a scan with its mask.
        models: from :func:`.loaded_model.load_models`; where two answer the same task, the later one counts.
        out: folder for the results.
        device: ``auto``, ``cpu``, ``cuda``...
        ensemble: number of random subsets of 80 % of the directions whose spread gives the
            uncertainty of directions, and which are averaged into the probabilities; 0 for none.
        progress: told how far it is.

    Returns:
        The content of ``report.json``.

    Raises:
        UserError: if the scan cannot be used, or the folder cannot be written.
    """
    begun = time.monotonic()
    where = choose_device(device)
    prepared = prepare_scan(scan)
    predictions: dict[str, Prediction] = {}
    errors: list[float | None] = []
    for number, loaded in enumerate(models):
        part = _scaled(progress, number / len(models), 1 / len(models))
        answers, error = run_model(loaded.predictor(where), prepared, ensemble, part)
        predictions |= answers
        errors.append(error)
    outside = _warn_of_the_unfamiliar(scan, prepared, models, errors)
    seconds = time.monotonic() - begun
    progress("writing", 1.0)
    title = ["models: " + ", ".join(loaded.name for loaded in models)]
    _write(out, scan, predictions, title)
    report = _report(scan, prepared, predictions) | {"outside": outside}
    report["models"] = {str(m.path): _describe(m, error) for m, error in zip(models, errors, strict=True)}
    report |= {"device": str(where), "seconds": round(seconds, 2), "ensemble": ensemble}
    write_json(out / maps.REPORT, report)
    return report


def _write(out: Path, scan: Scan, predictions: dict[str, Prediction], title: list[str]) -> None:
    """Maps and picture at the same time: compression releases Python's lock."""
    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(_save, out, prediction, scan.affine) for prediction in predictions.values()]
        writing.append(pool.submit(save_preview, out / PREVIEW, scan, predictions, title))
    for job in writing:
        job.result()


def _warn_of_the_unfamiliar(
    scan: Scan, prepared: PreparedScan, models: list[LoadedModel], errors: list[float | None]
) -> list[str]:
    lines = [
        f"{loaded.name}: {line}"
        for loaded, error in zip(models, errors, strict=True)
        for line in unfamiliar(prepared, loaded.card.limits, error)
    ]
    for line in lines:
        logging.warning("%s: outside what the model has seen: %s", scan.path or "scan", line)
    return lines


def _describe(loaded: LoadedModel, error: float | None) -> dict[str, Any]:
    known: dict[str, Any] = {"recipe": loaded.card.recipe}
    return known if error is None else known | {"reconstruction_error": round(error, 3)}


def run_model(
    predictor: Predictor, scan: PreparedScan, ensemble: int = 0, progress: Progress = silent
) -> tuple[dict[str, Prediction], float | None]:
    """Answers of one model, turned back to the voxel order of the file and the world frame.

    Returns:
        The answers by task, and the error of the reconstruction where the model has a head for it, see
        ``familiarity.reconstruction_error``.
    """
    share = 1 / (1 + ensemble)
    voxels = None if predictor.model.reconstruction is None else sample_voxels(scan.mask)
    averages, decoded = predictor.run(scan, None, _scaled(progress, 0, share), voxels)
    error = None if voxels is None else decoded_error(predictor.model, scan, voxels, decoded)
    for average in averages.values():
        average /= 1 + ensemble  # noqa: PLW2901 (in place: of a large scan it is half a gigabyte)
    members: list[np.ndarray] = []
    for number, volumes in enumerate(direction_subsets(scan.table, ensemble), start=1):
        part = predictor.probabilities(scan, volumes, _scaled(progress, number * share, share))
        for task, probabilities in part.items():
            averages[task] += probabilities / (1 + ensemble)
        if "orientation" in part:
            members.append(predictor.tasks["orientation"].answer(part["orientation"], scan.mask))
    answers = predictor.answers(averages, scan.mask)
    turned = {}
    for task in answers:
        average = averages.pop(task)  # of a large scan it is half a gigabyte
        turned[task] = _in_file_order(predictor.tasks[task].head, scan, answers[task], average, members)
    return turned, error


def _in_file_order(
    head: HeadSpec, scan: PreparedScan, answer: np.ndarray, average: np.ndarray, members: list[np.ndarray]
) -> Prediction:
    undo = scan.orientation.undo
    if head.task == "orientation":
        spread = undo(direction_spread(answer, members)) if members else None
        to_world = grid_to_world_rotation(scan.affine)
        turn = rotation_matrix(to_world, FODF_ORDER).astype(np.float32)
        for sheet, inside in zip(np.moveaxis(average, 1, 0), scan.mask, strict=True):
            sheet[:, inside] = turn @ sheet[:, inside]
        coefficients = undo(np.moveaxis(average, 0, -1))
        return Prediction(head, undo(answer @ to_world.T.astype(np.float32)), coefficients, spread)
    inside = np.moveaxis(average, 0, -1) * scan.mask[..., None]
    uncertainty = normalised_entropy(average) * scan.mask
    return Prediction(head, undo(answer), undo(inside), undo(uncertainty))


def _save(out: Path, prediction: Prediction, affine: np.ndarray) -> None:
    answer, probabilities, uncertainty = prediction.answer, prediction.probabilities, prediction.uncertainty
    if prediction.head.task == "orientation":
        maps.save_peaks(out / maps.PEAKS, answer, affine)
        maps.save_fod(out / maps.FOD, probabilities, affine)
        name = maps.ORIENTATION_UNCERTAINTY
    elif prediction.head.task == "crossings":
        maps.save_crossings(out / maps.CROSSINGS, answer, affine)
        maps.save_probabilities(out / maps.CROSSINGS_PROBABILITIES, probabilities, affine)
        name = maps.CROSSINGS_UNCERTAINTY
    else:
        maps.save_segmentation(out / maps.SEGMENTATION, answer, affine)
        maps.save_probabilities(out / maps.SEGMENTATION_PROBABILITIES, probabilities, affine)
        name = maps.SEGMENTATION_UNCERTAINTY
    if uncertainty is not None:
        write_nifti(out / name, uncertainty.astype(np.float32), affine)


def save_preview(path: Path, scan: Scan, predictions: dict[str, Prediction], title: list[str]) -> None:
    """Write the picture of a scan and its results."""
    answers = {task: prediction.answer for task, prediction in predictions.items()}
    head = predictions["segmentation"].head if "segmentation" in predictions else tissue_head()
    render_preview(
        path,
        scan.mean_b0(),
        scan.affine,
        np.asarray(scan.mask),
        segmentation=answers.get("segmentation"),
        crossings=answers.get("crossings"),
        peaks=answers.get("orientation"),
        title=[f"{scan.path.name if scan.path else 'scan'}: {scan.gradients.describe()}", *title],
        labels=legend_of(head.labels, head.colours, head.values),
    )


def _report(scan: Scan, prepared: PreparedScan, predictions: dict[str, Prediction]) -> dict[str, Any]:
    voxel = abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000
    report: dict[str, Any] = {
        "scan": scan.path,
        "gradient_table": scan.gradients.describe(),
        "shells_used": [round(fit.bvalue) for fit in prepared.projection().fits],
        "brain_ml": round(float(prepared.mask.sum()) * voxel, 1),
        "tasks": sorted(predictions),
    }
    for task, prediction in predictions.items():
        if task != "orientation":
            head = prediction.head
            report.setdefault("labels", {})[task] = [
                {"value": value, "name": name, "colour": colour}
                for value, name, colour in zip(head.values, head.labels, head.colours, strict=True)
            ]
            volumes = zip(head.labels, head.values, strict=True)
            report[f"{task}_ml"] = {n: round(float((prediction.answer == v).sum()) * voxel, 1) for n, v in volumes if v}
        if prediction.uncertainty is not None:
            inside = prediction.uncertainty[np.asarray(scan.mask)]
            report[f"{task}_mean_uncertainty"] = round(float(inside.mean()), 4)
    if torch.cuda.is_available():
        report["gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return report


def _scaled(progress: Progress, start: float, share: float) -> Progress:
    return lambda step, fraction: progress(step, start + share * fraction)
