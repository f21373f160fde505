"""Commands for one scan or a whole study: ``predict`` and ``label``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from . import console
from .cli_options import (
    B0Option,
    BackgroundOption,
    BvalOption,
    BvecOption,
    DeviceOption,
    JsonOption,
    MaskOption,
    TaskOption,
    WorkersOption,
    absolute,
    begin,
    chosen_tasks,
    show,
)
from .files import require_writable

ScansArgument = Annotated[
    Path,
    typer.Argument(help="A scan (NIfTI with bval/bvec beside it, or DWI NRRD), a BIDS folder, or a list (.csv, .txt)."),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the results of a scan; of a study, or with --background, a job.")
]


def predict(
    scan: ScansArgument,
    out: OutOption,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Model file or name of a shipped model; repeat for several tasks."),
    ] = None,
    ensemble: Annotated[int, typer.Option(min=0, help="Random direction subsets for the uncertainty.")] = 0,
    device: DeviceOption = "auto",
    mask: MaskOption = None,
    bval: BvalOption = None,
    bvec: BvecOption = None,
    b0_threshold: B0Option = 100.0,
    workers: WorkersOption = 1,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Predict tissue, crossings and orientation, with the model that ships with the program or others.

    It warns where the scan is unlike those that a model has seen. Of a study each scan has a folder in result/ and a
    line in result/outcomes.tsv; a scan that cannot be used stops no other, and a second run does what is left.

    Example: dmri-pretrain predict sub-01/dwi.nii.gz --out sub-01/results
    """
    from .inference.loaded_model import load_models

    require_writable(out)
    models = load_models(model or ())
    if background or workers > 1 or _is_study(scan):
        from .networks.catalogue import DEFAULT_MODEL, checksum, shipped_models
        from .studies.settings import PredictSettings

        shipped = {known.name for known in shipped_models()}
        names = [name if name in shipped else str(Path(name).absolute()) for name in model or [DEFAULT_MODEL]]
        settings = PredictSettings(
            sources=(str(scan.absolute()),),
            models=tuple(names),
            sha256=tuple(checksum(loaded.path) for loaded in models),
            ensemble=ensemble,
            device=device,
            workers=workers,
            b0_threshold=b0_threshold,
            mask=absolute(mask),
            bval=absolute(bval),
            bvec=absolute(bvec),
        )
        begin(settings.to_json(), out, background=background, as_json=json, is_study=True)
        return
    from .inference.predict import PREVIEW
    from .inference.predict import predict as run_prediction
    from .scans.gradient_check import warn_of_wrong_gradients
    from .scans.load import load_scan

    loaded = load_scan(scan, bval=bval, bvec=bvec, mask=mask, b0_threshold=b0_threshold)
    warn_of_wrong_gradients(loaded)
    with console.progress_bar("prediction") as progress:
        report = run_prediction(loaded, models, out, device=device, ensemble=ensemble, progress=progress)
    show(report | {"preview": str(out / PREVIEW)}, json, title=f"results in {out}")


def label(
    scan: ScansArgument,
    out: OutOption,
    task: TaskOption = None,
    mask: MaskOption = None,
    bval: BvalOption = None,
    bvec: BvecOption = None,
    b0_threshold: B0Option = 100.0,
    workers: WorkersOption = 1,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Make reference labels with DIPY: tissue, number of fibres, peaks and fODF.

    Of a study each scan has a folder in result/ and a line in result/outcomes.tsv; finetune takes the folder of the job
    as --labels.

    Example: dmri-pretrain label sub-01/dwi.nii.gz --out sub-01/labels
    """
    tasks = chosen_tasks(task)
    require_writable(out)
    if background or workers > 1 or _is_study(scan):
        from .studies.settings import LabelSettings

        settings = LabelSettings(
            sources=(str(scan.absolute()),),
            tasks=tasks,
            workers=workers,
            b0_threshold=b0_threshold,
            mask=absolute(mask),
            bval=absolute(bval),
            bvec=absolute(bvec),
        )
        begin(settings.to_json(), out, background=background, as_json=json, is_study=True)
        return
    from .scans.gradient_check import warn_of_wrong_gradients
    from .scans.load import load_scan
    from .tasks.reference.label import make_labels

    loaded = load_scan(scan, bval=bval, bvec=bvec, mask=mask, b0_threshold=b0_threshold)
    warn_of_wrong_gradients(loaded)
    with console.progress_bar("labels") as progress:
        report: dict[str, Any] = make_labels(loaded, tasks, out, progress)
    show(report, json, title=f"labels in {out}")


def _is_study(path: Path) -> bool:
    """Whether a path names scans, not a scan."""
    if path.is_dir() and any(path.glob("sub-*")):
        return True
    return path.is_file() and path.suffix.lower() in (".csv", ".txt")
