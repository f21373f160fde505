"""Compares two results of one scan, such as those before and after training."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.compare import COMPARE_LAYOUT, COMPARE_VIEWS, compare_steps, show_side_by_side
from DMRIPretrainLib.scene.result import result_steps
from DMRIPretrainLib.scene.shown_result import shown_results
from DMRIPretrainLib.scene.slice_layers import show_in_slices
from DMRIPretrainLib.training.choose_start import SCRATCH
from DMRIPretrainLib.training.settings import FinetuneSettings

from . import settings
from .background import Steps, Task
from .failure_words import predictionFailure, problemText
from .job_watch import JobWatch
from .panel import Panel
from .prediction import Wish, outcomeOf, resultFolder, starter
from .results import fittedSlices
from .words import light

#: Number of the layout with two views; Slicer's own are below 200.
_LAYOUT = 5207
_MAPS = ("labels", "crossings")


class ComparePanel(Panel):
    """Two results that are in the scene, or those of two models, which are predicted first."""

    UI = "ComparePanel.ui"

    def setup(self):
        self.session.comparePanel = self
        self._message = ("none", "")
        self._results = []
        self._queue = []
        self._made = []
        self._scan = None
        self._device = "auto"
        self._starting = None
        self._working = None
        self._watch = JobWatch(self._onTold)
        for text in (_("Labels"), _("Number of fibre populations")):
            self.ui.mapBox.addItem(text)
        for box in (self.ui.beforeBox, self.ui.afterBox, self.ui.mapBox):
            box.connect("currentIndexChanged(int)", self._onChoice)
        self.ui.sideBySideButton.connect("clicked(bool)", self.onSideBySide)
        self.ui.differencesButton.connect("clicked(bool)", self.onDifferences)
        self.ui.section.connect("contentsCollapsed(bool)", self._onChoice)

    @property
    def comparing(self):
        """Whether predictions to compare are being made."""
        return bool(self._queue or self._starting or self._working) or self._watch.state in ("queued", "running")

    def refresh(self):
        results = shown_results(slicer.mrmlScene)
        names = [result.name for result in results]
        if names != [result.name for result in self._results]:
            self._fill(names)
        self._results = results
        two = self._chosen() is not None
        for button in (self.ui.sideBySideButton, self.ui.differencesButton):
            button.enabled = two and not self.comparing
        kind, text = self._message
        if not text and not two:
            kind, text = "none", _("Predict a scan with two models to compare them, or press Compare at a training.")
        self.ui.compareLabel.text = light(kind, text) if text else ""
        self.ui.compareLabel.visible = bool(text)

    def _fill(self, names):
        for box, standard in ((self.ui.beforeBox, -2), (self.ui.afterBox, -1)):
            blocked = box.blockSignals(True)
            chosen = box.currentText
            box.clear()
            for name in names:
                box.addItem(name)
            box.setCurrentIndex(names.index(chosen) if chosen in names else max(0, len(names) + standard))
            box.blockSignals(blocked)

    def _chosen(self):
        """The two results, None unless they are different ones."""
        before, after = self.ui.beforeBox.currentIndex, self.ui.afterBox.currentIndex
        if before == after or min(before, after) < 0 or max(before, after) >= len(self._results):
            return None
        return self._results[before], self._results[after]

    def _onChoice(self, value=None):
        self._message = ("none", "")
        self.refresh()

    def sceneAboutToClose(self):
        self._stopWorking()
        self._results, self._queue, self._scan = [], [], None
        self._message = ("none", "")
        if self._starting is not None:
            self._starting.forget()
            self._starting = None
        self._watch.follow(None)

    def cleanup(self):
        self._watch.stop()
        self._stopWorking()
        if self._starting is not None:
            self._starting.forget()

    # --- what is in the scene ---

    def onSideBySide(self, checked=False):
        self._work(self._showSideBySide(self._chosen()))

    def _showSideBySide(self, results):
        isNew = slicer.app.layoutManager().layout != _LAYOUT
        openCompareLayout()
        yield  # views get their sizes
        with fittedSlices(isNew):
            show_side_by_side(*results, shown=_MAPS[self.ui.mapBox.currentIndex])
        names = (result.name for result in results)
        yield from self.session.results.onlyMaps(dict(zip(names, COMPARE_VIEWS, strict=True)))

    def onDifferences(self, checked=False):
        self._work(self._showDifferences(self._chosen()))

    def _showDifferences(self, results):
        comparison = yield from compare_steps(*results)
        yield
        if slicer.app.layoutManager().layout == _LAYOUT:
            slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
            yield
        yield from self.session.results.onlyMaps()
        wanted = comparison.labels if _MAPS[self.ui.mapBox.currentIndex] == "labels" else comparison.counts
        shown = wanted or comparison.labels or comparison.counts or comparison.angles
        with fittedSlices():
            show_in_slices(slicer.mrmlScene, results[1].background, over=shown)

    def _work(self, steps, text=""):
        self._message = ("busy", text)
        self._working = Steps(steps, self._onWorked)
        self.refresh()

    def _onWorked(self, _result, error):
        self._working = None
        if error is not None:
            self._fail(problemText(error))
            return
        if not self._queue:
            self._message = ("none", "")
        self.session.changed()

    def _stopWorking(self):
        if self._working is not None:
            self._working.forget()
        self._working = None

    # --- two models ---

    def compareJob(self, job):
        """Predict the chosen scan with the starting model of a training and with its result, and show both."""
        start, model = FinetuneSettings.from_json(job.specification()).start, job.result / "model.safetensors"
        self.ui.section.collapsed = False
        if start == SCRATCH:
            text = _("This training began from scratch: there is no model to compare with.")
            self._message = ("error", text)
            self.refresh()
            return
        self._scan, self._made = self.session.parameterNode.scan, []
        self._device = self.session.parameterNode.device.value
        names = (_("before {job}"), _("after {job}"))
        models = zip(names, (start, str(model)), strict=True)
        self._queue = [(name.format(job=job.path.name), chosen) for name, chosen in models]
        self._next()

    def _next(self):
        name, model = self._queue[0]
        self._message = ("busy", _("Predicting: {name}").format(name=name))
        wish = Wish(model, self._device)
        try:
            start = starter(self._scan, wish, Path(settings.jobsFolder()))
        except UserError as error:
            self._fail(problemText(error))
            return
        self._starting = Task(start, self._onStarted)
        self.session.changed()

    def _onStarted(self, job, error):
        self._starting = None
        if error is not None:
            self._fail(problemText(error))
            return
        self._watch.follow(job)

    def _onTold(self):
        status = self._watch.status
        if self._queue and status is not None and status.is_over:
            self._take(self._watch.job, status)
        self.refresh()

    def _take(self, job, status):
        name, _model = self._queue.pop(0)
        self._watch.follow(None)
        folder = resultFolder(job)
        if folder is None:
            self._fail(predictionFailure(status.failure or outcomeOf(job)))
            return
        if not slicer.mrmlScene.IsNodePresent(self._scan):
            self._fail(_("The scan is no longer in the scene; load it and compare again."))
            return
        background = self._made[0].background if self._made else None
        self._work(self._show(folder, name, background), _("Showing: {name}").format(name=name))

    def _show(self, folder, name, background):
        """Add a result, then predict with the other model or show both: steps."""
        self._made.append((yield from result_steps(folder, self._scan, name=name, background=background)))
        if self._queue:
            self._next()
            return
        yield
        self.refresh()
        for box, result in zip((self.ui.beforeBox, self.ui.afterBox), self._made, strict=True):
            box.setCurrentIndex([each.name for each in self._results].index(result.name))
        shown = next((which for which in _MAPS if all(getattr(each, which) is not None for each in self._made)), None)
        if shown is not None:
            self.ui.mapBox.setCurrentIndex(_MAPS.index(shown))
            yield from self._showSideBySide(self._chosen())

    def _fail(self, text):
        self._queue = []
        self._message = ("error", text)
        self.session.changed()


def openCompareLayout():
    """Show two slice views beside each other."""
    node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(_LAYOUT):
        node.AddLayoutDescription(_LAYOUT, COMPARE_LAYOUT)
    slicer.app.layoutManager().setLayout(_LAYOUT)
