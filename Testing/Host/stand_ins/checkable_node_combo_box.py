"""qMRMLCheckableNodeComboBox: choice of several MRML nodes."""

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.Host.stand_ins.choices import summary
from Testing.Host.stand_ins.node_combo_box import qMRMLNodeComboBox


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """A node combo box whose nodes have check boxes."""

    checkedNodesChanged = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        self._checked: list[str] = []
        super().__init__(parent)
        self.addEnabled = False
        self.removeEnabled = False

    def _refill(self) -> None:
        super()._refill()
        shown = {node.GetID() for node in self._nodes()}
        if any(node_id not in shown for node_id in self._checked):
            self._set_checked([node_id for node_id in self._checked if node_id in shown])
        self._show_checks()

    def _activated(self, index: int) -> None:
        node = self._node(self._combo.itemData(index))
        if node is None:
            super()._activated(index)
            return
        checked = self.checkState(node) == QtCore.Qt.CheckState.Checked
        self.setCheckState(node, QtCore.Qt.CheckState.Unchecked if checked else QtCore.Qt.CheckState.Checked)

    def _set_checked(self, ids: list[str]) -> None:
        if ids != self._checked:
            self._checked = ids
            self._show_checks()
            self.checkedNodesChanged.emit()

    def _show_checks(self) -> None:
        for index in range(self._combo.count()):
            node = self._node(self._combo.itemData(index))
            if node is not None:
                self._combo.setItemData(index, self.checkState(node), QtCore.Qt.ItemDataRole.CheckStateRole)
        names = [node.GetName() for node in self.checkedNodes()]
        self._combo.setPlaceholderText(summary(names, self.nodeCount()))
        with QtCore.QSignalBlocker(self._combo):
            self._combo.setCurrentIndex(-1)

    def checkedNodes(self) -> list[Any]:
        """The checked nodes, in the order of the list."""
        return [node for node in self._nodes() if node.GetID() in self._checked]

    def uncheckedNodes(self) -> list[Any]:
        """The others."""
        return [node for node in self._nodes() if node.GetID() not in self._checked]

    def checkState(self, node: Any) -> QtCore.Qt.CheckState:
        """Whether a node is checked."""
        checked = node.GetID() in self._checked
        return QtCore.Qt.CheckState.Checked if checked else QtCore.Qt.CheckState.Unchecked

    def setCheckState(self, node: Any, state: QtCore.Qt.CheckState) -> None:
        """Check a node or clear it."""
        others = [node_id for node_id in self._checked if node_id != node.GetID()]
        checked = QtCore.Qt.CheckState(state) == QtCore.Qt.CheckState.Checked
        self._set_checked([*others, node.GetID()] if checked else others)

    def check(self, node: Any) -> None:
        """Check a node."""
        self.setCheckState(node, QtCore.Qt.CheckState.Checked)

    def uncheck(self, node: Any) -> None:
        """Clear a node."""
        self.setCheckState(node, QtCore.Qt.CheckState.Unchecked)

    def allChecked(self) -> bool:
        """Whether every node is checked."""
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        """Whether no node is checked."""
        return not self.checkedNodes()
