"""Buttons and boxes: ctkMenuButton, ctkPushButton, ctkExpandButton, ctkCheckBox, ctkColorPickerButton and others."""

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host import dialogs
from Testing.Host.stand_ins.base import stored


class ctkPushButton(QtWidgets.QPushButton):
    """A push button with a text that can be aligned."""

    buttonTextAlignment = stored(int, 0x84)
    iconAlignment = stored(int, 0x81)
    elideMode = stored(int, 3)


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a small arrow that opens a menu, while the rest of it clicks as usual."""

    def __init__(self, text: str | QtWidgets.QWidget | None = "", parent: QtWidgets.QWidget | None = None):
        if isinstance(text, QtWidgets.QWidget):
            text, parent = "", text
        super().__init__(text or "", parent)
        self._at_arrow = False

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        self._at_arrow = self.menu() is not None and event.position().x() > self.width() - 20
        if self._at_arrow:
            self.showMenu()
            self.setDown(False)
            return
        menu = self.menu()
        self.setMenu(None)  # Qt opens the menu of a button that has one, wherever it is pressed
        super().mousePressEvent(event)
        self.setMenu(menu)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        if self._at_arrow:
            return
        menu = self.menu()
        self.setMenu(None)
        super().mouseReleaseEvent(event)
        self.setMenu(menu)


class ctkExpandButton(QtWidgets.QToolButton):
    """A small button that shows or hides more controls."""

    mirrorOnExpand = stored(bool, False)
    orientation = stored(int, 1)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setCheckable(True)
        self.setArrowType(QtCore.Qt.ArrowType.RightArrow)


class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box that may show an icon instead."""

    indicatorIcon = stored(QtGui.QIcon, QtGui.QIcon())
    indicatorIconSize = stored(QtCore.QSize, QtCore.QSize())


class ctkSearchBox(QtWidgets.QLineEdit):
    """A line to search with."""

    showSearchIcon = stored(bool, False)
    searchIcon = stored(QtGui.QIcon, QtGui.QIcon())
    clearIcon = stored(QtGui.QIcon, QtGui.QIcon())

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setClearButtonEnabled(True)
        self.setPlaceholderText("Search...")


class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour and asks for another."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    colorNameChanged = QtCore.Signal(str)

    dialogOptions = stored(int, 0)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._color = QtGui.QColor("black")
        self._named = True
        self.clicked.connect(self.changeColor)
        self._show()

    def setColor(self, color: QtGui.QColor) -> None:
        """Show another colour."""
        if color == self._color:
            return
        self._color = QtGui.QColor(color)
        self._show()
        self.colorChanged.emit(self._color)
        self.colorNameChanged.emit(self._color.name())

    color = QtCore.Property(QtGui.QColor, lambda self: self._color, setColor)
    colorName = QtCore.Property(
        str, lambda self: self._color.name(), lambda self, name: self.setColor(QtGui.QColor(name))
    )

    def setDisplayColorName(self, displayed: bool) -> None:
        """Whether the name of the colour is written on the button."""
        self._named = displayed
        self._show()

    displayColorName = QtCore.Property(bool, lambda self: self._named, setDisplayColorName)

    def changeColor(self) -> None:
        """Ask with a colour dialog."""
        if dialogs.current.interactive:
            chosen = QtWidgets.QColorDialog.getColor(self._color, self)
        else:
            chosen = QtGui.QColor(dialogs.current.take(dialogs.Asked("color", self._color.name())))
        if chosen.isValid():
            self.setColor(chosen)

    def _show(self) -> None:
        pixels = QtGui.QPixmap(16, 16)
        pixels.fill(self._color)
        self.setIcon(QtGui.QIcon(pixels))
        self.setText(self._color.name() if self._named else "")


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box with "do not show again"."""

    dontShowAgainVisible = stored(bool, False)
    dontShowAgain = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")

    def setDontShowAgain(self, checked: bool) -> None:
        """Tick the box."""
        self.dontShowAgain = checked

    def exec(self) -> object:
        """Show it, or take the answer that the test gave."""
        return dialogs.run_box(self)
