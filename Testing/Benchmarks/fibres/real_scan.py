"""A real scan with directions left out: how far the dominant direction turns."""

from pathlib import Path
from typing import Any

import numpy as np

from DMRIPretrainLib.benchmark.methods.csd import CSD, dipy_table, usual_order
from DMRIPretrainLib.benchmark.methods.csd import relative_signal as over_b0
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.scans.grid import to_ras_order
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.maps import read_map
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.tasks.peaks import find_peaks
from DMRIPretrainLib.tasks.reference.deconvolution import Deconvolution
from DMRIPretrainLib.tasks.reference.signals import choose_shell, relative_signal
from DMRIPretrainLib.tasks.reference.tissue import WHITE, tissue_labels

MODEL, CSD_NAME, TENSOR = "model", "CSD", "tensor"
SUBSETS = (30, 20, 12)
#: The same white matter for all methods, thinned to at most this many voxels.
_MOST_VOXELS = 5000


def run_real_scan(predictor: Predictor, path: Path, seeds: list[int]) -> dict[str, Any]:
    """Change in degrees of the dominant direction from all directions of a shell to random subsets.

    Subsets are the same for all methods, as is the response of CSD, which is that of the full table; its order is 8,
    6 or 4 as the number of directions allows. White matter is that of the library's reference labels of the full table.

    Returns:
        ``directions``, ``voxels`` and by number of directions and method the ``median`` and ``mean`` change of
        each subset, averaged, and ``missing``, the share of voxels without a direction in either, which counts
        as 90 degrees.
    """
    scan = read_full_scan(path)
    places = white_matter_places(scan, path)
    shell = choose_shell(scan)
    response = Deconvolution(relative_signal(scan, shell), usual_order(len(shell.indices))).response
    methods = {
        MODEL: lambda part: model_directions(predictor, part, places),
        CSD_NAME: lambda part: CSD(part.gradients, response).peaks(part.signal[tuple(places.T)])[:, 0],
        TENSOR: lambda part: tensor_directions(part, places),
    }
    b0 = np.flatnonzero(scan.gradients.is_b0)
    full = scan.subset(np.concatenate([b0, shell.indices]))
    whole = {name: method(full) for name, method in methods.items()}
    results: dict[str, Any] = {"directions": len(shell.indices), "voxels": len(places), "subsets": {}}
    for count in SUBSETS:
        changes: dict[str, list[np.ndarray]] = {name: [] for name in methods}
        for seed in seeds:
            chosen = np.random.default_rng((seed, count)).choice(shell.indices, count, replace=False)
            part = scan.subset(np.concatenate([b0, np.sort(chosen)]))
            for name, method in methods.items():
                changes[name].append(axis_angles(whole[name], method(part)))
        results["subsets"][count] = {name: summarise(angles) for name, angles in changes.items()}
    return results


def read_full_scan(path: Path) -> Scan:
    """The scan in RAS voxel order with its signal in memory."""
    scan, _ = to_ras_order(load_scan(path))
    return Scan(np.asarray(scan.signal, dtype=np.float32), scan.affine, scan.gradients, scan.mask, path)


def white_matter_places(scan: Scan, path: Path) -> np.ndarray:
    """(P, 3) voxels of white matter, inside ``coverage.nii.gz`` where that lies beside the scan."""
    white = tissue_labels(scan).segmentation == WHITE
    coverage = path.with_name("coverage.nii.gz")
    if coverage.is_file():
        white &= read_map(coverage, scan) > 0
    places = np.argwhere(white)
    return np.random.default_rng(0).permutation(places)[:_MOST_VOXELS]


def model_directions(predictor: Predictor, scan: Scan, places: np.ndarray) -> np.ndarray:
    """(P, 3) strongest peak of the model, grid frame."""
    output = predictor.probabilities(prepare_scan(scan))["orientation"]
    return find_peaks(output[:, *places.T].T)[:, 0]


def tensor_directions(scan: Scan, places: np.ndarray) -> np.ndarray:
    """(P, 3) first eigenvector of DIPY's tensor, weighted least squares, world frame."""
    from dipy.reconst.dti import TensorModel

    signal = over_b0(scan.gradients, scan.signal[tuple(places.T)])
    return TensorModel(dipy_table(scan.gradients), fit_method="WLS").fit(signal).evecs[..., 0]


def summarise(changes: list[np.ndarray]) -> dict[str, float]:
    """Averages over subsets of (P,) changes in degrees, NaN where there is no direction."""
    whole = [np.nan_to_num(change, nan=90.0) for change in changes]
    return {
        "median": float(np.mean([np.median(change) for change in whole])),
        "mean": float(np.mean([change.mean() for change in whole])),
        "missing": float(np.mean([np.mean(np.isnan(change)) for change in changes])),
    }
