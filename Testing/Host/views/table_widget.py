"""The table view of a layout."""

from typing import Any

import vtk
from PySide6 import QtGui, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.stand_ins.table_view import qMRMLTableView
from Testing.Host.views.view_bar import ViewBar


class qMRMLTableWidget(QtWidgets.QWidget):
    """Shows the table that its table view node refers to."""

    def __init__(self, node: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._view = qMRMLTableView(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(ViewBar(node.GetLayoutLabel() or "T", QtGui.QColor("#e0e0e0"), slider=False, parent=self))
        layout.addWidget(self._view, 1)
        self._observers = Observers(self)
        self._observers.add(node, vtk.vtkCommand.ModifiedEvent, self._show)
        self._show()

    def _show(self) -> None:
        self._view.setMRMLTableNode(self._node.GetTableNode())

    def tableView(self) -> qMRMLTableView:
        """The cells."""
        return self._view

    viewWidget = tableView

    def mrmlTableViewNode(self) -> Any:
        """The node of the view."""
        return self._node
