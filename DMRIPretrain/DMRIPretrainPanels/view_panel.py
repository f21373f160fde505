"""View: what of a result is shown, and how; all takes effect at once."""

import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.scene.slice_layers import LABEL_OPACITY, show_in_slices

from .glyph_controls import GlyphControls
from .panel import Panel
from .voxel_inspector import VoxelInspector

_HIDDEN, _OUTLINES, _AREAS = range(3)


class ViewPanel(Panel):
    """Shows one result at a time; others are hidden."""

    UI = "ViewPanel.ui"

    def setup(self):
        ui = self.ui
        self._shownKey = None
        self._maps = []
        self._showing = False
        self.glyphs = GlyphControls(ui)
        self.inspector = VoxelInspector(ui.inspectorLabel, ui.inspectorPicture, ui.followBox)
        for text in (_("hidden"), _("outlines"), _("areas")):
            ui.segmentBox.addItem(text)
        layouts = slicer.vtkMRMLLayoutNode
        for button, layout in (
            (ui.fourButton, layouts.SlicerLayoutFourUpView),
            (ui.axialButton, layouts.SlicerLayoutOneUpRedSliceView),
            (ui.coronalButton, layouts.SlicerLayoutOneUpGreenSliceView),
            (ui.threeDButton, layouts.SlicerLayoutOneUp3DView),
        ):
            button.connect("clicked(bool)", lambda checked, layout=layout: self.onLayout(layout))
        ui.resultBox.connect("activated(int)", self.onResult)
        ui.segmentBox.connect("currentIndexChanged(int)", self.onSegmentation)
        ui.surfaceBox.connect("toggled(bool)", self.onSegmentation)
        ui.segmentOpacitySlider.connect("valueChanged(double)", self.onSegmentation)
        ui.mapBox.connect("currentIndexChanged(int)", self.onMap)
        ui.mapOpacitySlider.connect("valueChanged(double)", self.onMap)

    def sceneAboutToClose(self):
        self.inspector.close()
        self.inspector.follow(None)
        self.glyphs.follow(None)
        self.session.results.close()
        self._shownKey = None

    def cleanup(self):
        self.inspector.close()

    @property
    def result(self):
        """The result that is looked at, None where there is none."""
        parameters = self.session.parameterNode
        return self.session.results.find(parameters.result) if parameters is not None else None

    # --- what is shown --------------------------------------------------------------------------

    def refresh(self):
        parameters = self.session.parameterNode
        if parameters is None:
            return
        names = self.session.results.names()
        self.session.facts = self.session.facts.but(result=bool(names))
        self.ui.emptyLabel.visible, self.ui.body.visible = not names, bool(names)
        if names and parameters.result not in names:
            parameters.result = names[-1]
        key = (tuple(names), parameters.result)
        if key != self._shownKey:
            self._shownKey = key
            self._show(names)

    def _show(self, names):
        ui, result = self.ui, self.result
        self._showing = True
        ui.resultBox.clear()
        for name in names:
            ui.resultBox.addItem(name)
        if result is not None:
            ui.resultBox.setCurrentIndex(names.index(result.name))
            self._showSegmentation(result)
            self._showMaps(result)
        self._showing = False
        self.glyphs.follow(self.session.results.display(result))
        self.inspector.follow(result.glyphs if result is not None else None)

    def _showSegmentation(self, result):
        ui = self.ui
        for widget in (ui.segmentBox, ui.surfaceBox, ui.segmentOpacitySlider):
            widget.enabled = result.segmentation is not None
        if result.segmentation is None:
            return
        display = result.segmentation.GetDisplayNode()
        areas, outlines = display.GetVisibility2DFill(), display.GetVisibility2DOutline()
        shown = display.GetVisibility() and (areas or outlines)
        ui.segmentBox.setCurrentIndex(_HIDDEN if not shown else _AREAS if areas else _OUTLINES)
        ui.surfaceBox.checked = bool(display.GetVisibility() and display.GetVisibility3D())
        ui.segmentOpacitySlider.value = display.GetOpacity()

    def _showMaps(self, result):
        self._maps = [(_("none"), None)]
        if result.crossings is not None:
            self._maps.append((_("number of fibre populations"), result.crossings))
        if result.labels is not None:
            self._maps.append((_("tissue"), result.labels))
        self._maps += [
            (_("probability of {name}").format(name=key), node) for key, node in result.probabilities.items()
        ]
        self._maps += [(_("uncertainty of {name}").format(name=key), node) for key, node in result.uncertainty.items()]
        self.ui.mapBox.clear()
        for text, _node in self._maps:
            self.ui.mapBox.addItem(text)
        composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
        shown = (composite.GetLabelVolumeID(), composite.GetForegroundVolumeID()) if composite else ()
        found = [index for index, (_text, node) in enumerate(self._maps) if node and node.GetID() in shown]
        self.ui.mapBox.setCurrentIndex(found[0] if found else 0)
        self.ui.mapOpacitySlider.value = composite.GetLabelOpacity() if found and composite else LABEL_OPACITY

    # --- what is changed ------------------------------------------------------------------------

    def onLayout(self, layout):
        slicer.app.layoutManager().setLayout(layout)

    def onResult(self, index):
        self.session.results.show(self.ui.resultBox.itemText(index))
        self.session.parameterNode.result = self.ui.resultBox.itemText(index)
        self._shownKey = None  # what is shown of it may have changed, even if it is the same
        self.session.changed()

    def onSegmentation(self, *_arguments):
        result = self.result
        if self._showing or result is None or result.segmentation is None:
            return
        display, how = result.segmentation.GetDisplayNode(), self.ui.segmentBox.currentIndex
        modifying = display.StartModify()
        display.SetVisibility(True)
        display.SetVisibility2DFill(how == _AREAS)
        display.SetVisibility2DOutline(how != _HIDDEN)
        display.SetVisibility3D(self.ui.surfaceBox.checked)
        display.SetOpacity(self.ui.segmentOpacitySlider.value)
        display.EndModify(modifying)

    def onMap(self, *_arguments):
        result = self.result
        if self._showing or result is None or self.ui.mapBox.currentIndex < 0:
            return
        node = self._maps[self.ui.mapBox.currentIndex][1]
        opacity = self.ui.mapOpacitySlider.value
        show_in_slices(slicer.mrmlScene, result.background, over=node, opacity=opacity)
