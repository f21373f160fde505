"""Real workers of fine-tuning jobs: killed, stopped, on a full disk, short of memory, in several processes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.process import ProcessIdentity
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.simulation.export import save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.training.checkpoints import checkpoint_path
from DMRIPretrainLib.training.finetune import finetune
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings

INTERVAL = 3


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Table of four simulated scans; three of them are for validation."""
    folder = tmp_path_factory.mktemp("brains")
    lines = ["scan,labels,subject,split"]
    for seed in range(4):
        phantom = simulate_brain((16, 16, 16), seed=seed)
        scan = simulate_signal(phantom, make_gradient_table([(1000, 12)], 2), seed=seed)
        save_scan(folder / str(seed) / "dwi.nii.gz", scan)
        save_truth(folder / str(seed) / "truth", phantom)
        lines.append(f"{seed}/dwi.nii.gz,{seed}/truth,{seed},{'validation' if seed else 'training'}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder / "cases.csv"


def make_job(folder: Path, table: Path, **changes) -> JobFolder:
    usual = {"steps": 12, "interval": INTERVAL, "batch": 2, "patch": 16, "device": "cpu"}
    job = JobFolder(folder)
    job.create(FinetuneSettings(str(table), ("segmentation",), **usual | changes).to_json())
    return job


def weights_of(job: JobFolder) -> dict[str, torch.Tensor]:
    return load_file(job.result / "model.safetensors")


def assert_same_weights(first: JobFolder, second: JobFolder) -> None:
    others = weights_of(second)
    for name, tensor in weights_of(first).items():
        assert torch.equal(tensor, others[name]), name


def told(job: JobFolder, kind: str) -> list[dict]:
    return [event for event in job.read_events() if event["kind"] == kind]


def scores(job: JobFolder) -> dict[int, float]:
    return {event["step"]: event["value"] for event in told(job, "metric") if event["name"] == "score"}


@pytest.fixture
def launch() -> Iterator[Callable[[JobFolder], ProcessIdentity]]:
    """Start jobs in the background with one thread each; what is left of them is killed."""
    started: list[ProcessIdentity] = []

    def start(job: JobFolder) -> ProcessIdentity:
        started.append(start_job(job, environment={**os.environ, "OMP_NUM_THREADS": "1"}))
        return started[-1]

    yield start
    for worker in started:
        if worker.is_alive():
            os.kill(worker.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], object], worker: ProcessIdentity, seconds: float = 240) -> None:
    """Wait until something is so, or the worker has ended."""
    end = time.monotonic() + seconds
    while not condition() and worker.is_alive():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def run_to_its_end(job: JobFolder, worker: ProcessIdentity) -> None:
    wait_for(lambda: False, worker)
    assert read_status(job).state == "finished", job.log_path.read_text()


@pytest.fixture(scope="module")
def unbroken(table, tmp_path_factory) -> JobFolder:
    job = make_job(tmp_path_factory.mktemp("unbroken") / "job", table)
    worker = start_job(job, environment={**os.environ, "OMP_NUM_THREADS": "1"})
    run_to_its_end(job, worker)
    return job


def steps_of(job: JobFolder) -> int:
    """Step of the last checkpoint."""
    path = checkpoint_path(job)
    return torch.load(path, weights_only=True, mmap=True)["global_step"] if path.is_file() else 0


def assert_nothing_half_written(job: JobFolder) -> None:
    steps_of(job)
    job.specification()
    for path in job.result.glob("*.safetensors"):
        load_file(path)
    assert not [path for path in job.path.rglob("*") if path.name.endswith((".safetensors.part", ".json.part"))]


def has_said(job: JobFolder, words: str, since: int) -> bool:
    return any(words in str(event.get("what", "")) for event in job.read_events()[since:])


#: What to wait for before the kill: the job, and the number of events before it was started.
MOMENTS: dict[str, Callable[[JobFolder, int], bool]] = {
    "start": lambda job, since: True,
    "data loading": lambda job, since: has_said(job, "reading", since) or has_said(job, "checking", since),
    "step": lambda job, since: any(e["kind"] == "metric" for e in job.read_events()[since:]),
    "validation": lambda job, since: has_said(job, "measuring", since),
    "checkpoint": lambda job, since: checkpoint_path(job).with_name("last.ckpt.part").exists(),
}


