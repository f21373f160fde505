"""The part of the training panel that is about cases: adding, importing, removing them, and keeping them."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError

from .case_store import readCases, writeCases
from .cases import SCAN_ENDINGS, Case, casesOfFolder
from .cases_table import CasesTable


class CasesSection:
    """The annotated scans that a user puts together; they are saved with the scene.

    Args:
        ui: widgets of the training panel.
        changed: called when there are other cases, or one was changed.
        failed: called with a problem of the user's.
    """

    def __init__(self, ui, changed, failed):
        self.ui = ui
        self._changed, self._failed = changed, failed
        self._parameterNode, self._seen = None, None
        self._table = CasesTable(ui.casesTable, self._onEdited, self.addFiles)
        ui.addCaseButton.connect("clicked(bool)", self.onAddCase)
        ui.addFilesButton.connect("clicked(bool)", self.onAddFiles)
        ui.importFolderButton.connect("clicked(bool)", self.onImportFolder)
        ui.removeCaseButton.connect("clicked(bool)", self.onRemove)

    @property
    def rows(self):
        """The cases, in order."""
        return self._table.cases

    def show(self, facts):
        """Show what may be done with them."""
        ui = self.ui
        ui.addCaseButton.enabled = facts.canEdit and ui.caseScanSelector.currentNode() is not None
        ui.addFilesButton.enabled = facts.canEdit
        ui.importFolderButton.enabled = facts.canEdit and facts.ready
        ui.removeCaseButton.enabled = facts.canEdit and bool(self._table.selectedRows())
        ui.casesTable.enabled = facts.canEdit

    # --- where they are kept ---

    def connect(self, parameterNode):
        """Keep the cases in this node from now on, and show those that are there; None while the scene closes."""
        self._parameterNode, self._seen = parameterNode, None
        if parameterNode is None:
            self._show([])
        self.refresh()

    def refresh(self):
        """Show what is kept if others have changed it: a scene was added, or a node removed."""
        if self._parameterNode is None or self._parameterNode.parameterNode.GetMTime() == self._seen:
            return
        self._seen = self._parameterNode.parameterNode.GetMTime()
        cases = readCases(self._parameterNode)
        if cases != self.rows:
            self._show(cases)

    def replace(self, cases):
        """Show and keep these cases instead of those so far."""
        self._keep(cases)
        self._show(cases)

    def _keep(self, cases):
        if self._parameterNode is not None:
            writeCases(self._parameterNode, cases)
            self._seen = self._parameterNode.parameterNode.GetMTime()

    def _show(self, cases):
        self._table.show(cases)
        self._changed()

    def _onEdited(self):
        self._keep(self.rows)
        self._changed()

    # --- what users do ---

    def onAddCase(self, checked=False):
        scan, labels = self.ui.caseScanSelector.currentNode(), self.ui.caseLabelsSelector.currentNode()
        case = Case(scanNode=scan.GetID(), labelsNode=labels.GetID() if labels is not None else "")
        self.replace([*self.rows, case])
        self.ui.caseLabelsSelector.setCurrentNode(None)

    def onAddFiles(self, checked=False):
        endings = " ".join(f"*{ending}" for ending in SCAN_ENDINGS)
        parent = slicer.util.mainWindow()
        path = qt.QFileDialog.getOpenFileName(parent, _("Diffusion scan"), "", _("Scans ({0})").format(endings))
        if not path:
            return
        title = _("Labels of {name} (Cancel: none yet)").format(name=Path(path).name)
        filters = _("Labels ({0})").format(endings)
        labels = qt.QFileDialog.getOpenFileName(parent, title, str(Path(path).parent), filters)
        self.replace([*self.rows, Case(scan=path, labels=labels or "")])

    def addFiles(self, paths):
        """Add dropped files: a folder of scans, or scans whose labels follow later."""
        found = []
        for path in filter(Path.exists, map(Path, paths)):
            if path.is_dir():
                found += self._casesIn(path)
            elif path.name.endswith(SCAN_ENDINGS):
                found.append(Case(scan=str(path)))
            else:
                text = _("{path}: expected a scan ({endings}) or a BIDS folder; drop one of these.")
                self._failed(text.format(path=path, endings=", ".join(SCAN_ENDINGS)))
        if found:
            self.replace([*self.rows, *found])

    def onImportFolder(self, checked=False):
        parent = slicer.util.mainWindow()
        folder = qt.QFileDialog.getExistingDirectory(parent, _("BIDS folder of scans"), "")
        if not folder:
            return
        title = _("Folder with the labels of these scans (Cancel: none yet)")
        labels = qt.QFileDialog.getExistingDirectory(parent, title, folder)
        found = self._casesIn(Path(folder), Path(labels) if labels else None)
        if found:
            self.replace([*self.rows, *found])

    def _casesIn(self, folder, labels=None):
        from DMRIPretrainLib.scans.bids import find_dwi

        try:
            found = find_dwi(folder)
        except UserError as error:
            self._failed(error)
            return []
        if not found:
            text = _("{folder} holds no scans such as sub-01/dwi/sub-01_dwi.nii.gz; choose a BIDS folder.")
            self._failed(text.format(folder=folder))
        return casesOfFolder(found, labels)

    def onRemove(self, checked=False):
        rows = self._table.selectedRows()
        self.replace([case for row, case in enumerate(self.rows) if row not in rows])
