"""``slicer.app``: the part of qSlicerApplication that scripted modules use."""

import os
import sys
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.io_manager import IOManager
from Testing.Host.scene import World
from Testing.Host.views import render_area

VERSION = (5, 12, 3)


class Application(QtCore.QObject):
    """One for each process; ``Host`` makes it."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, world: World, folder: Path):
        super().__init__()
        self._world = world
        self._folder = folder
        self._testing = False
        self._layout_manager: Any = None
        self._module_manager: Any = None
        self._io_manager = IOManager(world)
        self._opened_urls: list[str] = []

    # --- identity and folders ---

    applicationName = QtCore.Property(str, lambda self: "Slicer")
    mainApplicationName = QtCore.Property(str, lambda self: "Slicer")
    applicationVersion = QtCore.Property(str, lambda self: ".".join(map(str, VERSION)))
    majorVersion = QtCore.Property(int, lambda self: VERSION[0])
    minorVersion = QtCore.Property(int, lambda self: VERSION[1])
    revision = QtCore.Property(str, lambda self: "34045")
    repositoryRevision = QtCore.Property(str, lambda self: "host")
    documentationBaseUrl = QtCore.Property(str, lambda self: "https://slicer.readthedocs.io")
    os = QtCore.Property(str, lambda self: {"darwin": "macosx", "win32": "win"}.get(sys.platform, "linux"))
    temporaryPath = QtCore.Property(str, lambda self: self._subfolder("temporary"))
    cachePath = QtCore.Property(str, lambda self: self._subfolder("cache"))
    slicerHome = QtCore.Property(str, lambda self: self._subfolder("home"))
    extensionsInstallPath = QtCore.Property(str, lambda self: self._subfolder("extensions"))
    slicerUserSettingsFilePath = QtCore.Property(str, lambda self: QtCore.QSettings().fileName())
    startupWorkingPath = QtCore.Property(str, lambda self: str(Path.cwd()))
    isInstalled = QtCore.Property(bool, lambda self: True)

    def _subfolder(self, name: str) -> str:
        path = self._folder / name
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def startupEnvironment(self) -> Any:
        """Environment of the process before Slicer changed it."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def environment(self) -> Any:
        """Environment of the process."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def applicationPid(self) -> int:
        """Process number."""
        return os.getpid()

    def applicationDirPath(self) -> str:
        """Folder of the program."""
        return self._subfolder("home/bin")

    def testingEnabled(self) -> bool:
        """Whether Slicer was started to run a test: no dialog is shown then."""
        return self._testing

    # --- settings ---

    def settings(self) -> QtCore.QSettings:
        """The user's settings."""
        return QtCore.QSettings()

    def userSettings(self) -> QtCore.QSettings:
        """The user's settings."""
        return QtCore.QSettings()

    def revisionUserSettings(self) -> QtCore.QSettings:
        """Settings of this version of Slicer."""
        return QtCore.QSettings()

    # --- parts ---

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._world.scene

    def applicationLogic(self) -> Any:
        """The real ``vtkSlicerApplicationLogic``."""
        return self._world.application_logic

    def moduleLogic(self, name: str) -> Any:
        """Logic of a module, or None."""
        return self._world.logics.get(name)

    def layoutManager(self) -> Any:
        """What shows the views."""
        return self._layout_manager

    def moduleManager(self) -> Any:
        """What holds the modules."""
        return self._module_manager

    def coreIOManager(self) -> IOManager:
        """What reads and writes files."""
        return self._io_manager

    def ioManager(self) -> IOManager:
        """What reads and writes files."""
        return self._io_manager

    # --- the event loop, cursor and rendering ---

    def processEvents(self, *arguments: Any) -> None:
        """Handle what waits in the event loop."""
        QtWidgets.QApplication.processEvents(*arguments)

    def sendPostedEvents(self) -> None:
        """Handle events that were posted, deletions too."""
        QtWidgets.QApplication.sendPostedEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        """Show another cursor everywhere."""
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def overrideCursor(self) -> Any:
        """The cursor shown everywhere, or None."""
        return QtWidgets.QApplication.overrideCursor()

    def restoreOverrideCursor(self) -> None:
        """Back to the cursor before."""
        QtWidgets.QApplication.restoreOverrideCursor()

    def pauseRender(self) -> None:
        """Render no view until ``resumeRender``."""
        render_area.pause()

    def resumeRender(self) -> None:
        """Render again."""
        render_area.resume()

    def setRenderPaused(self, paused: bool) -> None:
        """Either of the two."""
        (render_area.pause if paused else render_area.resume)()

    # --- the desktop ---

    def activeWindow(self) -> Any:
        """Window with the focus, or None."""
        return QtWidgets.QApplication.activeWindow()

    def focusWidget(self) -> Any:
        """Widget with the focus, or None."""
        return QtWidgets.QApplication.focusWidget()

    def topLevelWidgets(self) -> list[Any]:
        """All windows."""
        return QtWidgets.QApplication.topLevelWidgets()

    def allWidgets(self) -> list[Any]:
        """All widgets."""
        return QtWidgets.QApplication.allWidgets()

    def style(self) -> Any:
        """How widgets are drawn."""
        return QtWidgets.QApplication.style()

    def palette(self, *arguments: Any) -> QtGui.QPalette:
        """Colours of the widgets."""
        return QtWidgets.QApplication.palette(*arguments)

    def font(self, *arguments: Any) -> QtGui.QFont:
        """Font of the widgets."""
        return QtWidgets.QApplication.font(*arguments)

    def clipboard(self) -> Any:
        """What was copied."""
        return QtWidgets.QApplication.clipboard()

    def openUrl(self, url: str) -> bool:
        """Open a page in the user's browser; the host only remembers it."""
        self._opened_urls.append(str(url))
        return True

    def modulesAssociatedWithNodeType(self, name: str) -> list[str]:
        """Modules that edit a kind of node."""
        return []

    def quit(self) -> None:
        """Leave the event loop."""
        QtWidgets.QApplication.quit()

    def exit(self, code: int = 0) -> None:
        """Leave the event loop."""
        QtWidgets.QApplication.exit(code)
