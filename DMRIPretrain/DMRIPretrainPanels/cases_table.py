"""The table of cases: what is shown of them, and what users do there."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .cases import SPLITS
from .table_layout import layOut

_SCAN, _LABELS, _SUBJECT, _SPLIT = range(4)


class CasesTable:
    """Shows cases in a ``QTableWidget``; files may be dropped there.

    Args:
        table: the widget.
        changed: called when the user has changed a case.
        dropped: called with the paths of dropped files.

    Attributes:
        cases: what is shown, in order; read only.
    """

    def __init__(self, table, changed, dropped):
        self.cases = []
        self._table, self._changed = table, changed
        self._filling = False
        layOut(table, [_("Scan"), _("Labels"), _("Subject"), _("Split")], wide=2, heights=(120, 160))
        table.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)
        self._filter = DropFilter(dropped)
        table.viewport().setAcceptDrops(True)
        table.viewport().installEventFilter(self._filter)

    def show(self, cases):
        """Show these cases instead of those so far."""
        self.cases = list(cases)
        self._filling = True
        self._table.clearContents()
        self._table.setRowCount(len(self.cases))
        for row, case in enumerate(self.cases):
            self._set(row, _SCAN, *_named(case.scanNode, case.scan))
            self._set(row, _LABELS, *_named(case.labelsNode, case.labels, _("none yet")))
            self._set(row, _SUBJECT, case.subject, _("Scans of one subject stay together."), editable=True)
            self._table.setCellWidget(row, _SPLIT, self._splitBox(row, case.split))
        self._filling = False

    def selectedRows(self):
        """Numbers of the selected rows."""
        return sorted({index.row() for index in self._table.selectedIndexes()})

    def _set(self, row, column, text, tip, editable=False):
        item = qt.QTableWidgetItem(text)
        item.setToolTip(tip)
        if not editable:
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
        self._table.setItem(row, column, item)

    def _splitBox(self, row, split):
        box = qt.QComboBox()
        for text in (_("automatic"), _("training"), _("validation")):
            box.addItem(text)
        box.setToolTip(
            _("Learn from this scan, validate on it, or let a fifth of the subjects be drawn for validation.")
        )
        box.setCurrentIndex(SPLITS.index(split))
        box.connect("currentIndexChanged(int)", lambda index: self._change(row, split=SPLITS[index]))
        return box

    def _onItemChanged(self, item):
        if not self._filling and item.column() == _SUBJECT:
            self._change(item.row(), subject=item.text().strip())

    def _change(self, row, **fields):
        self.cases[row] = self.cases[row].but(**fields)
        self._changed()


class DropFilter(qt.QObject):
    """Takes files that are dragged from the desktop onto a widget.

    Args:
        dropped: called with their paths.
    """

    def __init__(self, dropped):
        qt.QObject.__init__(self)
        self._dropped = dropped

    def eventFilter(self, watched, event):
        """Accept files; whatever else happens goes its way."""
        kind = event.type()
        if kind in (qt.QEvent.DragEnter, qt.QEvent.DragMove) and event.mimeData().hasUrls():
            event.acceptProposedAction()
            return True
        if kind == qt.QEvent.Drop and event.mimeData().hasUrls():
            paths = [url.toLocalFile() for url in event.mimeData().urls()]
            event.acceptProposedAction()
            self._dropped([path for path in paths if path])
            return True
        return False


def _named(identifier, path, nothing=""):
    """What a cell says of a node or a file, and its tool tip."""
    if identifier:
        node = slicer.mrmlScene.GetNodeByID(identifier)
        if node is None:
            return _("gone"), _("No longer in the scene: remove the row, or load it again and add it.")
        return node.GetName(), _("In the scene.")
    if not path:
        return nothing, _("Make reference labels, or choose labels.")
    file = Path(path)
    short = f"{file.parent.name}/{file.name}" if file.parent.name else file.name
    if file.exists():
        return short, path
    return _("{file} (missing)").format(file=short), _("{path} is not there: put it back, or remove the row.").format(
        path=path
    )
