"""Follows one job: its state, its curves, its pictures; each look at it takes a few milliseconds."""

import qt
import slicer

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.curves import Curves
from DMRIPretrainLib.jobs.status import JobWatcher

#: Milliseconds between two looks, and where there is more of the past to read.
_INTERVAL, _CATCHING_UP = 500, 40


class JobWatch:
    """Looks at a job as long as it is at work.

    Args:
        told: called after each look that found something new.

    Attributes:
        job: the ``JobFolder``, None for none.
        status: what it does, a ``JobStatus``; None where it cannot be read.
        curves: its metrics so far.
        newCurves: whether there are points that nobody has drawn.
    """

    def __init__(self, told):
        self.job, self.status, self.curves, self.newCurves = None, None, Curves(), False
        self._told = told
        self._watcher = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.look)

    @property
    def state(self):
        """State of the job in one word; empty where there is no job."""
        if self.job is None:
            return ""
        return (self.status.state if self.status is not None else None) or "unknown"

    @property
    def behind(self):
        """Whether more of the past is still to be read."""
        return self._watcher is not None and self._watcher.behind

    def follow(self, job):
        """Follow this job from its beginning, None for none."""
        self._timer.stop()
        self.job, self.status, self.curves, self.newCurves = job, None, Curves(), False
        self._watcher = None
        if job is not None:
            try:
                self._watcher = JobWatcher(job)
            except (UserError, OSError):
                self.job = None
            self.look()
        self._told()

    def stop(self):
        """Look no more."""
        self._timer.stop()

    def look(self):
        """Look once, and decide when to look again."""
        if self._watcher is None:
            return
        before = self._shown()
        try:
            events = self._watcher.read()
            self.status = self._watcher.status()
        except (UserError, OSError):
            # The folder was taken away or replaced.
            self._timer.stop()
            self.status = None
            self._told()
            return
        self.curves.add(events)
        self.newCurves = self.newCurves or any(event["kind"] == "metric" for event in events)
        self._schedule()
        if before != self._shown() or events:
            self._told()

    def _schedule(self):
        if self._watcher.behind:
            self._timer.setInterval(_CATCHING_UP)
        elif self.status.is_over and not self.status.workers:
            self._timer.stop()
            return
        else:
            self._timer.setInterval(_INTERVAL)
        self._timer.start()

    def _shown(self):
        return (self.status.state, self.status.latest) if self.status is not None else None


class CurvesView:
    """The curves of a job in a plot view beside the others.

    Attributes:
        kind: which chart is shown: ``score``, ``loss`` or ``angle``.
    """

    def __init__(self):
        self.kind = "score"
        self._curves = None
        self._path = None
        self._layoutBefore = None

    @property
    def shown(self):
        """Whether the plot view was opened for the curves."""
        return self._layoutBefore is not None

    @property
    def kinds(self):
        """Charts that there are."""
        return list(self._curves.charts) if self._curves is not None else []

    def draw(self, watch):
        """Bring the curves of the watched job up to date."""
        from DMRIPretrainLib.scene.curves import TrainingCurves

        if watch.job is None:
            return
        if self._curves is None or self._path != watch.job.path:
            self.forget()
            self._curves, self._path = TrainingCurves(slicer.mrmlScene, watch.job.path.name), watch.job.path
        self._curves.replace(watch.curves.by_name)
        watch.newCurves = False
        self._choose()

    def show(self):
        """Open a plot view beside the four others."""
        if not self.shown:
            manager = slicer.app.layoutManager()
            self._layoutBefore = manager.layout
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
        self._choose()

    def hide(self):
        """Put the views as they were."""
        if self.shown:
            slicer.app.layoutManager().setLayout(self._layoutBefore)
            self._layoutBefore = None

    def forget(self):
        """Take the nodes of the curves out of the scene: the job folder keeps them."""
        if self._curves is None:
            return
        scene = slicer.mrmlScene
        for chart in self._curves.charts.values():
            series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
            for node in [chart, *series]:
                if node is not None and scene.IsNodePresent(node):
                    scene.RemoveNode(node)
        for table in self._curves.tables.values():
            if scene.IsNodePresent(table):
                scene.RemoveNode(table)
        self._curves = self._path = None

    def sceneAboutToClose(self):
        """The nodes go with the scene."""
        self._curves = self._path = None
        self._layoutBefore = None

    def _choose(self):
        manager = slicer.app.layoutManager()
        if not self.shown or not self.kinds or not manager.plotViewCount:
            return
        kind = self.kind if self.kind in self.kinds else self.kinds[0]
        view = manager.plotWidget(0).mrmlPlotViewNode()
        if view.GetPlotChartNodeID() != self._curves.charts[kind].GetID():
            view.SetPlotChartNodeID(self._curves.charts[kind].GetID())
