"""Sections that fold: ctkCollapsibleButton and ctkCollapsibleGroupBox."""

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.stand_ins.base import stored


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A title bar with an arrow; its child widgets show below it while it is not collapsed."""

    contentsCollapsed = QtCore.Signal(bool)

    contentsFrameShape = stored(int, 0)
    contentsFrameShadow = stored(int, 0)
    contentsLineWidth = stored(int, 1)
    contentsMidLineWidth = stored(int, 0)
    collapsedHeight = stored(int, 0)
    flat = stored(bool, False)

    def __init__(self, text: str | QtWidgets.QWidget | None = "", parent: QtWidgets.QWidget | None = None):
        if isinstance(text, QtWidgets.QWidget):
            text, parent = "", text
        super().__init__(parent)
        self.setText(text or "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.MinimumExpanding, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._title_height(), 0, 0)
        self.toggled.connect(self._fold)

    def _is_collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _is_collapsed, _set_collapsed)

    def _fold(self, opened: bool) -> None:
        for child in self._contents():
            _fold_child(child, not opened)
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def _contents(self) -> list[QtWidgets.QWidget]:
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget) and self._is_collapsed():
            _fold_child(child, True)
        super().childEvent(event)

    def _title_height(self) -> int:
        return self.fontMetrics().height() + 8

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._title_height()

    def sizeHint(self) -> QtCore.QSize:
        title = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._title_height())
        if self.layout() is None or self._is_collapsed():
            return title
        return self.layout().totalSizeHint().expandedTo(title)

    def minimumSizeHint(self) -> QtCore.QSize:
        title = QtCore.QSize(40, self._title_height())
        if self.layout() is None or self._is_collapsed():
            return title
        return self.layout().totalMinimumSize().expandedTo(title)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        title = QtCore.QRect(0, 0, self.width(), self._title_height())
        painter.fillRect(title, self.palette().color(QtGui.QPalette.ColorRole.Button).darker(107))
        option = QtWidgets.QStyleOption()
        option.initFrom(self)
        option.rect = QtCore.QRect(6, title.height() // 2 - 5, 10, 10)
        arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowRight
        if self.isChecked():
            arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowDown
        painter.drawPrimitive(arrow, option)
        painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.ButtonText))
        flags = QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.TextFlag.TextShowMnemonic
        painter.drawText(title.adjusted(22, 0, 0, 0), int(flags), self.text())


class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """A collapsible button that knows the scene."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: object) -> None:
        """Tell it the scene."""
        self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose check indicator folds its contents."""

    collapsedHeight = stored(int, 14)

    def __init__(self, title: str | QtWidgets.QWidget | None = "", parent: QtWidgets.QWidget | None = None):
        if isinstance(title, QtWidgets.QWidget):
            title, parent = "", title
        super().__init__(title or "", parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._fold)

    def _is_collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _is_collapsed, _set_collapsed)

    def _fold(self, opened: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                _fold_child(child, not opened)
        self.setMaximumHeight(16777215 if opened else self.fontMetrics().height() + self.collapsedHeight)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget) and self._is_collapsed():
            _fold_child(child, True)
        super().childEvent(event)


def _fold_child(child: QtWidgets.QWidget, fold: bool) -> None:
    """Hide a child, or show it again unless the module itself had hidden it."""
    if fold:
        hidden = child.testAttribute(QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide) and child.isHidden()
        if not child.property("_folded"):
            child.setProperty("_hidden_by_module", hidden)
        child.setProperty("_folded", True)
        child.setVisible(False)
    elif child.property("_folded"):
        child.setProperty("_folded", False)
        child.setVisible(not child.property("_hidden_by_module"))
