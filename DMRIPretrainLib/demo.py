"""The main job from end to end, in minutes: simulate, label, fine-tune, predict, compare."""

import csv
import shutil
import time
from pathlib import Path

from . import console
from .errors import UserError
from .evaluation.report import evaluate_folder, render_table
from .files import atomic_path, write_json
from .inference.loaded_model import load_models
from .inference.predict import PREVIEW, predict
from .jobs.folder import JobFolder
from .scans.load import load_scan
from .scans.scan import Scan
from .simulation.export import save_scan, save_truth
from .simulation.phantom import simulate_brain
from .simulation.signal import simulate_signal
from .simulation.tables import make_gradient_table
from .tasks.reference.label import make_labels
from .tasks.registry import TASKS
from .training.finetune import HELD_OUT, FinetuneSettings, finetune

_MARKER = "demo.json"
_SIZE = 48
#: Shells of each simulated scan: the networks take any, so no two are alike.
_SIMULATED = {
    "training-1": ((1000.0, 64),),
    "training-2": ((1000.0, 20), (2500.0, 30)),
    "validation": ((1500.0, 45),),
    "test": ((2000.0, 30),),
}
_SIMULATION_STEPS = 180
_REAL_STEPS = 60


def run_demo(scan: Path | None, out: Path) -> None:
    """Learn from simulated brains, predict an unseen one; then label, learn from and predict a real scan.

    Args:
        scan: a scan on disk; None for the 10 x 10 x 10 voxels with 64 directions that DIPY ships.
        out: folder for everything; a former demo in it is replaced.

    Raises:
        UserError: if the scan cannot be used, or the folder holds something else.
    """
    begun = time.monotonic()
    path = _packaged_scan() if scan is None else scan
    real = load_scan(path)
    _prepare_folder(out)
    model = _simulated_part(out / "simulated")
    _real_part(real, path, model, out / "real")
    write_json(out / _MARKER, {"seconds": round(time.monotonic() - begun)})
    _say(f"done in {time.monotonic() - begun:.0f} s; everything is in {out}")
    for part in ("simulated", "real"):
        _say(f"look at {out / part / 'prediction' / PREVIEW}")


def _simulated_part(folder: Path) -> Path:
    """Train on simulated brains and test on another one; returns the model."""
    _say("1. Simulate four brains with different gradient tables")
    rows = []
    for seed, (name, shells) in enumerate(_SIMULATED.items()):
        phantom = simulate_brain((_SIZE, _SIZE, _SIZE), seed=seed)
        table = make_gradient_table(shells, b0_count=4, seed=seed)
        save_scan(folder / name / "dwi.nii.gz", simulate_signal(phantom, table, snr=25, seed=seed))
        save_truth(folder / name / "truth", phantom)
        if name != "test":
            split = name.partition("-")[0]
            rows.append({"scan": f"{name}/dwi.nii.gz", "labels": f"{name}/truth", "subject": name, "split": split})
    cases = folder / "cases.csv"
    with atomic_path(cases) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    _say(f"2. Learn three tasks from two of them, from scratch, in {_SIMULATION_STEPS} steps")
    settings = FinetuneSettings(str(cases), TASKS, steps=_SIMULATION_STEPS, interval=_SIMULATION_STEPS // 3)
    model = _train(settings, folder / "job")

    _say("3. Predict the fourth brain, whose table the network has not seen, and compare with the truth")
    test = load_scan(folder / "test" / "dwi.nii.gz")
    _predict(test, model, folder / "prediction")
    console.output.print(render_table(evaluate_folder(folder / "prediction", folder / "test" / "truth")))
    return model


def _real_part(scan: Scan, path: Path, model: Path, folder: Path) -> None:
    """Label the real scan, learn from three quarters of it, and compare in the rest."""
    _say(f"4. Label a real scan with DIPY: {path.name}, {scan.gradients.describe()}")
    with console.progress_bar("labels") as progress:
        make_labels(scan, TASKS, folder / "labels", progress)

    _say(f"5. Learn from three quarters of it in {_REAL_STEPS} steps, starting from the model of step 2")
    settings = FinetuneSettings(
        str(path.absolute()),
        TASKS,
        labels=str((folder / "labels").absolute()),
        start=str(model),
        steps=_REAL_STEPS,
        interval=_REAL_STEPS // 2,
        patch=32 if min(scan.shape) >= 24 else 16,
    )
    tuned = _train(settings, folder / "job")

    _say("6. Predict it, and compare with DIPY's labels in the quarter that was held out")
    _predict(scan, tuned, folder / "prediction")
    held_out = folder / "job" / "result" / HELD_OUT
    console.output.print(render_table(evaluate_folder(folder / "prediction", folder / "labels", held_out)))


def _train(settings: FinetuneSettings, folder: Path) -> Path:
    job = JobFolder(folder)
    job.create(settings.to_json())
    with console.progress_bar("fine-tuning") as progress:
        return finetune(settings, job, progress)


def _predict(scan: Scan, model: Path, out: Path) -> None:
    with console.progress_bar("prediction") as progress:
        report = predict(scan, load_models([model]), out, ensemble=2, progress=progress)
    _say(f"   predicted in {report['seconds']:.0f} s: {out}")


def _prepare_folder(out: Path) -> None:
    """Make the folder, or empty it if a demo filled it."""
    if out.exists() and any(out.iterdir()) and not (out / _MARKER).is_file():
        raise UserError(
            f"{out}: expected an empty folder or one of a former demo, found other files; choose another --out"
        )
    for part in ("simulated", "real"):
        shutil.rmtree(out / part, ignore_errors=True)
    write_json(out / _MARKER, {"seconds": None})


def _packaged_scan() -> Path:
    from dipy.data import get_fnames

    return Path(get_fnames(name="small_64D")[0])


def _say(text: str) -> None:
    console.output.print(text, highlight=False, soft_wrap=True)