def kill_at(job: JobFolder, launch, moment: str, delay: float) -> None:
    """Start a job, kill it with SIGKILL at a moment, and see what is left."""
    before, since = steps_of(job), len(job.read_events())
    worker = launch(job)
    wait_for(lambda: MOMENTS[moment](job, since), worker)
    time.sleep(delay)
    if worker.is_alive():
        os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: False, worker)
    assert read_status(job).state in ("lost", "finished")
    assert_nothing_half_written(job)
    done = [e["step"] for e in job.read_events()[since:] if e["kind"] == "metric" and "step" in e]
    assert steps_of(job) >= before
    assert steps_of(job) >= max(done, default=0) - INTERVAL


def test_a_killed_job_ends_as_an_unbroken_one(table, unbroken, tmp_path, launch):
    job = make_job(tmp_path / "job", table)
    for moment in ("step", "checkpoint"):
        kill_at(job, launch, moment, 0.0)
    run_to_its_end(job, launch(job))
    assert_same_weights(job, unbroken)
    assert scores(job) == scores(unbroken)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_job_that_is_killed_twenty_times_ends_as_an_unbroken_one(table, tmp_path, launch):
    """At its start, while it reads, in a step, in validation, while it writes a checkpoint; four times each."""
    whole, job = (make_job(tmp_path / name, table, steps=60) for name in ("whole", "broken"))
    run_to_its_end(whole, launch(whole))
    chance = random.Random(0)
    moments = [*MOMENTS] * 4
    chance.shuffle(moments)
    for moment in moments:
        kill_at(job, launch, moment, chance.choice([0.0, chance.uniform(0, 0.5)]))
    run_to_its_end(job, launch(job))
    assert_same_weights(job, whole)


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(number) for number in path.read_text().split()] if path.is_file() else []


