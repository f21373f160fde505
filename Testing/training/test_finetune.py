import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import DMRIPretrainLib.training.finetune as training
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.session import StopSignals
from DMRIPretrainLib.networks.model_file import ModelCard, load_model, save_model
from DMRIPretrainLib.simulation.export import save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.training.checkpoints import WholeCheckpoints
from DMRIPretrainLib.training.finetune import finetune
from DMRIPretrainLib.training.settings import FinetuneSettings
from DMRIPretrainLib.training.validation import mean_metrics
from Testing.training.finished_jobs import assert_same_weights, events, weights_of

TASKS = ("segmentation", "orientation")


@pytest.fixture(scope="module")
def brains(tmp_path_factory) -> Path:
    """Folder with two simulated scans, ``a`` and ``b``, each with its ``truth``."""
    folder = tmp_path_factory.mktemp("brains")
    for seed, name in enumerate("ab"):
        phantom = simulate_brain((16, 16, 16), seed=seed)
        scan = simulate_signal(phantom, make_gradient_table([(1000, 12)], 2), seed=seed)
        save_scan(folder / name / "dwi.nii.gz", scan)
        save_truth(folder / name / "truth", phantom)
    return folder


def settings_for(brains: Path, **changes) -> FinetuneSettings:
    scan = brains / "a" / "dwi.nii.gz"
    usual = FinetuneSettings(
        str(scan), TASKS, str(brains / "a" / "truth"), steps=4, interval=2, batch=1, patch=16, device="cpu"
    )
    return replace(usual, **changes)


def run(folder: Path, settings: FinetuneSettings, **options) -> JobFolder:
    job = JobFolder(folder)
    job.create(settings.to_json(), resume=folder.exists())
    finetune(settings, job, **options)
    return job


def fresh_job(folder: Path, settings: FinetuneSettings) -> JobFolder:
    job = JobFolder(folder)
    job.create(settings.to_json())
    return job


def scores(job: JobFolder) -> dict[int, float]:
    """Validation score by step."""
    return {e["step"]: e["value"] for e in events(job, "metric") if e["name"] == "score"}


@pytest.fixture(scope="module")
def scratch_job(brains, tmp_path_factory) -> JobFolder:
    """A finished job from scratch: four steps, validated after the second and the fourth."""
    return run(tmp_path_factory.mktemp("scratch") / "job", settings_for(brains))


@pytest.fixture(scope="module")
def start(scratch_job) -> Path:
    return scratch_job.result / "model.safetensors"


def test_the_same_run_gives_the_same_weights(brains, scratch_job, tmp_path):
    again = run(tmp_path / "job", settings_for(brains))
    assert_same_weights(weights_of(again), weights_of(scratch_job))
    other = run(tmp_path / "other", settings_for(brains, seed=1))
    assert not torch.equal(weights_of(other)["adapter.first.weight"], weights_of(scratch_job)["adapter.first.weight"])


def test_job_folder_tells_the_whole_story(brains, scratch_job):
    specification = json.loads(scratch_job.specification_path.read_text())["specification"]
    assert FinetuneSettings.from_json(specification) == settings_for(brains)
    states = [event["state"] for event in events(scratch_job, "state")]
    assert states == ["running", "finished"]
    assert list(scores(scratch_job)) == [0, 2, 4]
    names = {event["name"] for event in events(scratch_job, "metric")}
    assert {"segmentation score", "orientation score", "dominant error [deg]", "loss", "loss segmentation"} <= names
    (result,) = events(scratch_job, "result")
    assert result["path"] == "result/model.safetensors"
    assert "middle quarter" in events(scratch_job, "warning")[0]["message"]


def test_the_best_validation_is_kept(scratch_job):
    by_step = scores(scratch_job)
    metrics = json.loads((scratch_job.result / "metrics.json").read_text())
    assert metrics["metrics"]["score"] == pytest.approx(max(by_step.values()))
    assert by_step[metrics["best_step"]] == pytest.approx(max(by_step.values()))
    assert metrics["starting_score"] == pytest.approx(by_step[0])


