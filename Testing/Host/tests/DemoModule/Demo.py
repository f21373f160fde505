"""A small scripted module that uses what the host offers. It is written as for Slicer."""

import sys
from typing import Annotated

import ctk
import numpy as np
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

JOB = "import sys, time\nfor i in range(4):\n    print(f'step {i}', flush=True)\n    time.sleep(0.05)\n"


class Demo(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Demo")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Examples")]
        self.parent.contributors = ["DMRIPretrain developers"]
        self.parent.helpText = _("Makes a ball and segments it by a threshold.")
        self.parent.helpText += self.getDefaultModuleDocumentationLink()
        self.parent.acknowledgementText = _("Made for the tests of the host.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Demo", sampleName="Ball", customDownloader=lambda source: DemoLogic().makeBall()
    )


@parameterNodeWrapper
class DemoParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(0, 200)] = 50.0
    view: Annotated[str, Choice(["slices", "all"])] = "all"
    showSurface: bool = True


class DemoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self.process = None
        self.lines = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Demo.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = DemoLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.ballButton.connect("clicked(bool)", self.onBall)
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.jobButton.clicked.connect(self.onJob)
        self.ui.failButton.clicked.connect(self.onFail)
        self.initializeParameterNode()

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._parameterNode = None

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.visible:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
        self._parameterNode = node
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def _checkCanApply(self, caller=None, event=None):
        ready = bool(self._parameterNode and self._parameterNode.inputVolume)
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Segment the volume") if ready else _("Choose a volume first")

    def onBall(self, checked):
        self._parameterNode.inputVolume = self.logic.makeBall()

    def onApply(self):
        parameters = self._parameterNode
        with slicer.util.tryWithErrorDisplay(_("Segmentation failed."), waitCursor=True):
            self.logic.process(parameters.inputVolume, parameters.threshold, parameters.showSurface)

    def onJob(self):
        self.lines = []
        self.process = qt.QProcess()
        self.process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self.process.readyReadStandardOutput.connect(self.onOutput)
        self.process.finished.connect(self.onFinished)
        self.ui.jobButton.enabled = False
        self.process.start(sys.executable, ["-c", JOB])

    def onOutput(self):
        self.lines += self.process.readAllStandardOutput().data().decode().splitlines()
        self.ui.jobBar.value = len(self.lines)

    def onFinished(self, exitCode, exitStatus):
        self.ui.jobButton.enabled = True
        self.ui.jobLabel.text = _("Finished with code {code}").format(code=exitCode)

    def onFail(self):
        slicer.util.errorDisplay(_("This is what an error looks like."), detailedText="details")


class DemoLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return DemoParameterNode(super().getParameterNode())

    def makeBall(self):
        k, j, i = np.mgrid[:40, :50, :60]
        inside = (i - 30) ** 2 + (j - 25) ** 2 + (k - 20) ** 2 < 15**2
        node = slicer.util.addVolumeFromArray((100 * inside + i).astype(np.int16), name="Ball")
        slicer.util.setSliceViewerLayers(background=node, fit=True)
        return node

    def process(self, volume, threshold, showSurface):
        if volume is None:
            raise ValueError("there is no volume")
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        labels.CopyOrientation(volume)
        above = (slicer.util.arrayFromVolume(volume) > threshold).astype(np.uint8)
        slicer.util.updateVolumeFromArray(labels, above)
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
        segmentation.CreateDefaultDisplayNodes()
        slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, segmentation)
        slicer.mrmlScene.RemoveNode(labels)
        if showSurface:
            segmentation.CreateClosedSurfaceRepresentation()
        slicer.app.layoutManager().resetThreeDViews()
        return segmentation


class DemoTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_process()

    def test_process(self):
        self.delayDisplay("Starting")
        logic = DemoLogic()
        segmentation = logic.process(logic.makeBall(), 100, False)
        self.assertEqual(segmentation.GetSegmentation().GetNumberOfSegments(), 1)
        self.assertIsNotNone(ctk.ctkCollapsibleButton)
        self.delayDisplay("Passed")
