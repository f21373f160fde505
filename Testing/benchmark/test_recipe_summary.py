"""What the benchmark of recipes says of runs whose outcomes are known."""

import numpy as np
import pytest

from DMRIPretrainLib.benchmark.measure import METRICS
from DMRIPretrainLib.benchmark.plan import Plan, Run
from DMRIPretrainLib.benchmark.recipe_plots import draw
from DMRIPretrainLib.benchmark.recipe_report import report
from DMRIPretrainLib.benchmark.recipe_summary import find_row, median_steps, summarise
from DMRIPretrainLib.benchmark.results import provenance
from DMRIPretrainLib.files import plain_json

PLAN = Plan(starts=("scratch", "masked", "shipped", "bvm-scratch", "bvm-distortion"), labels=(1, 10), test_scans=10)
#: How good each start is, and how fast it learns.
QUALITY = {"scratch": 0.5, "masked": 0.6, "shipped": 0.8, "bvm-scratch": 0.3, "bvm-distortion": 0.3}
FIRST_GOOD_STEP = {"scratch": 100, "masked": 50, "shipped": 10, "bvm-scratch": 100, "bvm-distortion": 100}


def outcome(run: Run, quality: float, noise: float = 0.01) -> dict:
    rng = np.random.default_rng([run.seed, run.labels])  # alike for all starts: what is paired
    shift = noise * rng.normal()
    test = {}
    for scan in range(PLAN.test_scans):
        value = quality + 0.01 * run.labels + shift + 0.02 * rng.normal()
        metrics = {name: value if more else 20 * (1 - value) for name, more in METRICS.items()}
        test[f"sub-{scan}"] = {**metrics, "confusion": [[0, 0, 0, 0], [1, 8, 1, 0], [0, 2, 5, 1], [0, 0, 1, 1]]}
    first = FIRST_GOOD_STEP[run.start]
    points = [[step, 0.5 if step >= first else 0.1] for step in range(0, 101, 10)]
    curves = {f"{task} score": points for task in ("segmentation", "crossings", "orientation")}
    return {"state": "done", "seconds": 60.0, "test": test, "curves": {"score": points, **curves}}


def outcomes(quality: dict[str, float], noise: dict[str, float] | None = None) -> dict[Run, dict]:
    return {run: outcome(run, quality[run.start], (noise or {}).get(run.start, 0.01)) for run in PLAN.runs()}


def results_of(found: dict[Run, dict]) -> dict:
    return plain_json({"provenance": provenance("dmri-pretrain benchmark recipes"), **summarise(PLAN, found)})


@pytest.fixture(scope="module")
def results() -> dict:
    return results_of(outcomes(QUALITY, {"shipped": 0.001, "scratch": 0.05}))


def test_means_are_those_of_all_seeds_and_scans(results):
    values = find_row(results, "masked", 10)["metrics"]["dice_mean"]
    expected = [
        np.mean([scan["dice_mean"] for scan in outcome(Run("masked", 10, seed), 0.6)["test"].values()])
        for seed in PLAN.seeds
    ]
    assert values["by_seed"] == pytest.approx(expected)
    assert values["mean"] == pytest.approx(np.mean(expected))
    assert values["spread"] == pytest.approx(np.std(expected, ddof=1))
    assert values["low"] < values["mean"] < values["high"]
    assert find_row(results, "masked", 10)["confusion"][1] == [30, 240, 30, 0]


def test_a_start_is_compared_with_random_weights_of_its_own_network():
    found = results_of(outcomes(QUALITY))
    compared = find_row(found, "masked", 1)["compared"]["dice_mean"]
    assert compared["difference"] == pytest.approx(0.1)
    # All ten scans agree, and there are three comparisons.
    assert compared["sign_flip"] == pytest.approx(2 / 2**10)
    assert compared["holm"] == pytest.approx(3 * 2 / 2**10)
    assert find_row(found, "masked", 1)["compared_with"] == "scratch"
    seeds_own = find_row(found, "bvm-distortion", 1)
    assert seeds_own["compared_with"] == "bvm-scratch"
    assert seeds_own["compared"]["dice_mean"]["holm"] == 1.0
    assert find_row(found, "scratch", 1)["compared"] == {}


def test_marks_say_better_where_errors_are_smaller(results):
    angles = report(results).split("### mean error of the main direction")[1]
    (line,) = [line for line in angles.splitlines() if line.startswith("| masked |")][:1]
    assert line.count(") + |") == 2


def test_steps_to_the_score_of_scratch(results):
    assert find_row(results, "masked", 1)["steps_to_95"]["segmentation"] == [50, 50, 50]
    assert find_row(results, "scratch", 1)["steps_to_final"]["crossings"] == [100, 100, 100]
    assert median_steps([10, None, 20]) == 20
    assert median_steps([10, None, None]) == np.inf


def test_aims_that_are_reached(results):
    assert [aim["reached"] for aim in results["aims"]] == [True] * 9
    assert "not reached" not in report(results)


def test_aims_that_are_not_reached_are_stated():
    found = outcomes({**QUALITY, "shipped": 0.4})
    for run in PLAN.runs():
        if run.start == "shipped":
            found[run]["curves"] = {name: [[0, 0.1], [100, 0.2]] for name in found[run]["curves"]}
    unmet = results_of(found)
    assert [aim["reached"] for aim in unmet["aims"]] == [False] * 9
    text = report(unmet)
    assert text.count("**not reached**") == 9
    means = [find_row(unmet, *key)["metrics"]["dice_mean"]["mean"] for key in (("shipped", 1), ("scratch", 10))]
    assert "{:.3f}, scratch {:.3f}".format(*means) in text
    assert "6 of 6 runs never" in text


def test_what_is_missing_or_failed_is_said_and_counts_for_nothing():
    found = outcomes(QUALITY)
    del found[Run("shipped", 1, 0)], found[Run("shipped", 1, 1)], found[Run("shipped", 1, 2)]
    found[Run("masked", 1, 2)] = {"state": "failed", "message": "no", "seconds": 1.0}
    partial = results_of(found)
    assert partial["progress"] == {"planned": 30, "done": 26, "failed": 1, "hours": pytest.approx(26 / 60, abs=0.01)}
    row = find_row(partial, "masked", 1)
    assert (row["done"], row["failed"]) == (2, 1)
    assert row["metrics"]["dice_mean"]["by_seed"][2] is None
    assert partial["aims"][0]["reached"] is None
    text = report(partial)
    assert "3 of 30 runs are not done yet" in text
    assert "(1 failed)" in text
    assert "not measured" in text


def test_plots_are_drawn_of_what_there_is(results, tmp_path):
    pytest.importorskip("matplotlib")
    found = outcomes(QUALITY)
    for labels in PLAN.labels:
        for seed in PLAN.seeds:
            del found[Run("shipped", labels, seed)]
    written = draw(results_of(found), tmp_path)
    assert sorted(path.name for path in written) == [
        "recipes_confusion.png",
        "recipes_curves.png",
        "recipes_labels.png",
    ]
    assert all(path.stat().st_size > 5000 for path in written)
