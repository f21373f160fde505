"""The voxel under the crosshair or the mouse: its glyph and its numbers."""

import tempfile
from html import escape
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.inspector import CrosshairInspector, GlyphPicture
from DMRIPretrainLib.scene.voxel_report import inspected_maps

#: Width and height of the picture, in pixels.
_SIZE = (300, 200)


class VoxelInspector:
    """Fills labels.

    Args:
        label: for the numbers.
        picture: for the glyph.
        followBox: whether to follow the mouse.
    """

    def __init__(self, label, picture, followBox):
        self._label, self._picture, self._followBox = label, picture, followBox
        self._glyphs = None
        self._inspector = None
        self._drawing = None
        self._folder = None
        followBox.connect("toggled(bool)", lambda checked: self._open())

    def follow(self, glyphs):
        """Read the maps that a node of glyphs refers to, None for none."""
        if glyphs is not self._glyphs:
            self._glyphs = glyphs
            self._open()

    def close(self):
        """Follow no longer, and give back the graphics."""
        self._stop()
        if self._drawing is not None:
            self._drawing.close()
            self._folder.cleanup()
        self._drawing = self._folder = None

    def _stop(self):
        if self._inspector is not None:
            self._inspector.close()
        self._inspector = None
        self._picture.visible = False

    def _open(self):
        self._stop()
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
        self._picture.visible = report is not None
        if report is None:
            self._label.text = _("Outside the scan.")
            return
        style = "color:#777777;padding-right:8px"
        rows = [(escape(heading), escape(text.replace("   ", ", "))) for heading, text in report.rows()]
        cells = "".join(f'<tr><td style="{style}">{heading}</td><td>{text}</td></tr>' for heading, text in rows)
        self._label.text = f"<table>{cells}</table>"
        self._draw(report)

    def _draw(self, report):
        if self._drawing is None:
            self._drawing, self._folder = GlyphPicture(_SIZE), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        path = Path(self._folder.name) / "voxel.png"
        self._drawing.write(path, self._inspector.maps, report)
        self._picture.setPixmap(qt.QPixmap(str(path)))
