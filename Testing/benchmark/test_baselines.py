"""The benchmark of baselines measures, goes on where it was broken off, and says what is not reached."""

from dataclasses import replace

import numpy as np
import pytest

from DMRIPretrainLib.benchmark import baselines
from DMRIPretrainLib.benchmark.baseline_plots import draw
from DMRIPretrainLib.benchmark.baseline_report import report
from DMRIPretrainLib.benchmark.baseline_summary import summarise
from DMRIPretrainLib.benchmark.baselines import BaselineBenchmark, Plan
from DMRIPretrainLib.benchmark.known_scan import BRAIN, VOXELS, Size, Truth, make_known_scan, read_question, read_truth
from DMRIPretrainLib.benchmark.methods.method import Found
from DMRIPretrainLib.benchmark.own_process import Usage, run_measured
from DMRIPretrainLib.benchmark.plots import can_plot
from DMRIPretrainLib.benchmark.protocols import FULL, MAIN, TRANSFER, TWO_SHELLS, one_shell
from DMRIPretrainLib.benchmark.results import provenance
from DMRIPretrainLib.benchmark.score import score
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import plain_json
from DMRIPretrainLib.jobs.lock import locked

MEDIANS = ("model", "CSD", "tensor")
SIZE = Size((12, 14, 6), 40)
PLAN = Plan(methods=("tensor", "mrtrix-msmt"), protocols=(MAIN,), kinds=(BRAIN,), seeds=(0,), size=SIZE, thorough=True)


def answered(accuracy: float, crossing: float, angle: float, dice: float) -> dict:
    metrics = {
        "accuracy": accuracy, "macro_f1": accuracy, "crossing_f1": crossing, "dominant_all_mean": angle,
        "dominant_median": angle, "dice_mean": dice, "confusion": np.eye(4, dtype=int).tolist(),
    }  # fmt: skip
    return {"state": "done", "voxels": 9, "seconds": 2.0, "cpu_seconds": 1.5, "answer_seconds": 1.0, "memory": 4e8,
            "metrics": metrics}  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> BaselineBenchmark:
    """One method that can be asked, and one that needs what there is not."""
    work = BaselineBenchmark(PLAN, tmp_path_factory.mktemp("work"))
    assert work.run() == 0
    return work


def test_accuracy_time_and_memory_come_from_the_same_run(measured):
    tensor, msmt = measured.outcomes()
    assert tensor["state"] == "done"
    assert 0 < tensor["metrics"]["dominant_all_mean"] < 30
    assert 0 < tensor["answer_seconds"] < tensor["seconds"]
    assert tensor["cpu_seconds"] > 0.3  # it has started Python and imported DIPY
    assert 80e6 < tensor["memory"] < 3e9
    assert msmt["state"] == "not possible"
    assert "needs" in msmt["message"]
    assert not list((measured.folder / "scans").iterdir())


def test_what_is_there_is_not_asked_again(measured, monkeypatch):
    monkeypatch.setattr(baselines, "run_measured", None)
    monkeypatch.setattr(baselines, "make_known_scan", None)
    assert BaselineBenchmark(PLAN, measured.folder).run() == 0


def test_another_plan_in_the_same_folder_is_refused(measured):
    with pytest.raises(UserError, match="another"):
        BaselineBenchmark(replace(PLAN, seeds=(0, 1)), measured.folder)


def test_a_scan_that_another_process_is_at_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "run_measured", None)
    work = BaselineBenchmark(PLAN, tmp_path)
    with locked(tmp_path / "locks" / next(PLAN.cells()).scan) as mine:
        assert mine
        # Within one process a lock may be taken only once: the other process is played by what it says.
        monkeypatch.setattr(baselines, "locked", lambda path: _held())
        assert work.run() == 2