def test_model_knows_what_it_is_and_how_it_was_made(brains, scratch_job):
    model, card = load_model(scratch_job.result / "model.safetensors")
    assert [head.task for head in model.architecture.heads] == list(TASKS)
    assert card.recipe == "scratch"
    assert card.settings["patch"] == 16
    assert card.settings["cases"] == str(brains / "a" / "dwi.nii.gz")
    assert card.metrics["validation score"] == pytest.approx(max(scores(scratch_job).values()), abs=1e-4)


def test_training_and_validation_regions_do_not_meet(brains, scratch_job):
    held_out = nib.load(scratch_job.result / "held_out.nii.gz")
    mask = np.asarray(nib.load(brains / "a" / "dwi_mask.nii.gz").dataobj)
    share = np.sum(held_out.dataobj) / np.sum(mask)
    assert 0.1 < share < 0.4
    case = training._Run(settings_for(brains), scratch_job, lambda *_: None)
    assert not np.any(case.training[0].region & case.validation[0].region)
    assert np.array_equal(case.training[0].region | case.validation[0].region, mask > 0)


def test_a_hopeless_run_hands_the_starting_model_back(brains, start, tmp_path):
    job = run(tmp_path / "job", settings_for(brains, start=str(start), trained_rate=10.0))
    by_step = scores(job)
    assert min(by_step[2], by_step[4]) < by_step[0]
    metrics = json.loads((job.result / "metrics.json").read_text())
    assert metrics["metrics"]["score"] >= by_step[0]
    assert metrics["starting_score"] == pytest.approx(by_step[0])
    if metrics["best_step"] == 0 and metrics["metrics"]["score"] == pytest.approx(by_step[0], abs=1e-9):
        assert_same_weights(weights_of(job), load_file(start))


def test_the_result_is_as_good_as_it_says(brains, start, tmp_path):
    """Measured again from the file alone; averages of the weights were candidates too."""
    job = run(tmp_path / "job", settings_for(brains, start=str(start), steps=2))
    claimed = json.loads((job.result / "metrics.json").read_text())["metrics"]["score"]
    again = settings_for(brains, start=str(job.result / "model.safetensors"), steps=1, interval=1)
    measured = scores(run(tmp_path / "again", again))[0]
    assert measured == pytest.approx(claimed, abs=1e-6)
    shares = [e["share"] for e in events(job, "metric") if e["name"] == "score of averaged weights"]
    assert shares == [0.25, 0.5, 0.75]
    tried = [e["value"] for e in events(job, "metric") if e["name"] == "score of averaged weights"]
    assert claimed == pytest.approx(max([*tried, *scores(job).values()]))


def test_steps_that_are_no_multiple_of_the_interval_are_validated(brains, tmp_path):
    job = run(tmp_path / "job", settings_for(brains, steps=3, tasks=("segmentation",)))
    assert list(scores(job)) == [0, 2, 3]


def test_same_labels_keep_the_head(brains, start, scratch_job):
    made = training._Run(settings_for(brains, start=str(start)), scratch_job, lambda *_: None)
    assert made.start.fresh == set()
    assert_same_weights(made.model.state_dict(), load_file(start))


def test_other_labels_get_a_fresh_head(brains, start, scratch_job, tmp_path):
    truth = nib.load(brains / "a" / "truth" / "segmentation.nii.gz")
    labels = tmp_path / "labels"
    labels.mkdir()
    values = np.array([0, 0, 4, 17], dtype=np.uint8)[np.asarray(truth.dataobj)]
    nib.save(nib.Nifti1Image(values, truth.affine), labels / "segmentation.nii.gz")
    shutil.copy(brains / "a" / "truth" / "peaks.nii.gz", labels)
    settings = settings_for(brains, start=str(start), labels=str(labels), label_names={4: "cortex"})
    made = training._Run(settings, fresh_job(tmp_path / "fresh", settings), lambda *_: None)
    assert {name.split(".layers")[0] for name in made.start.fresh} == {"heads.segmentation"}
    head = made.model.architecture.heads[0]
    assert head.values == (0, 4, 17)
    assert head.labels == ("background", "cortex", "label 17")
    known, found = load_file(start), made.model.state_dict()
    assert found["heads.segmentation.layers.4.weight"].shape[0] == 3
    for name, tensor in found.items():
        if not name.startswith("heads.segmentation"):
            assert torch.equal(tensor, known[name])
    # The new label set is that of the result, and it runs.
    job = run(tmp_path / "job", replace(settings, steps=1, interval=1))
    model, card = load_model(job.result / "model.safetensors")
    assert model.architecture.heads[0] == head
    assert card.recipe == "fine-tuned from model.safetensors"


