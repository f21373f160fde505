"""A real scan with directions left out, and in two halves that have no direction in common: what changes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.orientation import axis_angles
from ..evaluation.segmentation import dice_scores
from ..inference.loaded_model import load_models
from ..inference.predictor import Predictor
from ..progress import Progress, silent
from ..qspace.prepare import prepare_scan
from ..scans.fsl import stem
from ..scans.grid import to_ras_order
from ..scans.load import load_scan
from ..scans.maps import read_map
from ..scans.scan import Scan
from ..tasks.peaks import find_peaks
from ..tasks.reference.deconvolution import Deconvolution
from ..tasks.reference.signals import choose_shell, relative_signal
from ..tasks.reference.tissue import WHITE, tissue_labels
from .cells import once, read_cell
from .methods.csd import CSD, dipy_table, usual_order
from .methods.csd import relative_signal as over_b0
from .voxels.voxel_set import Answer

MODEL, CSD_NAME, TENSOR, LABEL = "model", "CSD", "tensor", "label"
SUBSETS = (30, 20, 12)
#: The same white matter for all methods, thinned to at most this many voxels.
_MOST_VOXELS = 5000


def measure_real(work: Path, model: Path, paths: Sequence[Path], progress: Progress = silent) -> dict[str, Any]:
    """What changes in real scans, measured once and kept in a folder.

    Args:
        work: the folder.
        model: file of the model.
        paths: of the scans; those that were measured before are found again without being named.
        progress: told which is measured.

    Returns:
        By name of the scan ``subsets``, see :func:`run_real_scan`, and ``halves``, see :func:`run_halves`.

    Raises:
        UserError: if a scan cannot be used.
    """
    folder = work / "real"
    for path in paths:
        name = f"{path.parent.name}-{stem(path)}"
        progress(f"repeatability of {name}", 0.0)
        once(folder / f"{name}.json", partial(_measure, model, path))
    return {path.stem: cell for path in sorted(folder.glob("*.json")) if (cell := read_cell(path))}


def _measure(model: Path, path: Path) -> dict[str, Any]:
    (loaded,) = load_models([model])
    predictor = loaded.predictor()
    seeds = [100_000, 100_001, 100_002]
    return {"subsets": run_real_scan(predictor, path, seeds), "halves": run_halves(predictor, path, seeds)}


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
    for count in (count for count in SUBSETS if count < len(shell.indices)):
        changes: dict[str, list[np.ndarray]] = {name: [] for name in methods}
        for seed in seeds:
            chosen = np.random.default_rng((seed, count)).choice(shell.indices, count, replace=False)
            part = scan.subset(np.concatenate([b0, np.sort(chosen)]))
            for name, method in methods.items():
                changes[name].append(axis_angles(whole[name], method(part)))
        results["subsets"][count] = {name: summarise(angles) for name, angles in changes.items()}
    return results


def run_halves(predictor: Predictor, path: Path, seeds: list[int]) -> dict[str, Any]:
    """Two scans out of one: random halves of the directions of a shell, and of the b0 volumes where there are two.

    Returns:
        ``directions`` of a half, ``voxels``, and by method ``median`` and ``mean`` change of the dominant direction and
        the shares of voxels of white matter in which ``count`` and ``crossing``, one population or more, are the same
        in both; ``dice``, by method, of the tissues of both halves, mean over CSF, GM and WM.
    """
    scan = read_full_scan(path)
    places = white_matter_places(scan, path)
    shell = choose_shell(scan)
    half = len(shell.indices) // 2
    response = Deconvolution(relative_signal(scan, shell), usual_order(len(shell.indices))).response
    told: dict[str, list[tuple[Answer, Answer]]] = {MODEL: [], CSD_NAME: []}
    dice: dict[str, list[float]] = {MODEL: [], LABEL: []}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        directions, b0 = rng.permutation(shell.indices), np.flatnonzero(scan.gradients.is_b0)
        b0s = (b0[::2], b0[1::2]) if len(b0) > 1 else (b0, b0)
        chosen = (directions[:half], directions[half : 2 * half])
        parts = [scan.subset(np.sort(np.concatenate(pair))) for pair in zip(b0s, chosen, strict=True)]
        answers = [_model_answer(predictor, part, places) for part in parts]
        told[MODEL].append((answers[0][0], answers[1][0]))
        signals = [part.signal[tuple(places.T)] for part in parts]
        first, second = (CSD(p.gradients, response).answer(s) for p, s in zip(parts, signals, strict=True))
        told[CSD_NAME].append((first, second))
        dice[LABEL].append(_mean_dice(*(tissue_labels(part).segmentation for part in parts)))
        if answers[0][1] is not None and answers[1][1] is not None:
            dice[MODEL].append(_mean_dice(answers[0][1], answers[1][1]))
    results: dict[str, Any] = {"directions": half, "voxels": len(places), "dice": _means(dice), "methods": {}}
    for name, pairs in told.items():
        changes = [axis_angles(a.peaks[:, 0], b.peaks[:, 0]) for a, b in pairs]
        same = [float(np.mean(a.counts == b.counts)) for a, b in pairs]
        crossing = [float(np.mean((a.counts > 1) == (b.counts > 1))) for a, b in pairs]
        results["methods"][name] = summarise(changes) | _means({"count": same, "crossing": crossing})
    return results


def _means(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(found)) for name, found in values.items() if found}


def _mean_dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.nanmean(list(dice_scores(first, second, range(1, 4)).values())))


def _model_answer(predictor: Predictor, scan: Scan, places: np.ndarray) -> tuple[Answer, np.ndarray | None]:
    """Counts and peaks at (P, 3) places, and (X, Y, Z) tissue where the model tells it."""
    prepared = prepare_scan(scan)
    maps = predictor.answers(predictor.probabilities(prepared), prepared.mask)
    where = tuple(places.T)
    return Answer(maps["crossings"][where].astype(int), maps["orientation"][where]), maps.get("segmentation")


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
