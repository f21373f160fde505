"""The modules ``qt`` and ``ctk`` as a Slicer module imports them."""

import sys
import types

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from Testing.Host import dialogs, widget_classes

#: What PySide6 has and Slicer's ``qt`` does not.
_NOT_IN_SLICER = {"Signal", "Slot", "Property", "ClassInfo", "QtMsgType", "SIGNAL", "SLOT"}


def install() -> None:
    """Make ``import qt`` and ``import ctk`` work."""
    sys.modules["qt"] = _qt()
    sys.modules["ctk"] = _ctk()


def _qt() -> types.ModuleType:
    module = types.ModuleType("qt", "Qt as Slicer's Python sees it: every class in one flat module.")
    for part in (QtCore, QtGui, QtWidgets):
        for name in dir(part):
            if not name.startswith("_") and name not in _NOT_IN_SLICER:
                setattr(module, name, getattr(part, name))
    module.QUiLoader = QtUiTools.QUiLoader
    module.QFileDialog = dialogs.QFileDialog
    module.QInputDialog = dialogs.QInputDialog
    module.QMessageBox = dialogs.QMessageBox
    return module


def _ctk() -> types.ModuleType:
    module = types.ModuleType("ctk", "The Common Toolkit's widgets, as far as the host stands in for them.")
    for name, kind in widget_classes.stand_ins().items():
        if name.startswith("ctk"):
            setattr(module, name, kind)
    return module
