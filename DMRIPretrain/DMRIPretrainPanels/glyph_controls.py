"""The controls of glyphs: they show the settings of a display and change them."""

from dataclasses import replace

from slicer.i18n import tr as _

from DMRIPretrainLib.scene.glyph_settings import GlyphKind, GlyphScale, PeakColour, ShownIn3D


class GlyphControls:
    """Follows one display at a time.

    Args:
        ui: widgets of the view panel.
    """

    def __init__(self, ui):
        self._ui = ui
        self._display = None
        self._showing = False
        self._choices = {
            ui.kindBox: ((GlyphKind.PEAKS, _("peaks")), (GlyphKind.FODF, _("fODFs"))),
            ui.threeDBox: (
                (ShownIn3D.NOTHING, _("none")),
                (ShownIn3D.SLICES, _("those of the slices")),
                (ShownIn3D.VOLUME, _("the whole volume")),
            ),
            ui.whereBox: (
                ((), _("wherever there are fibres")),
                ((1,), _("one fibre population")),
                ((2, 3), _("crossings")),
            ),
            ui.scaleBox: ((GlyphScale.AMPLITUDE, _("the amplitude")), (GlyphScale.UNITY, _("nothing"))),
            ui.colourBox: (
                (PeakColour.DIRECTION, _("the direction")),
                (PeakColour.PEAK, _("first, second, third")),
                (PeakColour.UNCERTAINTY, _("the uncertainty")),
            ),
            ui.stepBox: ((1, _("voxel")), (2, _("second voxel")), (4, _("fourth voxel"))),
        }
        for box, choices in self._choices.items():
            for _value, text in choices:
                box.addItem(text)
            box.connect("currentIndexChanged(int)", self._onChange)
        for slider in (ui.lengthSlider, ui.lowerSlider, ui.glyphOpacitySlider):
            slider.connect("valueChanged(double)", self._onChange)
        for box in (ui.mostBox, ui.widthBox):
            box.connect("valueChanged(int)", self._onChange)
        for box in (ui.glyphBox, ui.tubesBox, ui.conesBox, ui.negativeBox):
            box.connect("toggled(bool)", self._onChange)

    def follow(self, display):
        """Show the settings of a display, None for none."""
        self._display = display
        self._ui.glyphBox.visible = display is not None
        if display is None:
            return
        ui, settings = self._ui, display.settings
        self._showing = True
        peaks = settings.kind is GlyphKind.PEAKS
        part = settings.peaks if peaks else settings.fodf
        ui.glyphBox.checked = settings.visible
        self._choose(ui.kindBox, settings.kind)
        self._choose(ui.threeDBox, settings.in_3d)
        self._choose(ui.whereBox, settings.mask_labels)
        self._choose(ui.scaleBox, part.scale)
        self._choose(ui.colourBox, settings.peaks.colour)
        self._choose(ui.stepBox, settings.subsampling)
        ui.lengthSlider.value, ui.lowerSlider.value = part.length, part.lower
        ui.glyphOpacitySlider.value = settings.opacity
        ui.mostBox.value, ui.widthBox.value = settings.peaks.most, settings.peaks.line_width
        ui.tubesBox.checked, ui.conesBox.checked = settings.peaks.tubes, settings.peaks.cones
        ui.negativeBox.checked = settings.fodf.hide_negative
        for widget in (ui.colourBox, ui.mostBox, ui.widthBox, ui.tubesBox, ui.conesBox):
            widget.enabled = peaks
        uncertain = display.field.uncertainty is not None
        ui.conesBox.enabled = peaks and uncertain
        ui.negativeBox.enabled = not peaks
        ui.kindBox.enabled = display.field.peaks is not None and display.field.fodf is not None
        ui.whereBox.enabled = display.field.mask is not None
        self._showing = False

    def _choose(self, box, value):
        values = [each for each, _text in self._choices[box]]
        box.setCurrentIndex(values.index(value) if value in values else 0)

    def _chosen(self, box):
        return self._choices[box][box.currentIndex][0]

    def _onChange(self, *_arguments):
        if self._showing or self._display is None or self._display.closed:
            return
        ui, settings = self._ui, self._display.settings
        kind = self._chosen(ui.kindBox)
        if kind is not settings.kind:
            # Length and threshold are those of the other shape then.
            self._display.settings = replace(settings, kind=kind)
            self.follow(self._display)
            return
        shape = {"scale": self._chosen(ui.scaleBox), "length": ui.lengthSlider.value, "lower": ui.lowerSlider.value}
        peaks = replace(
            settings.peaks,
            colour=self._chosen(ui.colourBox),
            most=ui.mostBox.value,
            line_width=ui.widthBox.value,
            tubes=ui.tubesBox.checked,
            cones=ui.conesBox.checked,
        )
        fodf = replace(settings.fodf, hide_negative=ui.negativeBox.checked)
        if kind is GlyphKind.PEAKS:
            peaks = replace(peaks, **shape)
        else:
            fodf = replace(fodf, **shape)
        self._display.settings = replace(
            settings,
            visible=ui.glyphBox.checked,
            in_3d=self._chosen(ui.threeDBox),
            mask_labels=self._chosen(ui.whereBox),
            subsampling=self._chosen(ui.stepBox),
            opacity=ui.glyphOpacitySlider.value,
            peaks=peaks,
            fodf=fodf,
        )
