"""What the models should reach, and whether they do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from DMRIPretrainLib.benchmark import repeatability as real_scan

from .brains import BRAIN, IN_PLACE, SHUFFLED, WHITE_MATTER
from .voxel_tests import (
    BLOCKS,
    CSD_GATE,
    CSD_PLAIN,
    FEWER_DIRECTIONS,
    FORCE,
    MAIN,
    MODEL,
    MODEL_TOLD,
    OWN,
    PAIRED,
    SCATTERED,
    VoxelTest,
)

#: Metric, name, aim, whether larger is better; in the simulator that a model was trained on.
_IN_GENERATOR = (
    ("macro_f1", "macro-F1 of the count", 0.86, True),
    ("crossing_f1", "crossing F1", 0.95, True),
    ("angle_2", "angle of two fibres", 6.0, False),
    ("dominant_mean", "dominant fibre, mean", 6.0, False),
    ("dominant_median", "dominant fibre, median", 4.5, False),
    ("calibration_error", "calibration error", 0.03, False),
)
_LEAST_COUNT_ACCURACY, _LEAST_CROSSING_F1 = 0.60, 0.86
_LARGEST_CHANGE_RATIO = 0.5


@dataclass(frozen=True)
class Aim:
    """One line of the final table.

    Attributes:
        name: of the metric and the data.
        aim: in words.
        figure: of the model.
        baseline: of CSD, where there is one.
        reached: whether the figure reaches the aim.
    """

    name: str
    aim: str
    figure: float
    baseline: float | None
    reached: bool


def list_aims(results: dict[str, Any]) -> list[Aim]:
    """The aims of all parts that have been run."""
    aims: list[Aim] = []
    voxels, brains = results.get("voxels", {}), results.get("brains")
    main = voxels.get(str(VoxelTest(OWN, MAIN)))
    if main:
        for arrangement in (SCATTERED, BLOCKS):
            aims += _in_generator(f"voxels, {arrangement}", main[arrangement])
    if brains:
        for region in (BRAIN, WHITE_MATTER):
            aims += _in_generator(f"volumes, {region}", brains[region][IN_PLACE])
            aims += _context(f"volumes, {region}", brains[region])
    fewer = voxels.get(str(VoxelTest(OWN, FEWER_DIRECTIONS)))
    if main and fewer:
        aims += list(_fewer_directions(main, fewer))
    force = results.get("force", {}).get(str(VoxelTest(FORCE, MAIN)))
    if force:
        for arrangement in (SCATTERED, BLOCKS):
            aims += _out_of_generator(f"DIPY's voxels, {arrangement}", force[arrangement])
    if results.get("real"):
        aims += _real(results["real"])
    return aims


def _in_generator(data: str, methods: dict[str, Any]) -> Iterator[Aim]:
    model, csd = methods[MODEL], methods[CSD_GATE]
    for metric, name, limit, larger in _IN_GENERATOR:
        sign = "at least" if larger else "at most"
        reached = model[metric] >= limit if larger else model[metric] <= limit
        yield Aim(f"{data}: {name}", f"{sign} {limit:g}", model[metric], csd.get(metric), reached)


def _context(data: str, arrangements: dict[str, Any]) -> Iterator[Aim]:
    for metric, name in (("macro_f1", "macro-F1 of the count"), ("dominant_mean", "dominant fibre, mean")):
        placed, shuffled = (arrangements[arrangement][MODEL][metric] for arrangement in (IN_PLACE, SHUFFLED))
        better = placed > shuffled if metric == "macro_f1" else placed < shuffled
        yield Aim(f"{data}: {name}", f"better than shuffled, {shuffled:.3f}", placed, None, better)


def _fewer_directions(main: dict[str, Any], fewer: dict[str, Any]) -> Iterator[Aim]:
    for arrangement in (SCATTERED, BLOCKS):
        figure, baseline = fewer[arrangement][MODEL]["macro_f1"], main[arrangement][CSD_GATE]["macro_f1"]
        name = f"voxels, {arrangement}: macro-F1 at {FEWER_DIRECTIONS.directions} directions"
        aim = f"CSD's at {MAIN.directions} directions"
        yield Aim(name, aim, figure, baseline, figure >= baseline)


def _out_of_generator(data: str, methods: dict[str, Any]) -> Iterator[Aim]:
    csd = methods[CSD_PLAIN]
    yield from _counts_out_of_generator(f"{data}, told of fibres", methods[MODEL_TOLD], csd)
    model = methods[MODEL]
    yield from _counts_out_of_generator(data, model, csd)
    for number in (1, 2, 3):
        figure, baseline = model[f"angle_{number}"], csd[f"angle_{number}"]
        yield Aim(f"{data}: angle of {number}", "at most CSD's", figure, baseline, figure <= baseline)
        figure, baseline, _ = model[PAIRED][number]
        name = f"{data}: angle of {number} where both count right"
        yield Aim(name, "at most CSD's", figure, baseline, figure <= baseline)


def _counts_out_of_generator(data: str, model: dict[str, Any], csd: dict[str, Any]) -> Iterator[Aim]:
    for metric, name, limit in (
        ("accuracy", "accuracy of the count", _LEAST_COUNT_ACCURACY),
        ("crossing_f1", "crossing F1", _LEAST_CROSSING_F1),
    ):
        reached = model[metric] >= max(limit, csd[metric])
        yield Aim(f"{data}: {name}", f"at least {limit:g} and CSD's", model[metric], csd[metric], reached)


def _real(results: dict[str, Any]) -> Iterator[Aim]:
    for count, methods in results["subsets"].items():
        figure, baseline = (methods[name]["median"] for name in (real_scan.MODEL, real_scan.CSD_NAME))
        name = f"real scan: change from {results['directions']} to {count} directions"
        reached = figure <= _LARGEST_CHANGE_RATIO * baseline
        yield Aim(name, f"at most {_LARGEST_CHANGE_RATIO:g} of CSD's", figure, baseline, reached)
