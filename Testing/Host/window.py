"""Slicer's main window: the module panel at the left, the views at the right."""

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.modules import ModuleManager
from Testing.Host.observers import Observers
from Testing.Host.stand_ins.collapsible import ctkCollapsibleButton

SIZE = (1400, 900)
PANEL_WIDTH = 430


class ModuleSelector(QtWidgets.QComboBox):
    """The list of modules in the toolbar."""

    moduleSelected = QtCore.Signal(str)

    def __init__(self, manager: ModuleManager, parent: QtWidgets.QWidget):
        super().__init__(parent)
        self._manager = manager
        self.setMinimumWidth(220)
        self.setPlaceholderText("Welcome to Slicer")
        self.activated.connect(lambda index: self.selectModule(self.itemData(index)))

    def refill(self) -> None:
        """List the modules that have a panel."""
        self.clear()
        for name in self._manager.modulesNames():
            module = self._manager.module(name)
            if hasattr(module, "path") and not module.hidden:
                self.addItem(module.icon, module.title, name)
        self.setCurrentIndex(-1)

    def selectModule(self, name: str) -> None:
        """Open a module."""
        if self._manager.module(name) is None:
            raise RuntimeError(f"there is no module {name}")
        self.setCurrentIndex(self.findData(name))
        self.moduleSelected.emit(name)

    selectedModule = QtCore.Property(str, lambda self: self.currentData() or "")


class MainWindow(QtWidgets.QMainWindow):
    """The window; ``viewport`` is where the layout manager puts the views."""

    def __init__(self, scene: Any, manager: ModuleManager):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer (host for tests)")
        self.resize(*SIZE)
        self._manager = manager
        self._current: Any = None
        self.viewport = QtWidgets.QWidget(self)
        self.setCentralWidget(self.viewport)
        self._add_menus()
        self._selector = ModuleSelector(manager, self)
        self._selector.moduleSelected.connect(self._open)
        self._add_toolbar()
        self._panel = _Panel(scene, self)
        self.addDockWidget(QtCore.Qt.DockWidgetArea.LeftDockWidgetArea, self._panel)
        self.statusBar().showMessage("")

    def moduleSelector(self) -> ModuleSelector:
        """The list of modules."""
        return self._selector

    def _add_menus(self) -> None:
        for title in ("&File", "&Edit", "&View", "&Help"):
            self.menuBar().addMenu(title)

    def _add_toolbar(self) -> None:
        bar = self.addToolBar("Modules")
        bar.setMovable(False)
        bar.addWidget(QtWidgets.QLabel(" Modules: "))
        bar.addWidget(self._selector)

    def _open(self, name: str) -> None:
        self.leave_module()
        module = self._manager.module(name)
        panel = module.widgetRepresentation()
        self._current = panel
        self._panel.show_module(module, panel)
        panel.enter()

    def leave_module(self) -> None:
        """Close the open module's panel."""
        if self._current is not None:
            self._current.exit()
            self._current = None
            self._panel.show_module(None, None)
            self._selector.setCurrentIndex(-1)


class _Panel(QtWidgets.QDockWidget):
    """The module panel: help, the module's widgets, and the data probe below."""

    def __init__(self, scene: Any, parent: QtWidgets.QWidget):
        super().__init__("", parent)
        self.setObjectName("PanelDockWidget")
        self.setTitleBarWidget(QtWidgets.QWidget(self))
        self.setFeatures(QtWidgets.QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        content = QtWidgets.QWidget(self)
        content.setMinimumWidth(PANEL_WIDTH)
        self.setWidget(content)
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(_logo(content))
        self._help = ctkCollapsibleButton("Help && Acknowledgement", content)
        self._help_text = QtWidgets.QTextBrowser(self._help)
        self._help_text.setMaximumHeight(160)
        QtWidgets.QVBoxLayout(self._help).addWidget(self._help_text)
        self._help.collapsed = True
        column.addWidget(self._help)
        self._scroll = QtWidgets.QScrollArea(content)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        column.addWidget(self._scroll, 1)
        column.addWidget(_DataProbe(scene, content))
        self.show_module(None, None)

    def show_module(self, module: Any, panel: QtWidgets.QWidget | None) -> None:
        """Put another module's widgets into the panel."""
        old = self._scroll.takeWidget()
        if old is not None:
            old.setParent(None)
        self._help.setVisible(module is not None)
        if module is not None and panel is not None:
            self._scroll.setWidget(panel)
            panel.show()
            self._help_text.setHtml(f"{module.helpText}<hr>{module.acknowledgementText}")


class _DataProbe(ctkCollapsibleButton):
    """Where the mouse is in the scene, as the crosshair node knows it."""

    def __init__(self, scene: Any, parent: QtWidgets.QWidget):
        super().__init__("Data Probe", parent)
        self._scene = scene
        self._text = QtWidgets.QLabel("L\nF\nB", self)
        QtWidgets.QVBoxLayout(self).addWidget(self._text)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Fixed)
        self._node = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        self._observers = Observers(self)
        if self._node is not None:
            moved = slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent
            self._observers.add(self._node, moved, self._show)

    def _show(self) -> None:
        ras = [0.0, 0.0, 0.0]
        if not self._node.GetCursorPositionRAS(ras):
            self._text.setText("L\nF\nB")
            return
        place = ", ".join(f"{_letter(axis, value)} {abs(value):.1f}" for axis, value in enumerate(ras))
        self._text.setText(f"({place})\nL\nF\nB")


def _letter(axis: int, value: float) -> str:
    return ("RL", "AP", "SI")[axis][value < 0]


def _logo(parent: QtWidgets.QWidget) -> QtWidgets.QLabel:
    logo = QtWidgets.QLabel("<b style='font-size:18px'>3D</b><span style='font-size:18px'>Slicer</span>", parent)
    logo.setFixedHeight(30)
    return logo


def apply_style(application: QtWidgets.QApplication) -> None:
    """Slicer's light look."""
    application.setStyle("Fusion")
    palette = QtGui.QPalette()
    roles = QtGui.QPalette.ColorRole
    for role, color in (
        (roles.Window, "#f0f0f0"),
        (roles.Base, "#ffffff"),
        (roles.AlternateBase, "#f5f5f5"),
        (roles.Button, "#e7e7e7"),
        (roles.Highlight, "#3b8fd8"),
        (roles.HighlightedText, "#ffffff"),
        (roles.Text, "#1a1a1a"),
        (roles.WindowText, "#1a1a1a"),
        (roles.ButtonText, "#1a1a1a"),
    ):
        palette.setColor(role, QtGui.QColor(color))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, role, QtGui.QColor("#9a9a9a"))
    application.setPalette(palette)
