"""Prediction and labelling of whole studies: one table of outcomes, and no scan stops the others."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.kinds import run_kind
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.jobs.study import OUTCOMES
from DMRIPretrainLib.networks.catalogue import checksum
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
from DMRIPretrainLib.progress import silent
from DMRIPretrainLib.studies.run import scans_of
from DMRIPretrainLib.studies.settings import LabelSettings, PredictSettings
from DMRIPretrainLib.tasks.registry import default_head


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tissue.safetensors"
    heads = (default_head("segmentation"),)
    save_model(path, build_model(Architecture("tiny", heads)), ModelCard(settings={"patch": 16}))
    return path


def make_study(folder: Path, make_dwi, subjects: int, broken: int = 0) -> Path:
    """BIDS folder of small scans; of the first ones an image, the b-vectors or the b0 are broken."""
    scan = make_dwi((12, 12, 12), directions=8, snr=30)
    for number in range(1, subjects + 1):
        stem = folder / f"sub-{number:02d}" / "dwi" / f"sub-{number:02d}_dwi"
        stem.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(scan.signal, scan.affine), f"{stem}.nii.gz")
        vectors = scan.gradients.directions.T.copy()
        vectors[0] *= -1
        bvals = scan.gradients.bvals.copy()
        if number <= broken and number % 3 == 0:
            bvals[bvals == 0] = 1000
            vectors[:, 0] = vectors[:, 1] = vectors[:, 2] = 0
        stem.with_suffix(".bval").write_text(" ".join(f"{value:g}" for value in bvals))
        stem.with_suffix(".bvec").write_text("\n".join(" ".join(f"{v:.6f}" for v in row) for row in vectors))
        if number <= broken and number % 3 == 1:
            Path(f"{stem}.nii.gz").write_bytes(b"no image")
        elif number <= broken and number % 3 == 2:
            stem.with_suffix(".bvec").unlink()
    return folder


@pytest.fixture
def study(tmp_path, make_dwi) -> Path:
    return make_study(tmp_path / "study", make_dwi, 5, broken=3)


def make_job(folder: Path, study: Path, model: Path, **changes) -> JobFolder:
    usual = {"sources": (str(study),), "models": (str(model),), "sha256": (checksum(model),), "device": "cpu"}
    job = JobFolder(folder)
    job.create(PredictSettings(**usual | changes).to_json())
    return job


def run(job: JobFolder) -> dict:
    job.resume()
    return run_kind(job, silent)


def outcomes(job: JobFolder) -> dict[str, dict[str, str]]:
    with (job.result / OUTCOMES).open() as file:
        return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}


def times(job: JobFolder) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in job.result.rglob("*") if path.name != OUTCOMES and path.is_file()}


def test_broken_scans_are_reported_and_stop_no_other(study, model, tmp_path):
    job = make_job(tmp_path / "job", study, model)
    content = run(job)
    assert (content["state"], content["done"], content["failed"]) == ("finished", 2, 3)
    table = outcomes(job)
    assert {name: row["state"] for name, row in table.items()} == {
        **{f"sub-{number:02d}_dwi": "failed" for number in (1, 2, 3)},
        **{f"sub-{number:02d}_dwi": "done" for number in (4, 5)},
    }
    assert "sub-01_dwi.nii.gz" in table["sub-01_dwi"]["message"]
    assert "bvec" in table["sub-02_dwi"]["message"]
    assert "b0" in table["sub-03_dwi"]["message"]
    for name in ("sub-04_dwi", "sub-05_dwi"):
        assert (job.result / name / "segmentation.nii.gz").is_file()
        assert json.loads((job.result / name / "report.json").read_text())["tasks"] == ["segmentation"]
    assert len([event for event in job.read_events() if event["kind"] == "warning"]) == 3


def test_a_second_run_does_nothing_and_a_mended_scan_is_done(study, model, tmp_path):
    job = make_job(tmp_path / "job", study, model)
    run(job)
    before = times(job)
    assert run(job)["done"] == 2
    assert times(job) == before
    shutil.copyfile(study / "sub-04/dwi/sub-04_dwi.bvec", study / "sub-02/dwi/sub-02_dwi.bvec")
    assert run(job)["done"] == 3
    changed = {path.parent.name for path, when in times(job).items() if before.get(path) != when}
    assert changed == {"sub-02_dwi"}


def test_a_study_that_is_stopped_goes_on(study, model, tmp_path):
    job = make_job(tmp_path / "job", study, model)

    def listen(what: str, fraction: float) -> None:
        if what.startswith("4 of"):
            job.request_stop()

    run_kind(job, listen)
    assert job.told_state() == "stopped"
    before = times(job)
    assert run(job)["done"] == 2
    assert {path: when for path, when in times(job).items() if path in before} == before


def test_several_workers_share_the_scans(make_dwi, model, tmp_path):
    job = make_job(tmp_path / "job", make_study(tmp_path / "study", make_dwi, 6), model, workers=2)
    assert run(job)["done"] == 6
    assert [event["state"] for event in job.read_events() if event["kind"] == "state"] == ["running", "finished"]
    assert sum(event["kind"] == "progress" and "of 6 scans" in event["what"] for event in job.read_events()) == 6


def test_a_killed_worker_leaves_its_scan_to_the_next_run(make_dwi, model, tmp_path):
    job = make_job(tmp_path / "job", make_study(tmp_path / "study", make_dwi, 8), model)
    worker = start_job(job)
    end = time.monotonic() + 120
    while not list(job.result.glob("*/outcome.json")):
        assert time.monotonic() < end
        assert worker.is_alive(), job.log_path.read_text()
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
    while worker.is_alive():
        time.sleep(0.01)
    assert read_status(job).state in ("lost", "finished")
    before = times(job)
    assert run(job)["done"] == 8
    done = [path.parent for path in before if path.name == "outcome.json"]
    assert all(when == before[path] for path, when in times(job).items() if path.parent in done)


def test_a_scan_that_kills_its_worker_is_given_up(study, model, tmp_path):
    job = make_job(tmp_path / "job", study, model)
    folder = job.result / "sub-04_dwi"
    folder.mkdir(parents=True)
    (folder / ".attempts").write_bytes(b"..")
    run(job)
    assert outcomes(job)["sub-04_dwi"]["code"] == "killed"
    assert outcomes(job)["sub-05_dwi"]["state"] == "done"


def test_another_model_than_at_the_beginning_is_refused(study, model, tmp_path):
    job = make_job(tmp_path / "job", study, model, sha256=("0" * 64,))
    with pytest.raises(UserError, match="expected the model"):
        run(job)
    assert read_status(job).failure.code == "data-changed"


def test_labels_of_a_study_are_found_by_finetune(make_dwi, tmp_path):
    from DMRIPretrainLib.training.cases import find_cases

    study = make_study(tmp_path / "study", make_dwi, 2)
    job = JobFolder(tmp_path / "labels")
    job.create(LabelSettings((str(study),), ("segmentation",)).to_json())
    assert run(job)["done"] == 2
    cases = find_cases(study, ("segmentation",), job.path)
    assert [case.subject for case in cases] == ["01", "02"]


def test_scans_of_equal_names_have_folders_of_their_own(make_dwi, save_dwi, tmp_path):
    for subject in ("a", "b"):
        save_dwi(make_dwi(directions=6), "data.nii.gz", tmp_path / "hcp" / subject)
    scans = scans_of(PredictSettings((str(tmp_path / "hcp"),), (), ()))
    assert list(scans) == ["hcp-a-data", "hcp-b-data"]
    with pytest.raises(UserError, match="--mask"):
        scans_of(PredictSettings((str(tmp_path / "hcp"),), (), (), mask="mask.nii.gz"))


def test_the_command_goes_on_and_says_how_many_cannot_be_used(study, model, tmp_path):
    command = [sys.executable, "-m", "DMRIPretrainLib", "predict", str(study), "--model", str(model), "--device", "cpu"]
    for _ in range(2):
        done = subprocess.run([*command, "--out", str(tmp_path / "job")], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "3 of 5 scans cannot be used" in done.stderr
        assert "outcomes.tsv" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_subjects_of_which_three_are_broken(make_dwi, model, tmp_path):
    study = make_study(tmp_path / "study", make_dwi, 50, broken=3)
    job = make_job(tmp_path / "job", study, model, workers=2)
    content = run(job)
    assert (content["done"], content["failed"]) == (47, 3)
    before = times(job)
    assert (run(job)["done"], times(job)) == (47, before)
