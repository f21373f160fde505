"""Makes reference labels for cases that have none: a job, and what comes of it."""

import csv

from slicer.i18n import tr as _

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.launch import start_job

from . import settings
from .background import libraryEnvironment, pythonExecutable
from .failure_words import labelFailure
from .job_watch import JobWatch
from .training_jobs import jobFolder, labelSpecification


class LabelMaking:
    """One job at a time.

    Args:
        preparation: writes the cases.
        changed: called when it has begun, come further or ended.
        made: called with the folder of labels of each case that has some now.
        failed: called with what went wrong.
    """

    def __init__(self, preparation, changed, made, failed):
        self._preparation = preparation
        self._changed, self._made, self._failed = changed, made, failed
        self._scans = {}
        self._watch = JobWatch(self._onTold)
        self.running = False

    @property
    def job(self):
        """The ``JobFolder`` of the last job, None before the first."""
        return self._watch.job

    @property
    def progress(self):
        """What it is at, in words."""
        status = self._watch.status
        return status.latest.get("progress", {}).get("what", _("starting")) if status is not None else _("starting")

    def begin(self, cases, tasks):
        """Make labels for these cases."""
        folder = jobFolder(settings.jobsFolder(), "", "labels")

        def start(export, specification):
            job = JobFolder(export.folder)
            job.create(specification)
            start_job(job, python=pythonExecutable(), environment=libraryEnvironment())
            self._scans = dict(zip(cases, export.scans, strict=True))
            self.running = True
            self._watch.follow(job)

        def prepare(export, table):
            return labelSpecification(export.scans, tasks)

        self._preparation.begin(cases, tasks, folder, prepare, start)

    def stop(self):
        """Look no more; the job is left alone."""
        self._watch.stop()

    def _onTold(self):
        status = self._watch.status
        if self.running and status is None:
            self.running = False
            self._failed(_("The folder of the labels is gone; make them again."))
        elif self.running and status.is_over:
            self.running = False
            self._take(status)
        self._changed()

    def _take(self, status):
        made, failed = _outcomes(self._watch.job)
        self._made({case: str(made[scan]) for case, scan in self._scans.items() if scan in made})
        if status.failure is not None:
            self._failed(labelFailure(status.failure))
        elif failed:
            self._failed(_("No labels: {why}").format(why="; ".join(failed)))


def _outcomes(job):
    """Folder of labels of each scan that has them, and why the others have none."""
    path = job.result / "outcomes.tsv"
    if not path.is_file():
        return {}, []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    made = {row["scan"]: job.result / row["name"] for row in rows if row["state"] == "done"}
    return made, [row["message"] for row in rows if row["state"] != "done"]
