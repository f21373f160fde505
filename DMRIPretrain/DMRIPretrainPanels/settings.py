"""What the user has set for all scenes, kept in Slicer's settings."""

from pathlib import Path

import qt
import slicer

_WHEELHOUSE, _JOBS = "DMRIPretrain/Wheelhouse", "DMRIPretrain/JobsFolder"
_LAST = "DMRIPretrain/LastPrediction"


def wheelhouse():
    """Folder with wheels; empty to download packages."""
    return _text(_WHEELHOUSE)


def setWheelhouse(path):
    """Remember the folder with wheels."""
    qt.QSettings().setValue(_WHEELHOUSE, path)


def jobsFolder():
    """Folder of all jobs: one that was chosen, else one where Slicer saves scenes."""
    documents = getattr(slicer.app, "defaultScenePath", "") or str(Path.home())
    return Path(_text(_JOBS) or Path(documents) / "DMRIPretrain")


def setJobsFolder(path):
    """Remember the folder of all jobs."""
    qt.QSettings().setValue(_JOBS, path)


def lastPrediction():
    """Folder of the last prediction whose result was not shown yet; empty for none."""
    return _text(_LAST)


def setLastPrediction(path):
    """Remember a prediction, also for the next start of Slicer."""
    qt.QSettings().setValue(_LAST, path)


def _text(key):
    value = qt.QSettings().value(key)
    return value if isinstance(value, str) else ""
