"""The numbers of the voxel under the crosshair or the mouse."""

from html import escape

import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.inspector import CrosshairInspector
from DMRIPretrainLib.scene.voxel_report import inspected_maps


class VoxelInspector:
    """Fills a label.

    Args:
        label: for the numbers.
        followBox: whether to follow the mouse.
    """

    def __init__(self, label, followBox):
        self._label, self._followBox = label, followBox
        self._glyphs = None
        self._inspector = None
        followBox.connect("toggled(bool)", lambda checked: self._open())

    def follow(self, glyphs):
        """Read the maps that a node of glyphs refers to, None for none."""
        if glyphs is not self._glyphs:
            self._glyphs = glyphs
            self._open()

    def close(self):
        """Follow no longer."""
        if self._inspector is not None:
            self._inspector.close()
        self._inspector = None

    def _open(self):
        self.close()
        if self._glyphs is None:
            self._label.text = _("This result has no fibre directions.")
            return
        follow = self._followBox.checked
        hint = _("Move the mouse over a slice.") if follow else _("Hold Shift and move the mouse over a slice.")
        self._label.text = hint
        crosshair = slicer.mrmlScene.GetSingletonNode("default", "vtkMRMLCrosshairNode")
        try:
            maps = inspected_maps(self._glyphs)
        except UserError as error:
            self._label.text = escape(str(error))
            return
        if crosshair is not None:
            self._inspector = CrosshairInspector(crosshair, maps, self._show, follow_cursor=follow)

    def _show(self, report):
        if report is None:
            self._label.text = _("Outside the scan.")
            return
        style = "color:#777777;padding-right:8px"
        rows = [(escape(heading), escape(text.replace("   ", ", "))) for heading, text in report.rows()]
        cells = "".join(f'<tr><td style="{style}">{heading}</td><td>{text}</td></tr>' for heading, text in rows)
        self._label.text = f"<table>{cells}</table>"