class PowerCutError(Exception):
    """What a power cut looks like to the code."""


@pytest.mark.parametrize("from_model", [False, True])
def test_a_resumed_run_equals_an_unbroken_one(brains, scratch_job, start, tmp_path, monkeypatch, from_model):
    settings = settings_for(brains, start=str(start) if from_model else "scratch")
    unbroken = run(tmp_path / "unbroken", settings) if from_model else scratch_job

    save = WholeCheckpoints.save_checkpoint

    def cut(self, checkpoint, path, storage_options=None):
        save(self, checkpoint, path)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpoints, "save_checkpoint", cut)
        with pytest.raises(PowerCutError):
            run(tmp_path / "job", settings)
    broken = JobFolder(tmp_path / "job")
    assert broken.told_state() == "failed"
    assert not (broken.result / "model.safetensors").exists()
    resumed = run(tmp_path / "job", settings)
    assert_same_weights(weights_of(resumed), weights_of(unbroken))
    assert scores(resumed) == scores(unbroken)
    told = [json.loads((job.result / "metrics.json").read_text()) for job in (resumed, unbroken)]
    assert told[0] == told[1]


def test_resuming_a_finished_run_changes_nothing(brains, scratch_job, start, tmp_path):
    job = run(tmp_path / "job", settings_for(brains, start=str(start), steps=2))
    before = weights_of(job)
    run(tmp_path / "job", settings_for(brains, start=str(start), steps=2))
    assert_same_weights(weights_of(job), before)


def stop_at(job_path: Path, step: int):
    """A listener that asks the job to stop after a step."""

    def listen(message: str, fraction: float) -> None:
        if message.startswith(f"step {step} "):
            JobFolder(job_path).request_stop()

    return listen


