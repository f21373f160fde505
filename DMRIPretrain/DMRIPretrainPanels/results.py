"""Results in the scene, and the glyphs that are drawn of them."""

from contextlib import contextmanager
from dataclasses import replace

import qt
import slicer

from DMRIPretrainLib.scene.glyph_display import attach_displays
from DMRIPretrainLib.scene.glyph_settings import ShownIn3D
from DMRIPretrainLib.scene.result import result_steps
from DMRIPretrainLib.scene.segmentation import show_segment
from DMRIPretrainLib.scene.shown_result import shown_results
from DMRIPretrainLib.scene.slice_layers import places_shown, show_in_slices

from .background import Steps

#: Milliseconds after the last move of a slice at which fODFs are drawn.
_REST = 150
#: White matter lets the glyphs inside it be seen.
_WHITE_MATTER_OPACITY = 0.15


@contextmanager
def fittedSlices(always=False):
    """Fit slice views to what they show afterwards if it is at another place; else they stay as the user left them.

    Args:
        always: fit them in any case, such as those of a layout that was just opened: what views show that are hidden
            changes with the others, where they look does not.
    """
    before = places_shown(slicer.mrmlScene)
    yield
    if always or places_shown(slicer.mrmlScene) != before:
        slicer.util.resetSliceViews()


class Results:
    """Adds results to the scene, and keeps a display for each node of glyphs."""

    def __init__(self):
        self._displays = []
        self._task = None
        self._steps = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST)
        self._timer.connect("timeout()", self._onRest)

    def names(self):
        """Names of the results in the scene."""
        return [shown.name for shown in shown_results(slicer.mrmlScene)]

    def find(self, name):
        """The result of this name, None where there is none."""
        return next((shown for shown in shown_results(slicer.mrmlScene) if shown.name == name), None)

    def add(self, folder, scan, name):
        """Add a folder of results beside its scan, and show it in slices and in 3D: steps that return its name.

        Raises:
            UserError: if there is none, or it is of another scan.
        """
        shown = yield from result_steps(folder, scan, name=name)
        with slicer.util.RenderBlocker():  # all of it is seen at once
            if shown.segmentation is not None:
                segments = shown.segmentation.GetSegmentation()
                if segments.GetSegment("WM") is not None and shown.glyphs is not None:
                    show_segment(shown.segmentation, "WM", opacity_3d=_WHITE_MATTER_OPACITY)
            yield
            self._hideOthers(shown)
            yield
            display = self.display(shown, draw=False)
            if display is not None:
                yield from display.change(replace(display.settings, in_3d=ShownIn3D.SLICES))
            slicer.util.resetSliceViews()
            yield
            slicer.util.resetThreeDViews()
        return shown.name

    def show(self, name):
        """Show a result, and hide the others; glyphs are drawn slice by slice, and then all of it is seen."""
        self._stop()
        shown = self.find(name)
        if shown is not None:
            steps = self._appear(shown)
            next(steps)  # the controls read what is shown from the scene
            self._steps = Steps(steps, _onShown)

    def _appear(self, shown):
        with slicer.util.RenderBlocker():
            self._hideOthers(shown)
            if shown.segmentation is not None:
                shown.segmentation.GetDisplayNode().SetVisibility(True)
                shown.segmentation.GetDisplayNode().SetVisibility2D(True)
            with fittedSlices():
                show_in_slices(slicer.mrmlScene, shown.background, over=shown.crossings)
            display = self.display(shown, draw=False)
            drawing = display.change(replace(display.settings, visible=True, views=())) if display is not None else ()
            yield
            yield from drawing

    def onlyMaps(self, views=None):
        """Leave nothing over the maps in the slices but the glyphs of some results, each in one slice view: steps.

        Args:
            views: name of the slice view by name of the result.
        """
        self._stop()
        for shown in shown_results(slicer.mrmlScene):
            if shown.segmentation is not None:
                shown.segmentation.GetDisplayNode().SetVisibility2D(False)
            display, view = self.display(shown, draw=False), (views or {}).get(shown.name)
            if display is not None:
                settings = replace(display.settings, visible=view is not None, views=(view,) if view else ())
                yield from display.change(settings)

    def display(self, shown, draw=True):
        """The display of a result's glyphs, None where it has none; one that is new is drawn unless told not to."""
        if shown is None or shown.glyphs is None:
            return None
        self._displays = attach_displays(slicer.mrmlScene, self._displays, self._schedule, draw=draw)
        return next((display for display in self._displays if display.node is shown.glyphs), None)

    def close(self):
        """Take the drawings out of the views; the nodes stay."""
        self._stop()
        self._timer.stop()
        self._task = None
        for display in self._displays:
            display.close()
        self._displays = []

    def _stop(self):
        if self._steps is not None:
            self._steps.forget()
        self._steps = None

    def _hideOthers(self, shown):
        """Others would be drawn over this one."""
        for other in shown_results(slicer.mrmlScene):
            if other.name == shown.name:
                continue
            if other.segmentation is not None:
                other.segmentation.GetDisplayNode().SetVisibility(False)
            display = self.display(other, draw=False)
            if display is not None:
                display.settings = replace(display.settings, visible=False)

    def _schedule(self, task):
        self._task = task
        self._timer.start()

    def _onRest(self):
        task, self._task = self._task, None
        if task is not None:
            task()


def _onShown(_result, error):
    if error is not None:
        raise error
