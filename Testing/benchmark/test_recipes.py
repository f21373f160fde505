"""The benchmark of recipes from its scans to its tables, as small as can be."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from DMRIPretrainLib.benchmark import recipes
from DMRIPretrainLib.benchmark.domains import FIRST_SEEDS
from DMRIPretrainLib.benchmark.plan import STARTS, Plan, Run
from DMRIPretrainLib.benchmark.recipes import RecipeBenchmark, found_plan
from DMRIPretrainLib.benchmark.results import load_results
from DMRIPretrainLib.errors import UserError

SCRATCH, AUTOENCODER = Run("scratch", 1, 0), Run("autoencoder", 1, 0)


@pytest.fixture
def copy(benchmark_folder, tmp_path):
    """The benchmark in a folder that may be changed."""
    return shutil.copytree(benchmark_folder, tmp_path / "copy")


def benchmark_in(folder):
    return RecipeBenchmark(found_plan(folder), folder)


def test_every_run_is_measured_on_test_scans_and_while_it_learns(benchmark_folder):
    outcomes = benchmark_in(benchmark_folder).outcomes()
    assert set(outcomes) == {SCRATCH, AUTOENCODER}
    for outcome in outcomes.values():
        assert outcome["state"] == "done"
        (scan,) = outcome["test"].values()
        assert 0 <= scan["dice_mean"] <= 1
        assert 0 <= scan["angle_median"] <= scan["angle_mean"] + 90
        assert sum(map(sum, scan["confusion"])) > 100
        assert [step for step, _ in outcome["curves"]["segmentation score"]] == [0, 1]


def test_what_is_over_keeps_no_checkpoints(benchmark_folder):
    assert list(benchmark_folder.rglob("model.safetensors"))
    assert not list(benchmark_folder.rglob("*.ckpt"))


def test_all_starts_differ_in_their_weights_alone(benchmark_folder):
    settings = [
        json.loads((benchmark_folder / "runs" / run.name / "job" / "job.json").read_text())["specification"]
        for run in (SCRATCH, AUTOENCODER)
    ]
    assert settings[0].pop("start") == "scratch"
    assert "autoencoder-seed0" in settings[1].pop("start")
    for own in settings:
        own.pop("start_sha256")
    assert settings[0] == settings[1]
    # Weights that were trained before learn as fast as random ones.
    assert settings[0]["trained_rate"] == 1e-3


def test_no_test_scan_is_learned_from(benchmark_folder):
    tests = {f"sub-{FIRST_SEEDS['test'] + number}" for number in range(500)}
    for table in (benchmark_folder / "cases").iterdir():
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["split"] for row in rows} == {"training", "validation"}
        assert not tests & {row["subject"] for row in rows}
        assert all((table.parent / row["scan"]).is_file() for row in rows)
    pretrained = benchmark_folder / "pretrained" / "autoencoder-seed0" / "job" / "job.json"
    inputs = json.dumps(json.loads(pretrained.read_text())["inputs"])
    assert f"sub-{FIRST_SEEDS['pretraining']}" in inputs
    assert not any(subject in inputs for subject in tests)


def test_more_labels_are_those_of_fewer_and_further_ones(tmp_path):
    plan = Plan(starts=("scratch",), seeds=(0, 1))
    work = RecipeBenchmark(plan, tmp_path)
    subjects = {}
    for run in plan.runs():
        with work._cases(run).open(newline="") as file:
            subjects[run.labels, run.seed] = {
                row["subject"] for row in csv.DictReader(file) if row["split"] == "training"
            }
    assert {key: len(value) for key, value in subjects.items()} == {(n, s): n for n in (1, 2, 5, 10) for s in (0, 1)}
    for seed in (0, 1):
        assert subjects[1, seed] < subjects[2, seed] < subjects[5, seed] < subjects[10, seed]
    assert subjects[10, 0] != subjects[10, 1]


def test_what_is_done_is_not_done_again(copy, monkeypatch):
    monkeypatch.setattr(recipes, "run_kind", lambda *_: pytest.fail("a job was run again"))
    monkeypatch.setattr(recipes, "measure", lambda *_: pytest.fail("a model was measured again"))
    assert benchmark_in(copy).run() == 0


def test_after_a_kill_only_what_is_missing_is_done(copy, monkeypatch):
    """The process died when the model was there, and its measures were not."""
    outcome = copy / "runs" / SCRATCH.name / "outcome.json"
    before = json.loads(outcome.read_text())
    outcome.unlink()
    other = copy / "runs" / AUTOENCODER.name / "outcome.json"
    untouched = other.stat().st_mtime_ns
    monkeypatch.setattr(recipes, "run_kind", lambda *_: pytest.fail("a job was run again"))
    assert benchmark_in(copy).run() == 0
    assert json.loads(outcome.read_text())["test"] == before["test"]
    assert other.stat().st_mtime_ns == untouched


@pytest.mark.parametrize("claimed", ["runs/autoencoder-labels1-seed0", "pretrained/autoencoder-seed0"])
def test_what_another_process_is_at_is_left_to_it(copy, claimed):
    for folder in ("runs/autoencoder-labels1-seed0", claimed):
        (copy / folder / "outcome.json").unlink(missing_ok=True)
    holder = (
        "import sys, pathlib\nfrom DMRIPretrainLib.jobs.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])) as mine:\n    print(mine, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(copy / claimed / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "True"
        work = benchmark_in(copy)
        assert work.run() == 1
        assert set(work.outcomes()) == {SCRATCH}
        process.stdin.close()


def test_a_failed_pretraining_fails_its_runs_and_no_others(copy, monkeypatch):
    shutil.rmtree(copy / "pretrained")
    for run in (SCRATCH, AUTOENCODER):
        shutil.rmtree(copy / "runs" / run.name)

    def fail(job, *_):
        raise UserError("loss at step 1: expected a finite number, found nan; take another --seed")

    monkeypatch.setattr(recipes, "run_kind", fail)
    work = benchmark_in(copy)
    assert work.run() == 0
    assert work.outcome(SCRATCH)["message"].startswith("loss at step 1")
    assert work.outcome(AUTOENCODER)["message"].startswith("its pretraining failed: loss at step 1")


def test_another_plan_needs_another_folder(benchmark_folder):
    plan = replace(found_plan(benchmark_folder), steps=99)
    with pytest.raises(UserError, match="found other steps; choose another --out"):
        RecipeBenchmark(plan, benchmark_folder)


def test_the_command_writes_tables_and_plots_and_goes_on_with_its_plan(benchmark_folder, tmp_path):
    command = [sys.executable, "-m", "DMRIPretrainLib", "benchmark", "recipes", "--out", str(benchmark_folder)]
    result = subprocess.run(
        [*command, "--results", str(tmp_path), "--workers", "2", "--json"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["runs"]["done"] == 2
    content = load_results(tmp_path, "recipes")
    assert content["provenance"]["command"].startswith("dmri-pretrain benchmark recipes")
    text = (tmp_path / "recipes.md").read_text()
    assert "| autoencoder |" in text
    assert str(benchmark_folder) not in text + (tmp_path / "recipes.json").read_text()
    pytest.importorskip("matplotlib")
    for name in ("labels", "curves", "confusion"):
        assert (tmp_path / f"recipes_{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_every_start_works(tmp_path):
    plan = Plan(
        starts=STARTS,
        labels=(1,),
        seeds=(0,),
        steps=1,
        pretrain_steps=1,
        pretrain_scans=1,
        test_scans=1,
        protocol_scans=0,
    )
    work = RecipeBenchmark(plan, tmp_path)
    assert work.run() == 0
    assert {run.start: outcome["state"] for run, outcome in work.outcomes().items()} == dict.fromkeys(STARTS, "done")
