"""The kinds of jobs, and what runs them. The libraries that they need are loaded when one is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..progress import Progress
from .events import latest_events
from .folder import JobFolder, is_first_process
from .session import StopSignals, tell_failure
from .worker import refuse_if_busy

#: Runs a job whose settings are known; returns what to tell of its end.
Runner = Callable[[JobFolder, Progress, StopSignals | None], dict[str, Any]]


def run_kind(job: JobFolder, progress: Progress, signals: StopSignals | None = None) -> dict[str, Any]:
    """Run, or go on with, a job of any kind.

    Args:
        job: an existing job.
        progress: told how far it is.
        signals: those that ask this process to stop.

    Returns:
        What to tell of its end.

    Raises:
        UserError: if it is of no known kind, a library is missing, or from the run.
        KeyboardInterrupt: if it was interrupted.
    """
    specification = job.specification()
    if is_first_process() and specification.get("kind") not in ("predict", "label"):
        refuse_if_busy(job)
    try:
        run = _runner_of(job, specification)
    except Exception as error:
        told = tell_failure(job, error)
        if told is error:
            raise
        raise told from error
    content = run(job, progress, signals)
    return {"state": job.told_state(), **content} if is_first_process() else content


def _runner_of(job: JobFolder, specification: dict[str, Any]) -> Runner:
    kind = specification.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UserError(
            f"{job.specification_path}: expected a job of the kind {', '.join(_KINDS)}, found {kind}; use the "
            "version that made it"
        )
    return _KINDS[kind](specification)


def _finetune(specification: dict[str, Any]) -> Runner:
    from ..training.finetune import finetune
    from ..training.settings import FinetuneSettings

    settings = FinetuneSettings.from_json(specification)
    return lambda job, progress, signals: _model(job, finetune(settings, job, progress, signals))


def _pretrain(specification: dict[str, Any]) -> Runner:
    from ..training.pretrain import pretrain
    from ..training.settings import PretrainSettings

    settings = PretrainSettings.from_json(specification)
    return lambda job, progress, signals: _model(job, pretrain(settings, job, progress, signals))


def _model(job: JobFolder, path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    told = latest_events(job.events_path, ["result"]).get("result", {})
    return {"model": str(path), **{k: v for k, v in told.items() if k not in ("time", "kind", "path")}}


def _predict(specification: dict[str, Any]) -> Runner:
    from ..studies.predict import predict_study
    from ..studies.settings import PredictSettings

    settings = PredictSettings.from_json(specification)
    return lambda job, progress, signals: predict_study(settings, _shared(job), progress, signals)


def _label(specification: dict[str, Any]) -> Runner:
    from ..studies.label import label_study
    from ..studies.settings import LabelSettings

    settings = LabelSettings.from_json(specification)
    return lambda job, progress, signals: label_study(settings, _shared(job), progress, signals)


def _shared(job: JobFolder) -> JobFolder:
    return JobFolder(job.path, shared=True)


_KINDS: dict[str, Callable[[dict[str, Any]], Runner]] = {
    "finetune": _finetune,
    "pretrain": _pretrain,
    "predict": _predict,
    "label": _label,
}
