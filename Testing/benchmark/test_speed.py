"""The benchmark of speed measures stages, growth and memory, and says what is not reached."""

import time
from dataclasses import replace

import numpy as np
import pytest

from DMRIPretrainLib.benchmark import speed
from DMRIPretrainLib.benchmark.device_rate import peak_rate
from DMRIPretrainLib.benchmark.own_process import Usage
from DMRIPretrainLib.benchmark.plots import can_plot
from DMRIPretrainLib.benchmark.results import provenance
from DMRIPretrainLib.benchmark.speed import BY_VOXELS, HCP, MAIN, Plan, ScanSize, SpeedBenchmark
from DMRIPretrainLib.benchmark.speed_report import STAGES, draw, report, summarise
from DMRIPretrainLib.benchmark.speed_scan import make_speed_scan
from DMRIPretrainLib.benchmark.stopwatch import Stopwatch
from DMRIPretrainLib.files import plain_json
from DMRIPretrainLib.scans.load import load_scan

SMALL = ScanSize((16, 16, 16), 1, ((1000, 12),))


def test_a_stage_within_a_stage_counts_once():
    class Work:
        def inner(self) -> None:
            time.sleep(0.03)

        def outer(self) -> str:
            time.sleep(0.01)
            self.inner()
            return "done"

    watch = Stopwatch()
    with watch.watching({"inner": (Work, "inner"), "outer": (Work, "outer")}):
        assert Work().outer() == "done"
    assert watch.seconds["inner"] >= 0.03
    assert 0.01 <= watch.seconds["outer"] < 0.03
    Work().outer()  # is not measured any more
    assert watch.seconds["inner"] < 0.06


def test_a_speed_scan_is_a_brain_of_the_size_asked_for(tmp_path):
    voxels = make_speed_scan(tmp_path, (20, 24, 10), ((1000, 8), (2000, 6)), 2)
    scan = load_scan(tmp_path / "dwi.nii.gz")
    assert scan.signal.shape == (20, 24, 10, 16)
    assert scan.mask.sum() == voxels > 1000
    assert scan.voxel_size == pytest.approx(180 / 24)
    assert [(round(shell.bvalue), len(shell.indices)) for shell in scan.gradients.shells()] == [(1000, 8), (2000, 6)]
    mean = [scan.signal[scan.mask][:, scan.gradients.bvals == b].mean() for b in (0, 1000, 2000)]
    assert mean == sorted(mean, reverse=True)
    assert mean[0] == pytest.approx(1000, rel=0.05)


def test_a_small_scan_is_measured_from_start_to_last_file(tmp_path):
    plan = Plan(sizes=(SMALL,), rivals=(), patches=(), threads=1)
    work = SpeedBenchmark(plan, tmp_path)
    work.run()
    (name,) = work.names()
    found = work.outcome(name)
    assert found["state"] == "done", found
    assert set(STAGES) == set(found["stages"])
    assert all(seconds >= 0 for seconds in found["stages"].values())
    assert found["cpu_stages"]["network"] > 0.01
    assert sum(found["stages"].values()) < found["seconds"] * 1.05
    assert found["memory"] > 150e6
    assert 0 < found["operations"] / found["stages"]["network"] / found["peak"] < 1.5
    assert not (tmp_path / "scans" / SMALL.name).exists()


def test_what_is_there_is_not_measured_again(tmp_path, monkeypatch):
    asked = []

    def measure(module: str, arguments: list[str], threads: int) -> Usage:
        asked.append((module, *arguments))
        return Usage(3.0, 2.0, {"missing": "it"} if "mrtrix" in arguments else {"memory": 1, "after": 1.0})

    monkeypatch.setattr(speed, "run_measured", measure)
    plan = Plan(sizes=(), rivals=(SMALL,), patches=())
    for _ in range(2):
        SpeedBenchmark(plan, tmp_path).run()
    assert [call[:2] for call in asked] == [("time_rivals", "dipy"), ("time_rivals", "mrtrix")]
    work = SpeedBenchmark(plan, tmp_path)
    assert work.outcome(f"dipy-{SMALL.name}")["seconds"] == 2.0
    assert work.outcome(f"mrtrix-{SMALL.name}")["state"] == "not possible"


def test_growth_and_unmet_aims_are_said(tmp_path, monkeypatch):
    def outcome(name: str) -> dict | None:
        kind, size = name.split("-", 1)
        if kind == "training" or (size == HCP.name and kind != "predict"):
            return None
        found = {"state": "done", "seconds": 30.0, "cpu_seconds": 40.0, "memory": 9e9}
        if kind == "mrtrix":
            return found | {"seconds": 600.0, "cpu_seconds": 900.0}
        if kind == "dipy":
            return found | {"seconds": 90.0, "cpu_seconds": 85.0}
        voxels = np.prod([int(edge) for edge in size.split("x")[:3]])
        stages = {"start": 5.0, "network": float(voxels) ** 1.5 / 1e5}
        return found | {"stages": stages, "cpu_stages": stages, "voxels": int(voxels), "operations": 1e9, "peak": 1e12}

    plan = replace(Plan(), sizes=(*BY_VOXELS, MAIN, HCP))
    work = SpeedBenchmark(plan, tmp_path)
    monkeypatch.setattr(work, "outcome", outcome)
    content = plain_json({"provenance": provenance("command"), **summarise(work)})
    assert content["growth"]["voxels"] == pytest.approx(1.5)
    assert content["growth"]["directions"] is None
    reached = [aim["reached"] for aim in content["aims"]]
    assert reached == [False, False, True, True, False, False, None]
    text = report(content)
    assert "3.0 times faster" in text
    assert "9.00 GB" in text
    assert "not measured" in text
    if can_plot():
        assert all(path.stat().st_size > 5000 for path in draw(content, tmp_path))


def test_the_peak_of_a_processor_is_plausible():
    assert 1e9 < peak_rate("cpu", edge=256) < 1e14
