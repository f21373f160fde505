"""Results in the scene, and the glyphs that are drawn of them."""

from dataclasses import replace

import qt
import slicer

from DMRIPretrainLib.scene.glyph_display import attach_displays
from DMRIPretrainLib.scene.glyph_settings import ShownIn3D
from DMRIPretrainLib.scene.result import show_result
from DMRIPretrainLib.scene.segmentation import show_segment
from DMRIPretrainLib.scene.shown_result import shown_results
from DMRIPretrainLib.scene.slice_layers import show_in_slices

#: Milliseconds after the last move of a slice at which fODFs are drawn.
_REST = 150
#: White matter lets the glyphs inside it be seen.
_WHITE_MATTER_OPACITY = 0.15


class Results:
    """Adds results to the scene, and keeps a display for each node of glyphs."""

    def __init__(self):
        self._displays = []
        self._task = None
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
        """Add a folder of results beside its scan, and show it in slices and in 3D; returns its name.

        Raises:
            UserError: if there is none, or it is of another scan.
        """
        for earlier in shown_results(slicer.mrmlScene):
            self._hide(earlier)
        shown = show_result(folder, scan, name=name)
        if shown.segmentation is not None:
            segments = shown.segmentation.GetSegmentation()
            if segments.GetSegment("WM") is not None and shown.glyphs is not None:
                show_segment(shown.segmentation, "WM", opacity_3d=_WHITE_MATTER_OPACITY)
        display = self.display(shown)
        if display is not None:
            display.settings = replace(display.settings, in_3d=ShownIn3D.SLICES)
        slicer.util.resetSliceViews()
        slicer.util.resetThreeDViews()
        return shown.name

    def show(self, name):
        """Show a result, and hide the others."""
        for shown in shown_results(slicer.mrmlScene):
            if shown.name != name:
                self._hide(shown)
                continue
            if shown.segmentation is not None:
                shown.segmentation.GetDisplayNode().SetVisibility(True)
            display = self.display(shown)
            if display is not None:
                display.settings = replace(display.settings, visible=True)
            show_in_slices(slicer.mrmlScene, shown.background, over=shown.crossings)

    def display(self, shown):
        """The display of a result's glyphs, None where it has none."""
        if shown is None or shown.glyphs is None:
            return None
        self._displays = attach_displays(slicer.mrmlScene, self._displays, self._schedule)
        return next(display for display in self._displays if display.node is shown.glyphs)

    def close(self):
        """Take the drawings out of the views; the nodes stay."""
        self._timer.stop()
        self._task = None
        for display in self._displays:
            display.close()
        self._displays = []

    def _hide(self, shown):
        """An earlier result would be drawn over the new one."""
        if shown.segmentation is not None:
            shown.segmentation.GetDisplayNode().SetVisibility(False)
        display = self.display(shown)
        if display is not None:
            display.settings = replace(display.settings, visible=False)

    def _schedule(self, task):
        self._task = task
        self._timer.start()

    def _onRest(self):
        task, self._task = self._task, None
        if task is not None:
            task()
