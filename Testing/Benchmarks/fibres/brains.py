"""Whole simulated brains: what the neighbourhood of a voxel gives."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from DMRIPretrainLib.benchmark.methods.csd import CSD, clean_response, with_oracle_gate
from DMRIPretrainLib.benchmark.voxels.volume import ask_model
from DMRIPretrainLib.benchmark.voxels.voxel_set import Answer, VoxelSet
from DMRIPretrainLib.evaluation.segmentation import dice_scores
from DMRIPretrainLib.evaluation.voxel_fibres import fibre_metrics
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.microstructure import DEFAULT_MICROSTRUCTURE
from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.maps import TISSUES

from .voxel_tests import CSD_GATE, CSD_PLAIN, MODEL, MODEL_PEAKS, Protocol, model_answers

IN_PLACE, SHUFFLED = "in place", "shuffled voxels"
BRAIN, WHITE_MATTER = "brain", "white matter"
_METHODS = (MODEL, MODEL_PEAKS, CSD_PLAIN, CSD_GATE)
_TISSUE = replace(DEFAULT_MICROSTRUCTURE, dispersion=0.08)
_B0_COUNT = 6
_VOXELS = 10_000

Answers = dict[tuple[str, str], Answer]


def run_brains(predictor: Predictor, protocol: Protocol, seeds: list[int], size: int) -> dict[str, Any]:
    """Metrics in all brains together: in the whole brain and in the white matter, and Dice of tissues.

    Shuffled, the voxels of the brain mask change places before the model is asked, and their answers go back: the same
    weights on the same voxels without context.

    Returns:
        ``brain`` and ``white matter``, metrics of fibres by arrangement and method; ``dice``, the mean over the brains
        by arrangement and tissue.
    """
    brains = [run_brain(predictor, protocol, seed, size) for seed in seeds]
    results: dict[str, Any] = {}
    for region in (BRAIN, WHITE_MATTER):
        truths, answers = [], []
        for brain in brains:
            inside = brain.white if region == WHITE_MATTER else np.ones_like(brain.white)
            truths.append(brain.truth.subset(inside))
            answers.append({key: answer.subset(inside) for key, answer in brain.answers.items()})
        results[region] = {
            arrangement: {
                method: pooled_score([answer[arrangement, method] for answer in answers], truths)
                for method in _METHODS
                if (arrangement, method) in answers[0]
            }
            for arrangement in (IN_PLACE, SHUFFLED)
        }
    results["dice"] = {name: _mean([brain.dice[name] for brain in brains]) for name in brains[0].dice}
    return results


@dataclass(frozen=True)
class BrainResult:
    """Answers about random voxels of a brain.

    Attributes:
        truth: of these voxels.
        white: (P,) which of them are white matter.
        answers: by arrangement and method.
        dice: by arrangement and tissue, of the whole brain; empty where the model has no tissues.
    """

    truth: VoxelSet
    white: np.ndarray
    answers: Answers
    dice: dict[str, dict[str, float]]


def run_brain(predictor: Predictor, protocol: Protocol, seed: int, size: int) -> BrainResult:
    """Ask all methods about one brain."""
    phantom = simulate_brain((size,) * 3, seed=seed)
    table = make_gradient_table([(protocol.bvalue, protocol.directions)], _B0_COUNT, seed)
    scan, clean = (simulate_signal(phantom, table, snr, seed, _TISSUE) for snr in (protocol.snr, None))
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.argwhere(np.asarray(scan.mask)))[:_VOXELS]
    where = tuple(places.T)
    truth = truth_at(phantom, clean, places)
    white = np.asarray(phantom.segmentation)[where] == TISSUES.index("WM")

    response = clean_response(table, truth.clean[white & (truth.counts == 1)])
    csd = CSD(table, response).answer(scan.signal[where])
    gated = with_oracle_gate(csd, scan.signal[where], table, truth.counts)
    answers: Answers = {(IN_PLACE, CSD_PLAIN): csd, (IN_PLACE, CSD_GATE): gated}
    dice = {}
    order = rng.permutation(np.count_nonzero(np.asarray(scan.mask)))
    for arrangement, places_of in ((IN_PLACE, None), (SHUFFLED, order)):
        answer, tissue = ask_about_brain(predictor, scan, places, places_of)
        answers |= {(arrangement, name): part for name, part in model_answers(answer).items() if name in _METHODS}
        if tissue is not None:
            dice[arrangement] = tissue_dice(tissue, phantom)
    return BrainResult(truth, white, answers, dice)


def truth_at(phantom: Phantom, clean: Scan, places: np.ndarray) -> VoxelSet:
    """The truth of (P, 3) voxels."""
    where = tuple(places.T)
    counts, peaks = (np.asarray(values)[where] for values in (phantom.crossings, phantom.peaks))
    return VoxelSet(clean.gradients, clean.signal[where], counts.astype(int), peaks)


def ask_about_brain(
    predictor: Predictor, scan: Scan, places: np.ndarray, order: np.ndarray | None
) -> tuple[Answer, np.ndarray | None]:
    """The answer at (P, 3) places of the scan, and (X, Y, Z) tissue labels where the model has them.

    Args:
        predictor: the model.
        scan: in RAS voxel order, its axes those of the world.
        places: voxels of the mask.
        order: the voxel of the mask that comes to each place of the mask; None leaves all in place.
    """
    mask = np.asarray(scan.mask)
    if order is None:
        answer, output = ask_model(predictor, scan, places)
        labels = output["segmentation"].argmax(axis=0) * mask if "segmentation" in output else None
        return answer, labels
    signal = scan.signal.copy()
    signal[mask] = scan.signal[mask][order]
    went = np.zeros(mask.shape, dtype=int)
    went[mask] = np.argsort(order)  # where each voxel of the mask has gone
    moved = np.argwhere(mask)[went[tuple(places.T)]]
    answer, labels = ask_about_brain(predictor, replace(scan, signal=signal), moved, None)
    if labels is not None:
        back = np.zeros_like(labels)
        back[mask] = labels[mask][went[mask]]
        labels = back
    return answer, labels


def tissue_dice(labels: np.ndarray, phantom: Phantom) -> dict[str, float]:
    """Dice by tissue."""
    values = range(1, len(TISSUES))
    scores = dice_scores(labels, np.asarray(phantom.segmentation), values)
    return {TISSUES[value]: scores[value] for value in values}


def pooled_score(answers: list[Answer], truths: list[VoxelSet]) -> dict[str, Any]:
    counts, peaks = (np.concatenate([getattr(answer, name) for answer in answers]) for name in ("counts", "peaks"))
    """Metrics over the voxels of several brains."""
    probabilities = [answer.probabilities for answer in answers if answer.probabilities is not None]
    true_counts, true_peaks = (np.concatenate([getattr(t, name) for t in truths]) for name in ("counts", "peaks"))
    joined = np.concatenate(probabilities) if probabilities else None
    return fibre_metrics(counts, peaks, true_counts, true_peaks, joined)


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