class _held:  # noqa: N801
    def __enter__(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        pass


def test_a_method_that_fails_stops_no_other(tmp_path, monkeypatch):
    def ask(module: str, arguments: list[str], threads: int) -> Usage:
        if "tensor" in arguments:
            raise UserError("the reason")
        return Usage(1.0, 1.0, {"missing": "needs more"})

    monkeypatch.setattr(baselines, "run_measured", ask)
    work = BaselineBenchmark(PLAN, tmp_path)
    assert work.run() == 0
    assert [(cell["state"], cell["message"]) for cell in work.outcomes()] == [
        ("failed", "the reason"),
        ("not possible", "needs more"),
    ]


def test_a_process_that_fails_says_why():
    with pytest.raises(UserError, match="no_such_program"):
        run_measured("no_such_program", [], 1)


def test_slow_methods_are_asked_less_unless_thorough():
    cells = list(Plan().cells())
    assert len({(cell.scan, cell.method) for cell in cells}) == len(cells)
    force = [cell for cell in cells if cell.method == "force"]
    asked = {(cell.kind, cell.protocol, cell.seed) for cell in force}
    assert asked == {*((BRAIN, MAIN, seed) for seed in (0, 1, 2)), (BRAIN, TWO_SHELLS, 0)}
    assert not any(cell.kind == VOXELS and cell.method == "hmrf" for cell in cells)
    thorough = [cell for cell in baselines.FULL_PLAN.cells() if cell.method == "force"]
    assert len(thorough) == 2 * 3 * len(FULL)


def test_protocols_span_directions_bvalues_and_noise():
    assert {shell[1] for p in TRANSFER if len(p.shells) == 1 for shell in p.shells} == {12, 20, 32, 64, 90}
    assert {shell[0] for p in TRANSFER for shell in p.shells} == {1000, 2000, 3000}
    assert {protocol.snr for protocol in TRANSFER} == {10, 20, 30}
    assert len({protocol.name for protocol in FULL}) == len(FULL) == 5 * 3 * 3 + 6


@pytest.mark.parametrize("kind", [BRAIN, VOXELS])
def test_the_truth_is_that_of_the_voxels_asked(tmp_path, kind):
    make_known_scan(tmp_path, kind, one_shell(30, 2000, 500), 7, SIZE)
    scan, asked = read_question(tmp_path)
    truth = read_truth(tmp_path)
    assert asked.sum() == len(truth.counts) == (len(truth.tissue) if kind == BRAIN else 40)
    single = truth.counts == 1
    share = np.linalg.norm(truth.peaks[:, 0], axis=1)
    clear = single & (share > 0.6)
    weighted = ~scan.gradients.is_b0
    signal = scan.signal[asked][:, weighted]
    along = np.abs(truth.peaks[:, 0] @ scan.gradients.directions[weighted].T).argmax(axis=1)
    attenuation = np.take_along_axis(signal, along[:, None], axis=1)[:, 0] / signal.mean(axis=1)
    assert clear.sum() > 3
    assert np.all(attenuation[clear] < 0.8)  # little signal along the fibre


def test_a_missing_direction_counts_as_ninety_degrees():
    truth_peaks = np.zeros((2, 3, 3))
    truth_peaks[:, 0, 0] = 1
    truth = Truth(np.ones(2, dtype=int), truth_peaks, np.ones(2, dtype=bool), None)
    peaks = truth_peaks.copy()
    peaks[1] = 0
    assert score(Found(np.array([1, 0]), peaks), truth)["dominant_all_mean"] == pytest.approx(45)
    assert score(Found(np.array([0, 0]), 0 * peaks), truth)["dominant_all_mean"] == pytest.approx(90)


def test_unmet_aims_and_missing_methods_are_said(tmp_path):
    plan = replace(PLAN, methods=("model", "csd", "label", "msmt"))
    cells = {
        "model": answered(0.7, 0.8, 6.0, 0.90),
        "csd": answered(0.6, 0.7, 5.0, float("nan")),
        "label": answered(0.6, 0.7, 5.0, 0.95),
        "msmt": {"state": "not possible", "message": "needs CVXPY, which is not installed"},
    }
    known = {"kind": BRAIN, "protocol": str(MAIN), "seed": 0}
    real = {
        "scan": {
            "subsets": {"directions": 60, "voxels": 9, "subsets": {12: {name: {"median": 9.0} for name in MEDIANS}}},
            "halves": {
                "directions": 30, "dice": {"model": 0.9}, "methods": {
                    "model": {"median": 7.0, "count": 0.8, "crossing": 0.8},
                    "CSD": {"median": 6.0, "count": 0.8, "crossing": 0.7},
                },
            },
        }
    }  # fmt: skip
    content = summarise(plan, [known | {"method": name} | cell for name, cell in cells.items()], plain_json(real))
    content = plain_json({"provenance": provenance("command"), **content})
    reached = {aim["name"]: aim["reached"] for aim in content["aims"]}
    assert reached[f"simulated brain, white matter, {MAIN}: crossing F1"] is True
    assert reached[f"simulated brain, white matter, {MAIN}: error of the main direction [°]"] is False
    assert reached["scan, two halves: change of the main direction [°]"] is False
    text = report(content)
    assert "**not reached**" in text
    assert "needs CVXPY, which is not installed" in text
    assert "6.0 beside 5.0" in text
    if can_plot():
        assert all(path.stat().st_size > 5000 for path in draw(content, tmp_path))
