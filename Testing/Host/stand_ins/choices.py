"""Choices in a list: ctkComboBox and ctkCheckableComboBox."""

import enum

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.stand_ins.base import stored


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that can show a text while nothing is chosen."""

    class ScrollEffect(enum.IntEnum):
        """What the mouse wheel does."""

        NeverScroll = 0
        AlwaysScroll = 1
        ScrollWithFocus = 2
        ScrollWithNoVBar = 3

    NeverScroll, AlwaysScroll = ScrollEffect.NeverScroll, ScrollEffect.AlwaysScroll
    ScrollWithFocus, ScrollWithNoVBar = ScrollEffect.ScrollWithFocus, ScrollEffect.ScrollWithNoVBar

    defaultText = stored(str, "", after="update")
    forceDefault = stored(bool, False, after="update")
    defaultIcon = stored(QtGui.QIcon, QtGui.QIcon())
    elideMode = stored(int, 3)
    scrollWheelEffect = stored(int, 1)

    def _user_data(self) -> str:
        data = self.currentData()
        return "" if data is None else str(data)

    def setCurrentUserDataAsString(self, text: str) -> None:
        """Choose the item whose user data has this text."""
        for index in range(self.count()):
            if str(self.itemData(index)) == text:
                self.setCurrentIndex(index)
                return

    currentUserDataAsString = QtCore.Property(str, _user_data, setCurrentUserDataAsString)

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        effect = self.scrollWheelEffect
        if effect == self.NeverScroll or (effect == self.ScrollWithFocus and not self.hasFocus()):
            event.ignore()
            return
        super().wheelEvent(event)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        if not (self.forceDefault or self.currentIndex() < 0) or not self.defaultText:
            super().paintEvent(event)
            return
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.defaultText
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)


class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box whose items have check boxes; it shows the checked ones."""

    checkedIndexesChanged = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.model().dataChanged.connect(self._data_changed)
        self.model().rowsInserted.connect(self._rows_inserted)
        self.view().pressed.connect(self._pressed)

    def _item(self, row: int) -> QtGui.QStandardItem:
        return self.model().item(row)

    def _rows_inserted(self, _parent: QtCore.QModelIndex, first: int, last: int) -> None:
        for row in range(first, last + 1):
            self._item(row).setCheckable(True)
            self._item(row).setCheckState(QtCore.Qt.CheckState.Unchecked)

    def _data_changed(self, *_: object) -> None:
        self.checkedIndexesChanged.emit()
        self.update()

    def _pressed(self, index: QtCore.QModelIndex) -> None:
        checked = self.checkState(index) == QtCore.Qt.CheckState.Checked
        self.setCheckState(index, QtCore.Qt.CheckState.Unchecked if checked else QtCore.Qt.CheckState.Checked)

    def _indexes(self) -> list[QtCore.QModelIndex]:
        return [self.model().index(row, self.modelColumn()) for row in range(self.count())]

    def checkState(self, index: QtCore.QModelIndex) -> QtCore.Qt.CheckState:
        """Whether an item is checked."""
        return self._item(index.row()).checkState()

    def setCheckState(self, index: QtCore.QModelIndex, state: QtCore.Qt.CheckState) -> None:
        """Check an item or clear it."""
        self._item(index.row()).setCheckState(state)

    def checkedIndexes(self) -> list[QtCore.QModelIndex]:
        """The checked items."""
        return [index for index in self._indexes() if self.checkState(index) == QtCore.Qt.CheckState.Checked]

    def allChecked(self) -> bool:
        """Whether every item is checked."""
        return len(self.checkedIndexes()) == self.count()

    def noneChecked(self) -> bool:
        """Whether no item is checked."""
        return not self.checkedIndexes()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = summary([index.data() for index in self.checkedIndexes()], self.count())
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)


def summary(checked: list[str], count: int) -> str:
    if not checked:
        return "None"
    return "All" if len(checked) == count and count > 1 else ", ".join(checked)
