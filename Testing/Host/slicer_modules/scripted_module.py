"""``slicer.ScriptedLoadableModule``: base classes of a scripted module's four parts, as documented."""

import inspect
import logging
import unittest
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtWidgets

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]

_DOCUMENTATION = "https://slicer.readthedocs.io/en/latest/user_guide/modules/{}.html"


class ScriptedLoadableModule:
    """Describes the module to Slicer: ``self.parent`` has title, categories, help and so on."""

    def __init__(self, parent: Any):
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = self.moduleName
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        parent.hidden = False

    def resourcePath(self, filename: str) -> str:
        """Path of a file in the module's ``Resources`` folder."""
        return _resource_path(slicer.util.modulePath(self.moduleName), filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A sentence with a link to the module's page in Slicer's documentation."""
        url = docPage or _DOCUMENTATION.format(self.moduleName.lower())
        return f'<p>For more information see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Run the module's test class."""
        module = inspect.getmodule(type(self))
        test = getattr(module, f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The module's panel. Widgets go into ``self.layout``."""

    def __init__(self, parent: Any = None):
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if parent is None:
            self.parent = QtWidgets.QWidget()
            self.parent.setLayout(QtWidgets.QVBoxLayout())
            self.setup()
            self.parent.show()
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.connect(self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """Path of a file in the module's ``Resources`` folder."""
        return _resource_path(slicer.util.modulePath(self.moduleName), filename)

    def cleanup(self) -> None:
        """Override it: the panel is about to be destroyed."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().moduleAboutToBeUnloaded.disconnect(self._onModuleAboutToBeUnloaded)

    def setup(self) -> None:
        """Override it and call it: builds the panel."""
        self.setupDeveloperSection()

    def setupDeveloperSection(self) -> None:
        """In developer mode, a section with buttons to reload and test."""
        if not self.developerMode:
            return
        import ctk

        self.reloadCollapsibleButton = ctk.ctkCollapsibleButton("Reload && Test")
        self.layout.addWidget(self.reloadCollapsibleButton)
        row = QtWidgets.QHBoxLayout(self.reloadCollapsibleButton)
        for text, name, call in (
            ("Reload", "reloadButton", self.onReload),
            ("Reload and Test", "reloadAndTestButton", self.onReloadAndTest),
            ("Edit", "editSourceButton", self.onEditSource),
        ):
            button = QtWidgets.QPushButton(text)
            button.clicked.connect(lambda _checked=False, call=call: call())
            row.addWidget(button)
            setattr(self, name, button)

    def onReload(self) -> None:
        """Run the module's file again and build the panel anew."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs: Any) -> None:
        """Run the module's test class."""
        getattr(slicer.modules, self.moduleName.lower()).widgetRepresentation()
        getattr(slicer.modules, f"{self.moduleName}Instance").runTest(**kwargs)

    def onReloadAndTest(self, **kwargs: Any) -> None:
        """Both, with an error shown in a dialog."""
        with slicer.util.tryWithErrorDisplay("Reload and Test failed."):
            self.onReload()
            getattr(slicer.modules, f"{self.moduleName}Widget").onTest(**kwargs)

    def onEditSource(self) -> None:
        """Open the module's file."""
        slicer.app.openUrl(slicer.util.modulePath(self.moduleName))


class ScriptedLoadableModuleLogic:
    """Computations without a panel, and the node that keeps the module's parameters in the scene."""

    def __init__(self, parent: Any = None):
        self.mrmlScene = slicer.mrmlScene
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's ``vtkMRMLScriptedModuleNode``, made if there is none."""
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else self.createParameterNode()

    def getAllParameterNodes(self) -> list[Any]:
        """All of the module's parameter nodes in the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """Another parameter node; a singleton where ``isSingletonParameterNode``."""
        if slicer.mrmlScene is None:
            return None
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's own test, which runs inside Slicer."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.messageDelay = 100
        self.enableScreenshots = 0
        self.screenshotScaleFactor = 1.0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Show a message for a moment."""
        slicer.util.delayDisplay(message, requestedDelay or msec or self.messageDelay)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:
        """Screenshots are the host's own business."""
        self.delayDisplay(description)

    def setUp(self) -> None:
        """An empty scene."""
        slicer.mrmlScene.Clear()

    def tearDown(self) -> None:
        """Override it."""

    def runTest(self) -> None:
        """Override it; by default every method named ``test_...`` runs."""
        logging.warning("No test is defined in %s", type(self).__name__)


def _resource_path(module_path: str, filename: str) -> str:
    folder = Path(module_path).parent / "Resources"
    return str(folder / filename)
