"""The module of 3D Slicer: what a diffusion scan says about tissue, fibre crossings and fibre orientation."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLDiffusionWeightedVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# The extension installs the library where Slicer finds it; in a checkout it lies beside the module's folder.
if importlib.util.find_spec("DMRIPretrainLib") is None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from DMRIPretrainPanels import panelClasses
from DMRIPretrainPanels.choices import Device
from DMRIPretrainPanels.sample_data import registerSampleData
from DMRIPretrainPanels.self_test import jobsInTemporaryFolder, makeBall, waitFor
from DMRIPretrainPanels.session import Session


class DMRIPretrain(ScriptedLoadableModule):
    """What Slicer tells its users about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("DMRIPretrain")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Diffusion")]
        self.parent.contributors = ["DMRIPretrain developers"]
        self.parent.helpText = _(
            "Tissue, fibre crossings and fibre orientation from a diffusion MRI scan with any gradient table, by "
            "networks that were pretrained without annotations. Choose a scan and press Predict: the work is done "
            "beside Slicer, in a process of its own. Nothing leaves this computer. For research only, not for "
            "clinical use."
        )
        self.parent.acknowledgementText = _(
            "The idea comes from L. Weninger et al., Diffusion MRI Specific Pretraining by Self-supervision on an "
            "Auxiliary Dataset, Bildverarbeitung für die Medizin (BVM) 2022. Please cite it where you use this module."
        )
        slicer.app.connect("startupCompleted()", self.onStartup)

    def onStartup(self):
        resources = Path(__file__).parent / "Resources"
        registerSampleData(lambda name: str(resources / name))


@parameterNodeWrapper
class DMRIPretrainParameterNode:
    """What is saved with the scene.

    Attributes:
        scan: what to predict.
        modelFile: a model of the user's; empty for one that ships with the module.
        model: name of the shipped model.
        device: what to compute on.
        ensemble: number of subsets of directions for the uncertainty; 0 for none.
        result: name of the result that is looked at.
        cases: annotated scans to learn from, see ``case_store``.
    """

    scan: vtkMRMLDiffusionWeightedVolumeNode
    model: str = ""
    modelFile: str = ""
    device: Device = Device.AUTO
    ensemble: Annotated[int, WithinRange(0, 32)] = 0
    result: str = ""
    cases: str = ""


class DMRIPretrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Holds the panels together; what they do is in ``DMRIPretrainPanels``."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.session = None
        self.panels = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/DMRIPretrain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = DMRIPretrainLogic()
        self.session = Session(self.resourcePath)
        self.panels = [panelClass(self.session, self.ui.panels) for panelClass in panelClasses()]
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()

    def cleanup(self):
        if self.session is None:
            return  # setup() has failed
        self.setParameterNode(None)
        self.removeObservers()
        for panel in self.panels:
            panel.cleanup()
        self.panels = []
        self.session.results.close()

    def enter(self):
        self.initializeParameterNode()
        for panel in self.panels:
            panel.enter()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)
        for panel in self.panels:
            panel.sceneAboutToClose()

    def onSceneEndClose(self, caller, event):
        if self.parent.visible:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        if self.parent.visible:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Bind the panels to a parameter node, None for none."""
        if self.session.parameterNode is not None:
            self.removeObserver(self.session.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterChanged)
            for panel in self.panels:
                panel.disconnectParameters()
        self.session.parameterNode = parameterNode
        if parameterNode is not None:
            for panel in self.panels:
                panel.connectParameters()
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterChanged)
            self.session.changed()

    def onParameterChanged(self, caller=None, event=None):
        self.session.changed()

    def onReload(self):
        """The panels and the library are loaded anew too; Slicer by itself reloads this file alone."""
        for name in [name for name in sys.modules if name.split(".")[0] in ("DMRIPretrainPanels", "DMRIPretrainLib")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class DMRIPretrainLogic(ScriptedLoadableModuleLogic):
    """What can be done without the panels."""

    def getParameterNode(self):
        return DMRIPretrainParameterNode(super().getParameterNode())


class DMRIPretrainTest(ScriptedLoadableModuleTest):
    """Runs in Slicer, without network; what needs packages that are not installed is left out and said."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        with jobsInTemporaryFolder():
            for test in (self.test_parameters, self.test_scan, self.test_prediction):
                self.setUp()
                test()
        self.delayDisplay(_("All tests have passed."))

    def test_parameters(self):
        parameterNode = DMRIPretrainLogic().getParameterNode()
        self.assertIsNone(parameterNode.scan)
        self.assertIs(parameterNode.device, Device.AUTO)

    def test_scan(self):
        self.delayDisplay(_("A scan is described."))
        widget = self.openModule()
        widget.session.parameterNode.scan = makeBall()
        self.assertTrue(widget.session.facts.scan)
        self.assertEqual(widget.session.facts.scanProblem, "")

    def test_prediction(self):
        widget = self.openModule()
        missing = widget.session.facts.missing
        if missing:
            self.delayDisplay(
                _("Nothing is predicted: {names} must be installed first.").format(names=", ".join(missing))
            )
            return
        self.delayDisplay(_("A small scan is predicted."))
        widget.session.parameterNode.scan = makeBall()
        panel = next(panel for panel in widget.panels if panel.UI == "PredictPanel.ui")
        panel.ui.predictButton.click()
        self.assertTrue(waitFor(lambda: not widget.session.facts.atWork, seconds=100))
        self.assertEqual(widget.session.facts.job, "finished", panel.ui.statusLabel.text)
        self.assertEqual(widget.session.results.names(), [widget.session.parameterNode.result])

    def openModule(self):
        slicer.util.selectModule("DMRIPretrain")
        return slicer.modules.DMRIPretrainWidget
