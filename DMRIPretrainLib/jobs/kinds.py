"""The kinds of jobs, and what runs them. The libraries that they need are loaded when one is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..progress import Progress
from .events import latest_events
from .folder import JobFolder, is_first_process
from .session import StopSignals

Runner = Callable[[JobFolder, dict[str, Any], Progress, StopSignals | None], dict[str, Any]]


def run_kind(job: JobFolder, progress: Progress, signals: StopSignals | None = None) -> dict[str, Any]:
    """Run, or go on with, a job of any kind.

    Args:
        job: an existing job.
        progress: told how far it is.
        signals: those that ask this process to stop.

    Returns:
        What to tell of its end.

    Raises:
        UserError: if it is of no known kind, or from the run.
        KeyboardInterrupt: if it was interrupted.
    """
    specification = job.specification()
    kind = specification.get("kind")
    if not isinstance(kind, str) or kind not in _RUNNERS:
        raise UserError(
            f"{job.specification_path}: expected a job of the kind {', '.join(_RUNNERS)}, found {kind}; use the "
            "version that made it"
        )
    content = _RUNNERS[kind](job, specification, progress, signals)
    return {"state": job.told_state(), **content} if is_first_process() else content


def _finetune(
    job: JobFolder, specification: dict[str, Any], progress: Progress, signals: StopSignals | None
) -> dict[str, Any]:
    from ..training.finetune import FinetuneSettings, finetune

    return _model(job, finetune(FinetuneSettings.from_json(specification), job, progress, signals))


def _pretrain(
    job: JobFolder, specification: dict[str, Any], progress: Progress, signals: StopSignals | None
) -> dict[str, Any]:
    from ..training.pretrain import PretrainSettings, pretrain

    return _model(job, pretrain(PretrainSettings.from_json(specification), job, progress, signals))


def _model(job: JobFolder, path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    told = latest_events(job.events_path, ["result"]).get("result", {})
    return {"model": str(path), **{k: v for k, v in told.items() if k not in ("time", "kind", "path")}}


def _predict(
    job: JobFolder, specification: dict[str, Any], progress: Progress, signals: StopSignals | None
) -> dict[str, Any]:
    from ..studies.predict import PredictSettings, predict_study

    shared = JobFolder(job.path, shared=True)
    return predict_study(PredictSettings.from_json(specification), shared, progress, signals)


def _label(
    job: JobFolder, specification: dict[str, Any], progress: Progress, signals: StopSignals | None
) -> dict[str, Any]:
    from ..studies.label import LabelSettings, label_study

    shared = JobFolder(job.path, shared=True)
    return label_study(LabelSettings.from_json(specification), shared, progress, signals)


_RUNNERS: dict[str, Runner] = {"finetune": _finetune, "pretrain": _pretrain, "predict": _predict, "label": _label}
