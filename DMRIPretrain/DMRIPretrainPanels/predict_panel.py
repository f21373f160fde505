"""Predict: with which model, how far it is, and what came of it."""

import time
from contextlib import suppress
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.status import JobWatcher
from DMRIPretrainLib.scene.steps import require_in_scene

from . import settings
from .background import Steps, Task
from .failure_words import predictionFailure, problemText
from .models import describe, shippedNames
from .panel import Panel
from .prediction import Wish, imageOf, outcomeOf, resultFolder, starter
from .processes import endTree
from .scan_files import openFiles, scanOf
from .state import AT_WORK
from .words import duration, light

#: Milliseconds between two looks at a job.
_INTERVAL = 250
#: Seconds that a job has to end by itself when it was cancelled.
_PATIENCE = 10.0
#: Bytes of the log that are shown, from its end.
_LOG = 20_000


class PredictPanel(Panel):
    """A prediction is a job in a process of its own; it goes on when Slicer is closed, and is found again."""

    UI = "PredictPanel.ui"

    def setup(self):
        self._job = self._watcher = self._status = self._starting = self._showing = None
        self._scanID = ""
        self._message = ("none", "")
        self._cancelled = 0.0
        self._mayShow = False
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.look)
        self._chosen = None
        self.ui.modelBox.connect("activated(int)", self.onModel)
        self.ui.predictButton.connect("clicked(bool)", self.onPredict)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self.ui.showButton.connect("clicked(bool)", self.onShow)
        self.ui.logButton.connect("clicked(bool)", self.onLog)

    def enter(self):
        """A prediction that was started before Slicer was closed is taken up again."""
        path = settings.lastPrediction()
        if self._job is None and self._starting is None and path and (Path(path) / "job.json").is_file():
            self._watch(JobFolder(Path(path)))

    def cleanup(self):
        self._timer.stop()
        if self._starting is not None:
            self._starting.forget()
        self._stopShowing()

    def sceneAboutToClose(self):
        self._scanID = ""
        if self._showing is not None:
            self._stopShowing()
            self._mayShow = True
            self._say("right", _("The prediction has ended."), job="finished")

    # --- what is shown --------------------------------------------------------------------------

    def refresh(self):
        parameters = self.session.parameterNode
        if parameters is not None:
            self._showModel(parameters)
        facts = self.session.facts
        reasons = {
            "packages": _("Install the missing packages first: see Set-up."),
            "scan": _("Choose a scan first."),
            "problem": _("Choose a scan that can be predicted: see Scan."),
            "model": _("Choose a model first."),
            "work": _("A prediction is being made."),
            "": _("Predict the scan in a process of its own. Slicer stays free, and the result is shown at the end."),
        }
        self.ui.predictButton.enabled = facts.canPredict
        self.ui.predictButton.toolTip = reasons[facts.obstacle]
        for widget in (self.ui.modelBox, self.ui.deviceBox, self.ui.ensembleBox):
            widget.enabled = not facts.atWork
        self.ui.progressBar.visible = self.ui.cancelButton.visible = facts.atWork
        self.ui.cancelButton.enabled = facts.canCancel
        self.ui.showButton.visible = self._mayShow
        self.ui.logButton.visible = self._message[0] == "error" and self._job is not None
        self.ui.statusLabel.visible = bool(self._message[1])
        self.ui.statusLabel.text = light(*self._message) if self._message[1] else ""

    def _showModel(self, parameters):
        names = shippedNames() if self._chosen is None else self._names
        chosen = (parameters.model or (names[0] if names else ""), parameters.modelFile)
        if chosen == self._chosen:
            return
        self._chosen, self._names = chosen, names
        box = self.ui.modelBox
        blocked = box.blockSignals(True)
        box.clear()
        for name in names:
            box.addItem(name, name)
        if parameters.modelFile:
            box.addItem(Path(parameters.modelFile).name, parameters.modelFile)
        box.addItem(_("Choose a file..."), "")
        if parameters.modelFile:
            box.setCurrentIndex(len(names))
        else:  # a scene may name a model of another version
            box.setCurrentIndex(names.index(chosen[0]) if chosen[0] in names else -1)
        box.blockSignals(blocked)
        try:
            text, known = describe(*chosen), True
        except UserError as error:
            text, known = light("error", problemText(error)), False
        self.ui.tasksLabel.text = text
        self.session.facts = self.session.facts.but(model=known)

    def onModel(self, index):
        parameters = self.session.parameterNode
        if index < len(self._names):
            parameters.model, parameters.modelFile = self._names[index], ""
        elif not self.ui.modelBox.itemData(index):
            filters = _("Models") + " (*.safetensors)"
            path = qt.QFileDialog.getOpenFileName(self.widget, _("Choose a model"), "", filters)
            if path:
                parameters.modelFile = path
            self._chosen = ()
        self.session.changed()

    def _say(self, kind, text, **facts):
        self._message = (kind, text)
        self.session.tell(**facts)

    # --- the job --------------------------------------------------------------------------------

    def onPredict(self, checked=False):
        parameters = self.session.parameterNode
        self._scanID = parameters.scan.GetID()
        model = parameters.modelFile or self._chosen[0]
        wish = Wish(model, parameters.device.value, parameters.ensemble)
        self._job, self._mayShow = None, False
        try:
            start = starter(parameters.scan, wish, settings.jobsFolder())
        except UserError as error:
            self._say("error", problemText(error), job="failed")
            return
        self.ui.progressBar.value = 0
        self._starting = Task(start, self._onStarted)
        self._say("busy", _("Starting..."), job="preparing")

    def _onStarted(self, job, error):
        self._starting = None
        if error is not None:
            self._say("error", problemText(error), job="failed")
            return
        settings.setLastPrediction(str(job.path))
        self._watch(job)

    def _watch(self, job):
        try:
            self._watcher = JobWatcher(job)
        except (UserError, OSError):
            return
        self._job, self._cancelled = job, 0.0
        self.look()
        if self._status is not None and not self._status.is_over:
            self._timer.start()

    def look(self):
        """See what the job does; takes a few milliseconds."""
        try:
            self._watcher.read()
            while self._watcher.behind:
                self._watcher.read()
            status = self._status = self._watcher.status()
        except (UserError, OSError) as error:
            self._timer.stop()
            self._say("error", _("The folder of the job cannot be read: {error}").format(error=error), job="failed")
            return
        if not status.is_over:
            self._showProgress(status)
        else:
            self._timer.stop()
            self._end(status)

    def _showProgress(self, status):
        fraction, left = status.fraction or 0.0, status.seconds_left
        self.ui.progressBar.value = round(100 * fraction)
        text = _("Waiting for the process") if status.state == "queued" else _("Loading the model")
        text = status.latest.get("progress", {}).get("what") or text
        if left is not None and status.state == "running":
            text = _("{what}, {time} left").format(what=text, time=duration(left))
        state = status.state
        if self._cancelled:
            state, text = "stopping", _("Cancelling...")
            self._insist(status)
        self._say("busy", text[:1].upper() + text[1:], job=state)

    def _insist(self, status):
        """A process that has just begun may have taken the request for an old one; one that is stuck is ended."""
        if not self._job.stop_requested():
            with suppress(UserError):
                self._job.request_stop()
        if time.monotonic() - self._cancelled > _PATIENCE:
            for worker in status.workers:
                endTree(worker)

    def _end(self, status):
        wasAtWork = self.session.facts.atWork
        if self._cancelled or status.state == "stopped":
            settings.setLastPrediction("")
            self._say("none", _("The prediction was cancelled."), job="stopped")
        elif status.state == "finished" and resultFolder(self._job) is not None:
            if wasAtWork and self.session.parameterNode is not None:
                self.onShow()
                return
            # The module is not shown, or has just been opened.
            self._mayShow = settings.lastPrediction() == str(self._job.path)
            text = _("A prediction has ended while the module was closed.") if self._mayShow else ""
            self._say("right", text, job="finished")
        else:
            settings.setLastPrediction("")
            failure = status.failure
            self._say("error", predictionFailure(failure or outcomeOf(self._job)), job="failed")

    def onCancel(self, checked=False):
        self._cancelled = time.monotonic()
        try:
            self._job.request_stop()
        except UserError as error:
            self._say("error", problemText(error))
            return
        self.look()

    def onShow(self, checked=False):
        self._stopShowing()
        self._mayShow = False
        self._showing = Steps(self._show(time.monotonic()), self._onShown)
        self._say("busy", _("Showing the result..."), job="preparing")

    def _show(self, begun):
        """Show the result beside its scan: steps that return its name and how long all of it has taken."""
        scan = yield from self._scan()
        name = f"{scan.GetName()} {_('prediction')}"
        result = yield from self.session.results.add(resultFolder(self._job), scan, name)
        return result, self._seconds() or time.monotonic() - begun

    def _onShown(self, shown, error):
        self._showing = None
        if error is not None:
            self._say("error", problemText(error), job="failed")
            return
        settings.setLastPrediction("")
        result, seconds = shown
        if self.session.parameterNode is not None:  # the module may have been left meanwhile
            self.session.parameterNode.result = result
        text = _("Done in {time}: {result}").format(time=duration(seconds), result=result)
        self._say("right", text, job="finished", result=True)

    def _stopShowing(self):
        if self._showing is not None:
            self._showing.forget()
        self._showing = None

    def _scan(self):
        """The scan that was predicted; opened again where it is no longer in the scene: steps."""
        node = slicer.mrmlScene.GetNodeByID(self._scanID) if self._scanID else None
        image, bval, bvec = imageOf(self._job)
        node = node or scanOf(slicer.mrmlScene, image)
        if node is None:
            node = yield from openFiles(slicer.mrmlScene, image, bval, bvec)
            yield
            require_in_scene(node)
        self._scanID = node.GetID()
        if self.session.parameterNode is not None and self.session.parameterNode.scan is None:
            self.session.parameterNode.scan = node
        return node

    def _seconds(self):
        events = self._job.read_events()
        times = [event["time"] for event in events if event["kind"] == "state"]
        return times[-1] - times[0] if len(times) > 1 else None

    def onLog(self, checked=False):
        try:
            with self._job.log_path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _LOG))
                text = file.read().decode("utf-8", errors="replace")
        except OSError as error:
            text = str(error)
        slicer.util.infoDisplay(_("The log is {path}").format(path=self._job.log_path), detailedText=text or _("empty"))

    @property
    def atWork(self):
        """Whether a job is being watched."""
        return self.session.facts.job in AT_WORK