def test_a_stop_file_ends_the_run_with_a_usable_model(brains, tmp_path):
    path = tmp_path / "job"
    settings = settings_for(brains, steps=40, interval=20)
    job = run(path, settings, progress=stop_at(path, 2))
    assert job.told_state() == "stopped"
    assert list(scores(job)) == [0], "it does not measure any more, nor lose what was learned"
    assert torch.load(job.checkpoints / "last.ckpt", weights_only=True)["global_step"] == 2
    model, _ = load_model(job.result / "model.safetensors")
    assert {head.task for head in model.architecture.heads} == set(TASKS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_as_a_stop_file_does(brains, tmp_path, number):
    path = tmp_path / "job"

    def listen(message: str, fraction: float) -> None:
        if message.startswith("step 2 "):
            signal.raise_signal(number)

    with StopSignals(JobFolder(path)).handled():
        job = run(path, settings_for(brains, steps=40, interval=20), progress=listen)
    assert job.told_state() == "stopped"
    assert torch.load(job.checkpoints / "last.ckpt", weights_only=True)["global_step"] == 2
    assert (job.result / "model.safetensors").is_file()


def test_an_interrupted_run_is_stopped_and_goes_on(brains, scratch_job, tmp_path):
    path = tmp_path / "job"

    def interrupt(message: str, fraction: float) -> None:
        if message.startswith("step 3 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, settings_for(brains), progress=interrupt)
    assert JobFolder(path).told_state() == "stopped"
    assert not events(JobFolder(path), "failure")
    assert_same_weights(weights_of(run(path, settings_for(brains))), weights_of(scratch_job))


def test_a_mask_too_small_to_hold_a_part_out_is_refused(brains, tmp_path):
    scan = tmp_path / "dwi.nii.gz"
    for name in ("dwi.nii.gz", "dwi.bval", "dwi.bvec"):
        shutil.copyfile(brains / "a" / name, tmp_path / name)
    mask = np.zeros((16, 16, 16), dtype=np.uint8)
    mask[7:9, 8, 8] = 1
    nib.save(nib.Nifti1Image(mask, nib.load(scan).affine), tmp_path / "dwi_mask.nii.gz")
    with pytest.raises(UserError, match="give another mask"):
        run(tmp_path / "job", settings_for(brains, cases=str(scan)))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(brains, scratch_job, tmp_path, step):
    """Stopped in the middle of an interval, or at the end of one before the model is measured."""
    path = tmp_path / "job"
    run(path, settings_for(brains), progress=stop_at(path, step))
    seen = []
    job = run(path, settings_for(brains), progress=lambda message, _: seen.append(message.split(",")[0]))
    assert job.told_state() == "finished"
    assert not job.stop_path.exists()
    told = [message for message in seen if message.startswith("step")]
    assert told == [f"step {n} of 4" for n in range(step + 1, 5)]
    assert scores(job) == scores(scratch_job)
    assert_same_weights(weights_of(job), weights_of(scratch_job))


def test_broken_input_fails_with_one_clear_line(brains, tmp_path):
    labels = tmp_path / "labels"
    shutil.copytree(brains / "a" / "truth", labels)
    (labels / "segmentation.nii.gz").write_bytes(b"no image")
    job = JobFolder(tmp_path / "job")
    settings = settings_for(brains, labels=str(labels))
    job.create(settings.to_json())
    with pytest.raises(UserError, match=r"segmentation\.nii\.gz") as caught:
        finetune(settings, job)
    (failure,) = events(job, "failure")
    assert failure["code"] == "data"
    assert failure["message"] == str(caught.value)
    assert "\n" not in failure["message"]
    assert job.told_state() == "failed"
    assert not job.result.exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"start": "/nothing/model.safetensors"}, "expected a model file"),
        ({"cases": "/nothing/dwi.nii.gz"}, "no such file"),
        ({"device": "nonsense"}, "--device nonsense"),
        ({"labels": None}, "--labels"),
    ],
)
def test_wrong_settings_are_refused(brains, tmp_path, changes, expected):
    settings = settings_for(brains, **changes)
    job = JobFolder(tmp_path / "job")
    job.create(settings.to_json())
    with pytest.raises(UserError, match=expected):
        finetune(settings, job)
    assert job.told_state() == "failed"


