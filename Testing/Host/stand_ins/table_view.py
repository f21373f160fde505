"""qMRMLTableView: the cells of a table node."""

from typing import Any

import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.stand_ins.base import stored


class qMRMLTableView(QtWidgets.QTableView):
    """Shows a ``vtkMRMLTableNode`` and follows it; cells cannot be edited here."""

    transposed = stored(bool, False, after="_refill")
    firstRowLocked = stored(bool, False, after="_refill")
    firstColumnLocked = stored(bool, False)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._observers = Observers(self)
        self.setModel(QtGui.QStandardItemModel(self))

    def setMRMLScene(self, scene: Any) -> None:
        """Tell it the scene."""
        self._scene = scene

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLTableNode(self, node: Any) -> None:
        """Show a table."""
        self._observers.clear()
        self._node = node
        if node is not None:
            self._observers.add(node, vtk.vtkCommand.ModifiedEvent, self._refill)
        self._refill()

    def mrmlTableNode(self) -> Any:
        """The table shown, or None."""
        return self._node

    def _refill(self) -> None:
        model = self.model()
        model.clear()
        table = self._node.GetTable() if self._node is not None else None
        if table is None:
            return
        columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
        for column in columns:
            cells = [column.GetVariantValue(row).ToString() for row in range(table.GetNumberOfRows())]
            model.appendColumn([QtGui.QStandardItem(cell) for cell in cells])
        if columns:
            model.setHorizontalHeaderLabels([column.GetName() or "" for column in columns])
        for row in range(model.rowCount()):
            for column_index in range(model.columnCount()):
                model.item(row, column_index).setFlags(
                    QtCore.Qt.ItemFlag.ItemIsSelectable | QtCore.Qt.ItemFlag.ItemIsEnabled
                )
