"""The tests on single voxels: which voxels, how arranged, and who is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from DMRIPretrainLib.benchmark.methods.csd import CSD, clean_response, with_oracle_gate
from DMRIPretrainLib.benchmark.voxels.force import force_voxels
from DMRIPretrainLib.benchmark.voxels.simulated import other_voxels, own_voxels
from DMRIPretrainLib.benchmark.voxels.volume import arrange, ask_model
from DMRIPretrainLib.benchmark.voxels.voxel_set import Answer, VoxelSet, count_peaks
from DMRIPretrainLib.evaluation.orientation import match_peaks
from DMRIPretrainLib.evaluation.voxel_fibres import fibre_metrics
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.peaks import find_peaks

FORCE, OWN, OTHER = "DIPY's generator", "own simulator", "other simulator"
SCATTERED, BLOCKS = "scattered", "blocks"
MODEL, MODEL_PEAKS, MODEL_TOLD = "model", "model, count of peaks", "model, told of fibres"
CSD_PLAIN, CSD_GATE = "CSD", "CSD, oracle gate"
CSD_MEAN, CSD_MEAN_GATE = "CSD of block mean", "CSD of block mean, oracle gate"
#: Among the model's metrics: its angles and those of CSD where both count right.
PAIRED = "paired_angles"
_B0_COUNT = 6


@dataclass(frozen=True)
class Protocol:
    """One shell and its noise."""

    directions: int
    bvalue: int
    snr: int

    def __str__(self) -> str:
        return f"{self.directions} x {self.bvalue}, SNR {self.snr}"


MAIN = Protocol(64, 1000, 20)
FEWER_DIRECTIONS = Protocol(32, 1000, 20)
PROTOCOLS = (
    Protocol(64, 1000, 10),
    MAIN,
    Protocol(64, 1000, 30),
    FEWER_DIRECTIONS,
    Protocol(64, 2000, 20),
    Protocol(64, 3000, 20),
)


@dataclass(frozen=True)
class VoxelTest:
    """Voxels of one source under one protocol."""

    source: str
    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.source}, {self.protocol}"

    def voxels(self, count: int, seed: int, cache: Path | None) -> VoxelSet:
        """About ``count`` voxels; those of DIPY's generator are in equal parts of one, two and three fibres."""
        table = make_gradient_table([(self.protocol.bvalue, self.protocol.directions)], _B0_COUNT, seed)
        if self.source == FORCE:
            return force_voxels(table, count // 3, seed, cache)
        return (own_voxels if self.source == OWN else other_voxels)(table, count, seed)


def run_voxel_test(
    test: VoxelTest, predictor: Predictor, voxels: VoxelSet, edge: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Metrics of every method, by arrangement."""
    response = clean_response(voxels.gradients, voxels.clean[voxels.counts == 1])
    csd = CSD(voxels.gradients, response)
    results = {}
    for name, size in ((SCATTERED, 1), (BLOCKS, edge)):
        volume = arrange(voxels, test.protocol.snr, size, predictor.window, seed)
        truth = voxels.subset(volume.sources)
        answer, _ = ask_model(predictor, volume.scan, volume.places)
        parts = model_answers(answer)
        if np.any(truth.counts == 0):
            del parts[MODEL_TOLD]
        scores = {method: score(part, truth) for method, part in parts.items()}
        # Each voxel is there once before any comes again: once is enough for a method that sees no neighbours.
        once = slice(len(voxels))
        volume, truth, answer = volume.subset(once), truth.subset(once), answer.subset(once)
        single = csd.answer(volume.signal())
        scores |= csd_scores(single, volume.signal(), truth, (CSD_PLAIN, CSD_GATE))
        scores[MODEL][PAIRED] = paired_angles(answer, single, truth)
        if size > 1:
            mean = volume.block_mean()
            scores |= csd_scores(csd.answer(mean), mean, truth, (CSD_MEAN, CSD_MEAN_GATE))
        results[name] = scores
    return results


def model_answers(answer: Answer) -> dict[str, Answer]:
    """The answer by the crossings head; by the number of peaks of the fODF alone; and told that all voxels have fibres.

    The last is for voxels of white matter alone: CSD without a gate takes as given that there are fibres.
    """
    if answer.fodf is None or answer.probabilities is None:
        raise ValueError("a model answers with an fODF and probabilities")
    peaks = find_peaks(answer.fodf)
    given = np.where([False, True, True, True], answer.probabilities, 0.0)
    given /= np.maximum(given.sum(axis=1, keepdims=True), 1e-9)
    counts = given.argmax(axis=1)
    told = Answer(counts, find_peaks(answer.fodf, counts), given, answer.fodf)
    return {MODEL: answer, MODEL_PEAKS: Answer(count_peaks(peaks), peaks), MODEL_TOLD: told}


def csd_scores(
    answer: Answer, signal: np.ndarray, truth: VoxelSet, names: tuple[str, str]
) -> dict[str, dict[str, Any]]:
    """Metrics without and with the gate, which does nothing where every voxel has a fibre."""
    scores = {names[0]: score(answer, truth)}
    if np.any(truth.counts == 0):
        gated = with_oracle_gate(answer, signal, truth.gradients, truth.counts)
        scores[names[1]] = score(gated, truth)
    return scores


def paired_angles(first: Answer, second: Answer, truth: VoxelSet) -> dict[int, tuple[float, float, int]]:
    """Mean matched angles of both answers, and how many voxels, by number of fibres, where both counts are right.

    The angle of each over the voxels that it counts right is kinder to a method that counts few right, the easy ones.
    """
    both = (first.counts == truth.counts) & (second.counts == truth.counts)
    result = {}
    for number in (1, 2, 3):
        chosen = both & (truth.counts == number)
        angles = (match_peaks(a.peaks[chosen, :number], truth.peaks[chosen])[0] for a in (first, second))
        mean = [float(np.nanmean(angle)) if np.isfinite(angle).any() else float("nan") for angle in angles]
        result[number] = (mean[0], mean[1], int(chosen.sum()))
    return result


def score(answer: Answer, truth: VoxelSet) -> dict[str, Any]:
    return fibre_metrics(answer.counts, answer.peaks, truth.counts, truth.peaks, answer.probabilities)
