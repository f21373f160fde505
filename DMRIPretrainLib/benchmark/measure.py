"""How good a model is on test scans whose truth is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.crossings import crossing_metrics
from ..evaluation.orientation import orientation_metrics
from ..evaluation.report import WHITE_MATTER
from ..evaluation.segmentation import dice_scores
from ..inference.loaded_model import LoadedModel
from ..inference.predict import Prediction, run_model
from ..qspace.prepare import PreparedScan, prepare_scan
from ..scans.bids import find_dwi
from ..scans.load import load_scan
from ..tasks import maps

#: Metrics by scan that are compared, and whether more is better.
METRICS = {
    "dice_mean": True,
    "dice_csf": True,
    "dice_gm": True,
    "dice_wm": True,
    "count_macro_f1": True,
    "crossing_f1": True,
    "angle_mean": False,
    "angle_median": False,
}
_DICE = {1: "dice_csf", 2: "dice_gm", 3: "dice_wm"}


@dataclass(frozen=True)
class KnownScan:
    """A scan and its truth, in the voxel order of its file; directions in the world frame.

    Attributes:
        name: of the scan.
        scan: ready for a model.
        segmentation: (X, Y, Z) tissues.
        crossings: (X, Y, Z) numbers of fibre populations.
        peaks: (X, Y, Z, 3, 3) unit vectors times amplitude.
    """

    name: str
    scan: PreparedScan
    segmentation: np.ndarray
    crossings: np.ndarray
    peaks: np.ndarray


def load_test_scans(site: Path) -> list[KnownScan]:
    """The scans that :func:`.domains.simulate_site` wrote, with their truth.

    Raises:
        UserError: if a file cannot be read.
    """
    scans = []
    for found in find_dwi(site):
        truth = site / "derivatives" / "truth" / found.name
        scans.append(
            KnownScan(
                found.name,
                prepare_scan(load_scan(found.path)),
                maps.load_labels(truth / maps.SEGMENTATION)[0],
                maps.load_labels(truth / maps.CROSSINGS)[0],
                maps.load_peaks(truth / maps.PEAKS)[0],
            )
        )
    return scans


def measure(model: LoadedModel, scans: list[KnownScan], device: str = "cpu") -> dict[str, dict[str, Any]]:
    """Metrics of a model by scan, see :func:`scan_metrics`."""
    predictor = model.predictor(device)
    return {test.name: scan_metrics(run_model(predictor, test.scan)[0], test) for test in scans}


def scan_metrics(predictions: dict[str, Prediction], test: KnownScan) -> dict[str, Any]:
    """Agreement of predictions with the truth of a scan.

    Args:
        predictions: answers to all three tasks.
        test: the truth.

    Returns:
        ``dice_csf``, ``dice_gm``, ``dice_wm`` and their mean; in true white matter ``count_macro_f1`` (the mean F1 of
        one, two and three fibres: there is hardly a voxel without), ``crossing_f1``, the ``confusion`` (4, 4) of
        counts [truth, answer], and ``angle_mean`` and ``angle_median`` of the main direction in degrees, where one was
        found, and the share ``angle_missing`` where none was. What is undefined is NaN.
    """
    segmentation, counts, peaks = (predictions[task].answer for task in ("segmentation", "crossings", "orientation"))
    dice = dice_scores(segmentation, test.segmentation, _DICE)
    white = test.segmentation == WHITE_MATTER
    crossings = crossing_metrics(counts, test.crossings, white)
    orientation = orientation_metrics(peaks, test.peaks, white)
    return {
        **{name: dice[value] for value, name in _DICE.items()},
        "dice_mean": float(np.mean(list(dice.values()))),
        "count_macro_f1": float(np.nanmean(crossings["f1"][1:])),
        "crossing_f1": crossings["crossing_f1"],
        "confusion": crossings["confusion"],
        "angle_mean": orientation["dominant_mean"],
        "angle_median": orientation["dominant_median"],
        "angle_missing": orientation["dominant_missing"],
    }