def test_labels_of_background_alone_are_refused(brains, tmp_path):
    truth = nib.load(brains / "a" / "truth" / "segmentation.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros(truth.shape, np.uint8), truth.affine), tmp_path / "segmentation.nii.gz")
    job = JobFolder(tmp_path / "job")
    settings = settings_for(brains, labels=str(tmp_path), tasks=("segmentation",))
    job.create(settings.to_json())
    with pytest.raises(UserError, match="labels other than 0"):
        finetune(settings, job)


def test_validation_cases_may_lack_a_label(brains, start, tmp_path):
    """Cases of a table with their own split; one of the two validation maps holds fewer labels."""
    truth = nib.load(brains / "b" / "truth" / "segmentation.nii.gz")
    fewer = np.asarray(truth.dataobj) % 3
    nib.save(nib.Nifti1Image(fewer.astype(np.uint8), truth.affine), tmp_path / "fewer.nii.gz")
    table = tmp_path / "cases.csv"
    table.write_text(
        "scan,segmentation,subject,split\n"
        f"{brains}/a/dwi.nii.gz,{brains}/a/truth/segmentation.nii.gz,a,training\n"
        f"{brains}/b/dwi.nii.gz,{brains}/b/truth/segmentation.nii.gz,b,validation\n"
        f"{brains}/b/dwi.nii.gz,fewer.nii.gz,b,validation\n"
    )
    settings = settings_for(
        brains, cases=str(table), labels=None, tasks=("segmentation",), start=str(start), steps=1, interval=1
    )
    job = run(tmp_path / "job", settings)
    made = training._Run(settings, job, lambda *_: None)
    assert len(made.validation) == 2
    assert [sorted(np.unique(case.labels["segmentation"])) for case in made.validation] == [[0, 1, 2, 3], [0, 1, 2]]
    assert {"Dice WM", "Dice CSF"} <= {event["name"] for event in events(job, "metric")}


def test_metrics_are_averaged_over_the_cases_that_have_them():
    assert mean_metrics([{"score": 0.5, "Dice CSF": 0.4}, {"score": 0.7, "Dice WM": 0.9}]) == pytest.approx(
        {"score": 0.6, "Dice CSF": 0.4, "Dice WM": 0.9}
    )


def test_limits_are_those_of_the_scans_it_learned_from(brains, start, tmp_path):
    _, card = load_model(start)
    edge = float(nib.load(brains / "a" / "dwi.nii.gz").header.get_zooms()[0])
    assert card.limits == {
        "bvalue": [1000, 1000],
        "directions": [6, 12],
        "shells": [1, 1],
        "voxel_size": pytest.approx([edge, edge]),
    }
    model, _ = load_model(start)
    path = tmp_path / "start.safetensors"
    seen = {"bvalue": [500, 900], "directions": [30, 64], "voxel_size": "?", "reconstruction_error": {"p99": 1.5}}
    save_model(path, model, ModelCard(limits=seen))
    job = run(tmp_path / "job", settings_for(brains, start=str(path), steps=1, interval=1))
    _, tuned = load_model(job.result / "model.safetensors")
    assert tuned.limits == {"bvalue": [500, 1000], "directions": [6, 64]}


def test_a_single_scan_may_name_its_files(brains, tmp_path):
    for name in ("dwi.nii.gz", "dwi.bval", "dwi.bvec", "dwi_mask.nii.gz"):
        shutil.copyfile(brains / "a" / name, tmp_path / name.replace("dwi.b", "other.b").replace("dwi_mask", "brain"))
    own = {name: str(tmp_path / file) for name, file in {"bval": "other.bval", "bvec": "other.bvec"}.items()}
    settings = settings_for(brains, cases=str(tmp_path / "dwi.nii.gz"), mask=str(tmp_path / "brain.nii.gz"), **own)
    job = JobFolder(tmp_path / "job")
    job.create(settings.to_json())
    made = training._Run(settings, job, lambda *_: None)
    mask = np.asarray(nib.load(tmp_path / "brain.nii.gz").dataobj) > 0
    assert np.array_equal(made.training[0].region | made.validation[0].region, mask)
    other = np.where(np.loadtxt(own["bval"]) > 0, 2000, 0)
    np.savetxt(tmp_path / "double.bval", other[None], fmt="%d")
    changed = replace(settings, bval=str(tmp_path / "double.bval"))
    made = training._Run(changed, fresh_job(tmp_path / "changed", changed), lambda *_: None)
    assert sorted(set(made.training[0].scan.table.bvals)) == [0, 2000]
    with pytest.raises(UserError, match="bval"):
        training._Run(replace(settings, bval=str(tmp_path / "none.bval")), job, lambda *_: None)


def test_a_table_names_its_files_itself(brains, tmp_path):
    table = tmp_path / "cases.csv"
    table.write_text(f"scan,labels\n{brains}/a/dwi.nii.gz,{brains}/a/truth\n")
    job = JobFolder(tmp_path / "job")
    settings = settings_for(brains, cases=str(table), labels=None, bvec="some.bvec")
    job.create(settings.to_json())
    with pytest.raises(UserError, match="--bvec"):
        finetune(settings, job)


@pytest.mark.parametrize("content", [{}, {"kind": "finetune"}, {"cases": "a", "tasks": None}, {"cases": 1, "extra": 2}])
def test_foreign_specifications_are_refused(content):
    with pytest.raises(UserError, match=r"job\.json"):
        FinetuneSettings.from_json(content)


def test_settings_survive_json():
    settings = FinetuneSettings("cases.csv", ("segmentation",), label_names={4: "spot"}, seed=3)
    assert FinetuneSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
