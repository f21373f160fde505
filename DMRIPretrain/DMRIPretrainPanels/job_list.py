"""The list of jobs in the jobs folder, those of earlier sessions too."""

from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.listing import find_jobs
from DMRIPretrainLib.jobs.status import read_status

from .background import Task
from .state import AT_WORK
from .table_layout import layOut

TRAININGS = ("finetune", "pretrain")


@dataclass(frozen=True)
class JobLine:
    """What the list says of a job: its path, kind, state (``unknown`` where it was never started), and part done."""

    path: object
    kind: str
    state: str
    fraction: object
    created: str


def kindName(kind):
    """What a kind of job is called."""
    names = {"finetune": _("training"), "pretrain": _("pretraining"), "label": _("labels"), "predict": _("prediction")}
    return names.get(kind, kind)


def stateName(state):
    """What a state of a job is called."""
    names = {
        "preparing": _("preparing"),
        "queued": _("starting"),
        "running": _("running"),
        "stopping": _("stopping"),
        "stopped": _("stopped"),
        "finished": _("finished"),
        "failed": _("failed"),
        "lost": _("broken off"),
    }
    return names.get(state, _("not started"))


def lookForJobs(root):
    """A line for each job below a folder, the newest first; for a thread: it reads many files."""
    if not root.is_dir():
        return []
    lines = [line for job in find_jobs(root, depth=2) if (line := _lineOf(job)) is not None]
    return sorted(lines, key=lambda line: line.created, reverse=True)


def _lineOf(job):
    try:
        description, status = job.description(), read_status(job)
    except (UserError, OSError):
        return None
    kind = str(description["specification"].get("kind"))
    return JobLine(job.path, kind, status.state or "unknown", status.fraction, str(description.get("created")))


class JobList:
    """Shows the jobs in a ``QTableWidget``.

    Args:
        table: the widget.
        selected: called with the ``JobFolder`` that the user has selected.
        changed: called when the list was read again.

    Attributes:
        lines: what is shown.
    """

    def __init__(self, table, selected, changed):
        self.lines = []
        self._table, self._selected, self._changed = table, selected, changed
        self._task = None
        self._wanted = None
        self._filling = False
        layOut(table, [_("Job"), _("Kind"), _("State"), _("Done")], wide=1, heights=(110, 140))
        table.connect("itemSelectionChanged()", self._onSelection)

    def trains(self, besides=None):
        """Whether a training in the list is at work, apart from the job in the folder ``besides``."""
        return any(line.kind in TRAININGS and line.state in AT_WORK and line.path != besides for line in self.lines)

    def refresh(self, root):
        """Read the folder again, in a thread."""
        if self._task is None:
            self._task = Task(lambda: lookForJobs(root), self._onLooked)

    def select(self, path):
        """Select the job in this folder, now or when it is found."""
        self._wanted = path
        self._fill()

    def stop(self):
        """Forget what is under way."""
        if self._task is not None:
            self._task.forget()
            self._task = None

    def _onLooked(self, lines, error):
        self._task = None
        if error is None:
            self.lines = lines
            self._fill()
        self._changed()

    def _fill(self):
        self._filling = True
        self._table.setRowCount(len(self.lines))
        chosen = -1
        for row, line in enumerate(self.lines):
            done = "" if line.fraction is None else f"{line.fraction:.0%}"
            texts = (line.path.name, kindName(line.kind), stateName(line.state), done)
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(str(line.path))
                self._table.setItem(row, column, item)
            if line.path == self._wanted:
                chosen = row
        if chosen >= 0:
            self._table.selectRow(chosen)
        else:
            self._table.clearSelection()
        self._filling = False

    def _onSelection(self):
        rows = {index.row() for index in self._table.selectedIndexes()}
        if self._filling or not rows:
            return
        self._wanted = self.lines[min(rows)].path
        self._selected(JobFolder(self._wanted))