def ask_to_stop(job: JobFolder) -> None:
    command = [sys.executable, "-m", "DMRIPretrainLib", "jobs", "stop", "--no-wait", str(job.path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test_a_stop_from_elsewhere_ends_the_process_and_leaves_nobody(table, tmp_path):
    job = make_job(tmp_path / "job", table, steps=2000, interval=2000)
    command = [sys.executable, "-m", "DMRIPretrainLib", "run", str(job.path)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    wait_for(lambda: any(event.get("step", 0) > 0 for event in told(job, "progress")), ProcessIdentity.of(process.pid))
    ask_to_stop(job)
    assert process.wait() == 0
    assert read_status(job).state == "stopped"
    assert not children_of(process.pid)
    assert steps_of(job) < 2000
    assert (job.result / "model.safetensors").is_file()


def test_a_stop_from_elsewhere_takes_two_steps_at_most(table, tmp_path):
    job = make_job(tmp_path / "job", table, steps=2000, interval=2000)

    def listen(what: str, fraction: float) -> None:
        if what.startswith("step 3 "):
            ask_to_stop(job)

    finetune(FinetuneSettings.from_json(job.specification()), job, listen)
    assert read_status(job).state == "stopped"
    assert 3 <= steps_of(job) <= 5


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are not listed in /proc")
def test_processes_that_prepare_data_end_with_the_one_that_trains(table, tmp_path, launch):
    """However it ends; nothing of it may be left."""
    settings = PretrainSettings(
        "autoencoder", (str(table.parent / "0" / "dwi.nii.gz"),), {}, network="bvm", steps=10_000, patch=16, workers=2
    )
    job = JobFolder(tmp_path / "job")
    job.create(replace(settings, device="cpu", batch=1).to_json())
    worker = launch(job)
    wait_for(lambda: any(event.get("step", 0) > 0 for event in told(job, "progress")), worker)
    helpers = [ProcessIdentity.of(child) for child in children_of(worker.pid)]
    assert len(helpers) == 2
    os.kill(worker.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(helper.is_alive() for helper in helpers):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 150 MB, enough for a checkpoint and the next one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(path)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=False)


def test_a_full_disk_fails_the_job_keeps_its_state_and_is_overcome(table, unbroken, small_disk, launch):
    job = make_job(small_disk / "job", table)
    worker = launch(job)
    wait_for(lambda: steps_of(job) >= INTERVAL, worker)
    filler = small_disk / "filler"
    with filler.open("wb") as file:  # of another program, which takes all that is left
        try:
            while True:
                file.write(b"x" * 10_000)
                file.flush()
        except OSError:
            pass
    wait_for(lambda: False, worker)
    kept = steps_of(job)
    status = read_status(job)
    assert status.state == "failed", job.log_path.read_text()
    assert status.failure.code == "disk-full"
    assert "make space" in status.failure.action
    assert kept >= INTERVAL
    filler.unlink()
    run_to_its_end(job, launch(job))
    assert_same_weights(job, unbroken)


def test_a_run_that_is_short_of_memory_goes_on_in_smaller_steps(table, tmp_path, monkeypatch):
    """A stand-in for a GPU that holds one patch of 16 voxels."""
    from DMRIPretrainLib.training.fine_tuning import FineTuning

    step = FineTuning.training_step
    tried: list[tuple[int, int]] = []

    def short(self, batch, index):
        tried.append((len(batch), batch[0].mask.shape[0]))
        if tried[-1] != (1, 16):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(self, batch, index)

    monkeypatch.setattr(FineTuning, "training_step", short)
    job = make_job(tmp_path / "job", table, steps=2, interval=1, patch=48)
    finetune(FinetuneSettings.from_json(job.specification()), job)
    assert list(dict.fromkeys(tried)) == [(2, 48), (1, 48), (1, 16)]
    assert job.told_state() == "finished"
    warnings = [event["message"] for event in told(job, "warning") if event.get("code") == "out-of-memory"]
    assert warnings[-1] == "memory was short: the run goes on with patches of 16 voxels, 1 a step"
    assert job.description()["fitted_to_memory"] == {"batch": 1, "patch": 16}


def test_memory_that_never_suffices_fails_with_what_to_do(table, tmp_path, monkeypatch):
    from DMRIPretrainLib.training.fine_tuning import FineTuning

    def short(self, batch, index):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(FineTuning, "training_step", short)
    job = make_job(tmp_path / "job", table, steps=2, interval=1)
    with pytest.raises(UserError, match="memory of the GPU is not enough"):
        finetune(FinetuneSettings.from_json(job.specification()), job)
    assert read_status(job).failure.code == "out-of-memory"


def run_command(job: JobFolder, *launcher: str) -> None:
    command = [*launcher, "-m", "DMRIPretrainLib", "run", str(job.path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr


def assert_about_the_same(job: JobFolder, alone: JobFolder) -> None:
    assert scores(job)[0] == pytest.approx(scores(alone)[0], abs=1e-6), "no case counts twice"
    assert list(scores(job)) == list(scores(alone))
    for step, score in scores(alone).items():
        assert scores(job)[step] == pytest.approx(score, abs=0.02)
    losses = [{e["step"]: e["value"] for e in told(j, "metric") if e["name"] == "loss"}[INTERVAL] for j in (job, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=0.25)  # the first process tells of its own patches
    assert [event["state"] for event in told(job, "state")] == ["running", "finished"], "the first process speaks"


def test_two_processes_learn_as_one_does(table, unbroken, tmp_path):
    """Three validation cases by two processes, patches of each step shared between them."""
    job = make_job(tmp_path / "job", table, batch=1, devices=2)
    run_command(job, sys.executable)
    assert_about_the_same(job, unbroken)


@pytest.mark.slow
def test_torchrun_starts_them_as_well(table, unbroken, tmp_path):
    job = make_job(tmp_path / "job", table, batch=1, devices=2)
    run_command(job, sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29517")
    assert_about_the_same(job, unbroken)
