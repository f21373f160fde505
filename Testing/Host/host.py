"""The host: one for each process, with everything a scripted module finds in Slicer."""

import atexit
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from Testing.Host import graphics

_host: "Host | None" = None


class HostUnavailableError(RuntimeError):
    """Something that the host stands on is not installed."""


def start() -> "Host":
    """The host of this process, made at the first call.

    Raises:
        HostUnavailableError: if PySide6, slicer-core or a system library is missing.
    """
    global _host  # noqa: PLW0603 - Qt allows one application for each process
    if _host is None:
        missing = graphics.missing()
        if missing:
            raise HostUnavailableError(f"the host needs {', '.join(missing)}; `make env` installs them")
        _host = Host()
    return _host


class Host:
    """Slicer's application, main window and scene, for tests and for the preview."""

    def __init__(self) -> None:
        if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        from PySide6 import QtWidgets

        from Testing.Host import dialogs, failures, settings, window

        self._folder = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self.folder = Path(self._folder.name)
        self.exceptions = failures.Exceptions()
        self.dialogs = dialogs.current
        self.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        failures.quiet_qt()
        window.apply_style(self.qt_application)
        settings.redirect(self.folder)
        self._assemble()
        atexit.register(self.close)

    def _assemble(self) -> None:
        from Testing.Host import installation, qt_modules, scene
        from Testing.Host.application import Application
        from Testing.Host.modules import ModuleManager, Modules
        from Testing.Host.slicer_modules import packaging
        from Testing.Host.views.layout_manager import LayoutManager
        from Testing.Host.window import MainWindow

        qt_modules.install()
        self._world = scene.make(self.folder)
        self.scene = self._world.scene
        self.packaging = packaging.state
        self.application = Application(self._world, self.folder)
        self.modules = Modules()
        self.module_manager = ModuleManager(self._world, self.modules)
        installation.install(self.application, self.modules, self.module_manager)
        self.window = MainWindow(self.scene, self.module_manager)
        self.layout_manager = LayoutManager(self.scene, self._world.application_logic, self.window.viewport)
        self.application._layout_manager = self.layout_manager
        self.application._module_manager = self.module_manager
        self.reset()

    # --- modules ---

    def load(self, folder: str | Path) -> list[str]:
        """Load all modules of a folder, tell them that Slicer has started, and return their names."""
        names = [module.name for module in self.module_manager.load_folder(Path(folder))]
        self.window.moduleSelector().refill()
        self.application.startupCompleted.emit()
        return names

    def open(self, name: str) -> Any:
        """Show the window with a module in its panel; returns the module's ``...Widget`` object."""
        self.window.show()
        self.window.moduleSelector().selectModule(name)
        self.settle()
        return self.module_manager.module(name).widgetRepresentation().self()

    # --- time ---

    def settle(self, seconds: float = 0.05) -> None:
        """Run the event loop for a moment, so that layouts, timers and renderings are done."""
        end = time.monotonic() + seconds
        while True:
            self.qt_application.processEvents()
            self.qt_application.sendPostedEvents(None, 52)  # deleteLater(), which processEvents leaves alone here
            if time.monotonic() >= end:
                return
            time.sleep(0.002)

    def wait_until(self, condition: Callable[[], Any], timeout: float = 10.0, what: str = "the condition") -> None:
        """Run the event loop until a condition holds; raises TimeoutError where it does not in time."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come true within {timeout:g} s")
            self.qt_application.processEvents()
            time.sleep(0.002)

    # --- pictures ---

    def screenshot(self, path: str | Path | None = None) -> Any:
        """Picture of the whole window as a QPixmap, also written to a file where one is named."""
        self.settle()
        picture = self.window.grab()
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            if not picture.save(str(path)):
                raise OSError(f"{path} could not be written")
        return picture

    # --- from test to test ---

    @contextmanager
    def testing_mode(self) -> Iterator[None]:
        """As if Slicer had been started with ``--testing``: dialogs are skipped."""
        self.application._testing = True
        try:
            yield
        finally:
            self.application._testing = False

    def unload_all(self) -> None:
        """Leave and unload every scripted module."""
        self.window.leave_module()
        for name in self.module_manager.modulesNames():
            if hasattr(self.module_manager.module(name), "path"):
                self.module_manager.unload(name)
        self.window.moduleSelector().refill()
        self.settle(0)

    def reset(self) -> None:
        """Empty scene, no modules, four views, no settings, no dialogs, no pretended packages."""
        from Testing.Host import settings
        from Testing.Host.slicer_modules import i18n, sample_data
        from Testing.Host.window import SIZE

        self.unload_all()
        self.scene.Clear(0)
        self.window.resize(*SIZE)
        self.layout_manager.setLayout(3)
        settings.clear()
        self.dialogs.reset()
        self.packaging.reset()
        i18n.translated.clear()
        sample_data.registered.clear()
        self.settle(0)

    def close(self) -> None:
        """Give back graphics and files, before Python takes Qt and VTK apart in any order."""
        from Testing.Host.views import layout_manager

        self.unload_all()
        self.window.hide()
        layout_manager.finalize(self.layout_manager)
        self._folder.cleanup()
