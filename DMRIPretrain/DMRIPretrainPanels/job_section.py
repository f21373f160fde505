"""The part of the training panel that is about jobs: the list of them, and the one that is selected."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.failures import Failure
from DMRIPretrainLib.jobs.launch import start_job
from DMRIPretrainLib.jobs.listing import clean_up

from . import settings
from .background import libraryEnvironment, pythonExecutable
from .failure_words import problemText, trainingFailure
from .job_list import TRAININGS, JobList, kindName, stateName
from .job_watch import CurvesView, JobWatch
from .state import AT_WORK
from .words import duration, light

#: Milliseconds between two looks at the jobs folder.
_INTERVAL = 5000
_PICTURE_WIDTH = 320
_LIGHTS = {
    "running": "busy",
    "queued": "busy",
    "stopping": "busy",
    "finished": "right",
    "failed": "error",
    "lost": "error",
}
CHARTS = ("score", "loss", "angle")


class JobSection:
    """Shows jobs, and does with them what users ask for.

    Args:
        ui: widgets of the training panel.
        changed: called when something is known that was not.
        compare: called with the job whose model is to be compared with its start.
        use: called with the path of a model to predict with.
    """

    def __init__(self, ui, changed, compare, use):
        self.ui = ui
        self._changed, self._compare, self._use = changed, compare, use
        self._pictureShown = None
        self._kind = ""
        self._stateTold = self._problem = ""
        self.watch = JobWatch(self._onTold)
        self.curves = CurvesView()
        self.list = JobList(ui.jobsTable, self.follow, changed)
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.refreshList)
        for text in (_("Validation"), _("Loss"), _("Angles")):
            ui.chartBox.addItem(text)
        ui.chartBox.connect("currentIndexChanged(int)", self._onChart)
        ui.curvesBox.connect("toggled(bool)", self._onCurves)
        ui.stopButton.connect("clicked(bool)", self._onStop)
        ui.resumeButton.connect("clicked(bool)", self._onResume)
        ui.useButton.connect("clicked(bool)", lambda: self._use(self.model))
        ui.compareButton.connect("clicked(bool)", lambda: self._compare(self.watch.job))
        ui.openFolderButton.connect("clicked(bool)", lambda: self._open(self.watch.job.path))
        ui.logButton.connect("clicked(bool)", lambda: self._open(self.watch.job.log_path))
        ui.cleanButton.connect("clicked(bool)", self._onClean)
        ui.refreshButton.connect("clicked(bool)", self.refreshList)

    # --- what is known ---

    @property
    def kind(self):
        """Kind of the job that is looked at."""
        return self._kind

    @property
    def model(self):
        """Path of its model; None where it has none."""
        path = self.watch.job.result / "model.safetensors" if self.watch.job is not None else None
        return path if path is not None and path.is_file() else None

    @property
    def trains(self):
        """Whether any training is at work."""
        # The list is some seconds old; what is known of the selected job is not.
        selected = self.watch.job.path if self.watch.job is not None else None
        return self.list.trains(selected) or (self._kind in TRAININGS and self.watch.state in AT_WORK)

    # --- what may be done ---

    def enter(self):
        """Look at the jobs folder, now and then."""
        self.refreshList()
        self._timer.start()

    def stop(self):
        """Look no more; jobs are left alone."""
        self._timer.stop()
        self.watch.stop()
        self.list.stop()

    def sceneAboutToClose(self):
        """The curves go with the scene; the job does not."""
        self.curves.sceneAboutToClose()
        self.ui.curvesBox.checked = False

    def refreshList(self, checked=False):
        """Look at the jobs folder."""
        self.list.refresh(settings.jobsFolder())

    def start(self, job):
        """Start a job that was made, and follow it.

        Raises:
            UserError: if it cannot be started.
        """
        start_job(job, python=pythonExecutable(), environment=libraryEnvironment())
        self.follow(job)
        self.list.select(job.path)
        self.refreshList()

    def follow(self, job):
        """Look at this job."""
        self._pictureShown, self._problem = None, ""
        try:
            self._kind = str(job.specification().get("kind"))
        except UserError:
            self._kind = ""
        self.watch.follow(job)

    def show(self, facts):
        """Show the job, and what may be done with it."""
        ui, there = self.ui, bool(facts.job)
        ui.followGroup.visible = there
        ui.stopButton.enabled, ui.resumeButton.enabled = facts.canStop, facts.canResume
        ui.useButton.enabled, ui.compareButton.enabled = facts.canUse, facts.canCompare
        ui.cleanButton.enabled = facts.canClean
        ui.openFolderButton.enabled = ui.logButton.enabled = there
        ui.stopButton.text = _("Stop and keep best") if self._kind == "finetune" else _("Stop")
        if there:
            ui.followGroup.title = _("Selected job: {name}").format(name=self.watch.job.path.name)
            ui.jobLabel.text = self._stateText()
            self._showProgress()
            ui.detailLabel.text = self._details()
            ui.detailLabel.visible = bool(ui.detailLabel.text)
            self._showPicture()

    # --- how it is shown ---

    def _onTold(self):
        if self.watch.state != self._stateTold:
            self._stateTold = self.watch.state
            self.refreshList()
        if self.ui.curvesBox.checked and self.watch.newCurves and not self.watch.behind:
            self.curves.draw(self.watch)
        self._changed()

    def _stateText(self):
        state, status = self.watch.state, self.watch.status
        text = f"{kindName(self._kind).capitalize()}: {stateName(state)}"
        progress = status.latest.get("progress", {}).get("what") if status is not None and state in AT_WORK else None
        if isinstance(progress, str):
            text += f", {progress}"
        if status is not None and isinstance(status.failure, Failure):
            text += f". {trainingFailure(status.failure)}"
        return light(_LIGHTS.get(state, "none"), text)

    def _showProgress(self):
        fraction = self.watch.status.fraction if self.watch.status is not None else None
        self.ui.trainProgress.visible = fraction is not None
        self.ui.trainProgress.value = round(100 * (fraction or 0))

    def _details(self):
        lines = [self._numbers()] if self.watch.status is not None else []
        warnings = list(self.watch.curves.warnings)
        lines += [light("warning", warnings[-1])] if warnings else []
        lines += [light("error", self._problem)] if self._problem else []
        return "<br>".join(filter(None, lines))

    def _numbers(self):
        """The best model so far, the time left or expected, and memory."""
        status, parts = self.watch.status, []
        best, estimate = status.latest.get("best", {}), status.latest.get("estimate", {})
        if isinstance(best.get("score"), int | float):
            where = _("the start") if best.get("step") == 0 else _("step {step}").format(step=best.get("step"))
            parts.append(_("Best score {score:.3f}, at {where}").format(score=best["score"], where=where))
        if status.seconds_left is not None:
            parts.append(_("about {time} left").format(time=duration(status.seconds_left)))
        elif isinstance(estimate.get("seconds"), int | float) and not status.is_over:
            parts.append(_("about {time} in all").format(time=duration(estimate["seconds"])))
        memory = status.latest.get("progress", {}).get("gpu_memory_mb")
        if isinstance(memory, int | float) and not status.is_over:
            parts.append(_("{memory:.1f} GB of the graphics card").format(memory=memory / 1000))
        return "; ".join(parts)

    def _showPicture(self):
        event = self.watch.status.latest.get("picture") if self.watch.status is not None else None
        label, shown = self.ui.pictureLabel, (event or {}).get("time")
        if event is None:
            label.visible = False
        elif shown != self._pictureShown:
            self._pictureShown = shown
            pixmap = _picture(self.watch.job, str(event.get("path")))
            label.visible = pixmap is not None
            if pixmap is not None:
                label.setPixmap(pixmap.scaledToWidth(_PICTURE_WIDTH, qt.Qt.SmoothTransformation))
        else:
            label.visible = True

    # --- buttons ---

    def _onCurves(self, shown):
        if shown:
            self.curves.draw(self.watch)
            self.curves.show()
        else:
            self.curves.hide()
            self.curves.forget()

    def _onChart(self, index):
        self.curves.kind = CHARTS[index]
        if self.ui.curvesBox.checked:
            self.curves.draw(self.watch)

    def _onStop(self, checked=False):
        self._try(lambda job: job.request_stop())

    def _onResume(self, checked=False):
        self._try(lambda job: start_job(job, python=pythonExecutable(), environment=libraryEnvironment()))

    def _onClean(self, checked=False):
        question = _("Delete checkpoints and pictures of {name}? The result stays; the job cannot be resumed.")
        if slicer.util.confirmOkCancelDisplay(question.format(name=self.watch.job.path.name), _("Free disk space")):
            self._pictureShown = None
            self._try(clean_up)

    def _open(self, path):
        if Path(path).exists():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
            return
        self._problem = _("{path} is not there; press Look again to see which jobs there are.").format(path=path)
        self._changed()

    def _try(self, action):
        self._problem = ""
        try:
            action(self.watch.job)
        except UserError as error:
            self._problem = problemText(error)
        self.watch.look()
        self.refreshList()
        self._changed()


def _picture(job, path):
    try:
        pixmap = qt.QPixmap(str(job.inside(path)))
    except UserError:
        return None
    return None if pixmap.isNull() else pixmap
