"""What the library does, in minutes: predict with the shipped model, compare with the truth, fine-tune, compare."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from . import console
from .errors import UserError
from .evaluation.report import evaluate_folder, render_table
from .files import write_json
from .inference.loaded_model import LoadedModel, load_models
from .inference.predict import PREVIEW, predict
from .jobs.folder import JobFolder
from .networks.catalogue import shipped_models
from .scans.gradient_check import warn_of_wrong_gradients
from .scans.load import load_scan
from .scans.scan import Scan
from .simulation.export import save_scan, save_truth
from .simulation.phantom import simulate_brain
from .simulation.signal import simulate_signal
from .simulation.tables import make_gradient_table
from .tasks.reference.label import make_labels
from .tasks.registry import TASKS
from .training.annotated import HELD_OUT
from .training.choose_start import SHIPPED, choose_start
from .training.finetune import finetune
from .training.settings import FinetuneSettings

_MARKER = "demo.json"
#: Pretraining and benchmarks take lower seeds.
_BRAIN_SEED = 400_000
_BRAIN_SIZE = 64
#: b-value (s/mm²) and directions of shells that hardly any scanner offers.
_BRAIN_SHELLS = ((850.0, 17), (2200.0, 31))
_STEPS = 60


def run_demo(scan: Path | None, out: Path) -> None:
    """Predict a real scan and a simulated one with the shipped model, then fine-tune it on the real one.

    Args:
        scan: a scan on disk; None for the 10 x 10 x 10 voxels with 64 directions that DIPY ships.
        out: folder for everything; a former demo in it is replaced.

    Raises:
        UserError: if no model is shipped, the scan cannot be used, or the folder holds something else.
    """
    begun = time.monotonic()
    if not shipped_models():
        raise UserError(
            "demo: expected a model that ships with the program, found none in this build; make one with "
            "dmri-pretrain pretrain simulated --data simulated --out job, and use it with predict --model"
        )
    (shipped,) = load_models()
    path = _packaged_scan() if scan is None else scan
    real = load_scan(path)
    warn_of_wrong_gradients(real)
    _prepare_folder(out)

    _say(f"1. Predict a real scan with the model {shipped.name}: {path.name}, {real.gradients.describe()}")
    _predict(real, shipped, out / "real" / "prediction")
    _predict_simulated_brain(shipped, out / "simulated")
    _fine_tune(real, path, out / "real")

    seconds = round(time.monotonic() - begun)
    write_json(out / _MARKER, {"seconds": seconds})
    _say(f"Done in {seconds} s; everything is in {out}")


def _predict_simulated_brain(shipped: LoadedModel, folder: Path) -> None:
    """Predict a brain whose truth is known, with a gradient table as unusual as it is new to the model."""
    phantom = simulate_brain((_BRAIN_SIZE,) * 3, seed=_BRAIN_SEED)
    table = make_gradient_table(_BRAIN_SHELLS, b0_count=3, seed=_BRAIN_SEED)
    path = folder / "dwi.nii.gz"
    _say(f"2. Predict a simulated brain that it has not seen, {table.describe()}, and compare with the truth")
    save_scan(path, simulate_signal(phantom, table, snr=25, seed=_BRAIN_SEED))
    save_truth(folder / "truth", phantom)
    _predict(load_scan(path), shipped, folder / "prediction")
    console.output.print(render_table(evaluate_folder(folder / "prediction", folder / "truth")))


def _fine_tune(scan: Scan, path: Path, folder: Path) -> None:
    """Label the real scan, learn from three quarters of it, and compare before and after in the rest."""
    _say("3. Label the real scan with DIPY: estimates by CSD and other classical methods, not the truth")
    labels = folder / "labels"
    with console.progress_bar("labels") as progress:
        make_labels(scan, TASKS, labels, progress)

    _say(f"4. Fine-tune the model in {_STEPS} steps on three quarters of the scan, and predict it again")
    start = choose_start(SHIPPED)
    settings = FinetuneSettings(
        str(path.absolute()),
        TASKS,
        labels=str(labels.absolute()),
        start=start.name,
        start_sha256=start.sha256,
        network=start.network,
        steps=_STEPS,
        interval=_STEPS // 2,
        patch=32 if min(scan.shape) >= 24 else 16,
    )
    job = JobFolder(folder / "fine-tuned")
    job.create(settings.to_json())
    with console.progress_bar("fine-tuning") as progress:
        finetune(settings, job, progress)
    (tuned,) = load_models([job.result / "model.safetensors"])
    _predict(scan, tuned, folder / "fine-tuned-prediction")

    held_out, predictions = job.result / HELD_OUT, ("prediction", "fine-tuned-prediction")
    before, after = (evaluate_folder(folder / name, labels, held_out) for name in predictions)
    console.output.print(_comparison(before, after))


def _comparison(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """The figures that matter most, side by side."""
    title = "Agreement with DIPY's labels in the quarter that was held out"
    table = Table("metric", "shipped model", "fine-tuned", title=title)
    tuned = _key_figures(after)
    for name, value in _key_figures(before).items():
        table.add_row(name, f"{value:.3f}", f"{tuned[name]:.3f}")
    return table


def _key_figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Of what ``evaluate_folder`` returns."""
    crossings, orientation = report["crossings"], report["orientation"]
    return {
        **{f"Dice {tissue}": metrics["dice"] for tissue, metrics in report["segmentation"].items()},
        "number of fibres, macro-F1": crossings["macro_f1"],
        "two or more fibres, F1": crossings["crossing_f1"],
        "main direction, mean error in degrees": orientation["dominant_mean"],
        "main direction, median error in degrees": orientation["dominant_median"],
    }


def _predict(scan: Scan, model: LoadedModel, out: Path) -> None:
    with console.progress_bar("prediction") as progress:
        report = predict(scan, [model], out, progress=progress)
    _say(f"   predicted in {report['seconds']:.0f} s; look at {out / PREVIEW}")


def _prepare_folder(out: Path) -> None:
    """Make the folder, or empty it if a demo filled it."""
    if out.exists() and any(out.iterdir()) and not (out / _MARKER).is_file():
        raise UserError(
            f"{out}: expected an empty folder or one of a former demo, found other files; choose another --out"
        )
    for part in ("real", "simulated"):
        shutil.rmtree(out / part, ignore_errors=True)
    write_json(out / _MARKER, {"seconds": None})


def _packaged_scan() -> Path:
    from dipy.data import get_fnames

    return Path(get_fnames(name="small_64D")[0])


def _say(text: str) -> None:
    console.output.print(text, highlight=False, soft_wrap=True)
