"""Training: the cases, what to learn from them, and the jobs that do it."""

import csv
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.launch import start_job

from . import settings
from .background import Command, Task, libraryEnvironment, pythonExecutable
from .case_export import CaseExport
from .cases import SCAN_ENDINGS, Case, casesOfFolder
from .cases_table import CasesTable
from .choices import Device
from .job_section import JobSection
from .job_watch import JobWatch
from .panel import Panel
from .train_state import FINETUNE, PRETRAIN, TrainFacts
from .training_jobs import (
    FILE,
    NETWORKS,
    PATCHES,
    RECIPES,
    SCRATCH,
    SHIPPED,
    TASKS,
    TrainSettings,
    finetuneSpecification,
    jobFolder,
    labelSpecification,
    pretrainSpecification,
)
from .words import light

_MODES, _STARTS = (FINETUNE, PRETRAIN), (SHIPPED, FILE, SCRATCH)
_TASKS = (("segmentation",), ("crossings",), ("orientation",), TASKS)


class TrainPanel(Panel):
    """Fine-tuning on annotated scans, and pretraining on others."""

    UI = "TrainPanel.ui"

    def setup(self):
        self.facts = TrainFacts()
        self.session.comparePanel = getattr(self.session, "comparePanel", None)
        self._working = None
        self._problem = ""
        self._labelCases = []
        self._fillChoices()
        self.table = CasesTable(self.ui.casesTable, self.refresh, self.addFiles)
        self.jobs = JobSection(self.ui, self.refresh, self._onCompare, self._onUse)
        self._labelWatch = JobWatch(self._onLabelsTold)
        ui = self.ui
        for box in (ui.modeBox, ui.taskBox, ui.startBox):
            box.connect("currentIndexChanged(int)", self._onChoice)
        ui.startPath.connect("currentPathChanged(QString)", self._onChoice)
        ui.caseScanSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onChoice)
        ui.addCaseButton.connect("clicked(bool)", self.onAddCase)
        ui.addFilesButton.connect("clicked(bool)", self.onAddFiles)
        ui.importFolderButton.connect("clicked(bool)", self.onImportFolder)
        ui.removeCaseButton.connect("clicked(bool)", self.onRemove)
        ui.labelButton.connect("clicked(bool)", self.onLabel)
        ui.checkButton.connect("clicked(bool)", self.onCheck)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.casesTable.connect("itemSelectionChanged()", self.refresh)
        ui.section.connect("contentsCollapsed(bool)", lambda collapsed: None if collapsed else self.jobs.enter())
        ui.findingsLabel.visible = False
        self.refresh()

    def _fillChoices(self):
        ui = self.ui
        for box, texts in (
            (ui.modeBox, (_("Learn from annotated scans"), _("Pretrain on scans without labels"))),
            (
                ui.taskBox,
                (_("Labels (segmentation)"), _("Number of fibre populations"), _("Fibre orientation"), _("All three")),
            ),
            (ui.startBox, (_("Model that comes with the module"), _("Model file"), _("Nothing (from scratch)"))),
            (ui.recipeBox, RECIPES),
            (ui.networkBox, NETWORKS),
            (ui.patchBox, [_("automatic") if size == 0 else str(size) for size in PATCHES]),
            (ui.trainDeviceBox, [device.label() for device in Device]),
        ):
            for text in texts:
                box.addItem(text)

    # --- what is known ---

    @property
    def tasks(self):
        """What is to be learned."""
        return _TASKS[self.ui.taskBox.currentIndex]

    @property
    def mode(self):
        """``finetune`` or ``pretrain``."""
        return _MODES[self.ui.modeBox.currentIndex]

    def trainSettings(self):
        """What is set."""
        ui, start = self.ui, _STARTS[self.ui.startBox.currentIndex]
        return TrainSettings(
            tasks=self.tasks,
            start=ui.startPath.currentPath if start == FILE else start,
            network=NETWORKS[ui.networkBox.currentIndex],
            steps=ui.stepsBox.value,
            interval=ui.intervalBox.value,
            batch=ui.batchBox.value,
            patch=PATCHES[ui.patchBox.currentIndex],
            patience=ui.patienceBox.value,
            device=list(Device)[ui.trainDeviceBox.currentIndex].value,
            seed=ui.seedBox.value,
        )

    def refresh(self):
        ui, cases, session = self.ui, self.table.cases, self.session
        start = _STARTS[ui.startBox.currentIndex]
        self.facts = self.facts.but(
            ready=session.facts.ready,
            mode=self.mode,
            cases=len(cases),
            labelled=sum(case.labelled for case in cases),
            start=start != FILE or Path(ui.startPath.currentPath).is_file(),
            mixed=len(self.tasks) > 1 and any(case.singleMap for case in cases),
            training=self.jobs.trains,
            job=self.jobs.watch.state,
            kind=self.jobs.kind,
            model=self.jobs.model is not None,
            scan=session.parameterNode is not None and session.parameterNode.scan is not None,
            comparing=session.comparePanel.comparing if session.comparePanel is not None else False,
        )
        facts = self.facts
        finetune = self.mode == FINETUNE
        ui.casesGroup.visible, ui.pretrainGroup.visible = finetune, not finetune
        ui.taskBox.visible = ui.taskBoxLabel.visible = finetune
        ui.startPath.visible = ui.startPathLabel.visible = start == FILE
        ui.networkBox.enabled = start == SCRATCH
        ui.patienceBox.enabled = finetune
        ui.addCaseButton.enabled = facts.canEdit and ui.caseScanSelector.currentNode() is not None
        ui.addFilesButton.enabled = facts.canEdit
        ui.importFolderButton.enabled = facts.canEdit and facts.ready
        ui.removeCaseButton.enabled = facts.canEdit and bool(self.table.selectedRows())
        ui.casesTable.enabled = facts.canEdit
        ui.labelButton.enabled, ui.checkButton.enabled = facts.canLabel, facts.canCheck
        ui.trainButton.enabled = facts.canTrain
        ui.trainButton.text = _("Train") if finetune else _("Pretrain")
        ui.trainHintLabel.text = self._hint()
        ui.trainHintLabel.visible = bool(ui.trainHintLabel.text)
        self.jobs.show(facts)

    def _hint(self):
        if self._problem:
            return light("error", self._problem)
        facts = self.facts
        if facts.preparing:
            return light("busy", _("Writing scans and labels for the job..."))
        if facts.checking:
            return light("busy", _("Checking the cases..."))
        if facts.labelling:
            progress = self._labelWatch.status.latest.get("progress", {}) if self._labelWatch.status else {}
            return light("busy", _("Making reference labels: {what}").format(what=progress.get("what", _("starting"))))
        texts = {
            "packages": _("Install the packages first (Set-up)."),
            "work": _("A training is at work; stop it, or wait for its end, to start another one."),
            "cases": _("Add annotated scans first."),
            "labels": _("Some scans have no labels yet: make reference labels, or remove them."),
            "mixed": _("To learn all three tasks, each scan needs a folder of labels: make reference labels."),
            "start": _("Choose a model file to start from."),
        }
        text = texts.get(facts.obstacle)
        return light("none", text) if text else ""

    # --- life of the module ---

    def enter(self):
        if not self.ui.section.collapsed:
            self.jobs.enter()

    def sceneAboutToClose(self):
        self.jobs.curves.sceneAboutToClose()
        if self.ui.curvesBox.checked:
            self.ui.curvesBox.checked = False
        self.table.show([case for case in self.table.cases if not (case.scanNode or case.labelsNode)])
        self.refresh()

    def cleanup(self):
        self.jobs.stop()
        self._labelWatch.stop()
        if self._working is not None:
            working, self._working = self._working, None
            working.stop() if isinstance(working, Command) else working.forget()

    # --- cases ---

    def _onChoice(self, value=None):
        self._problem = ""
        self.refresh()

    def _setCases(self, cases):
        self._problem = ""
        self.ui.findingsLabel.visible = False
        self.table.show(cases)
        self.refresh()

    def onAddCase(self, checked=False):
        scan, labels = self.ui.caseScanSelector.currentNode(), self.ui.caseLabelsSelector.currentNode()
        case = Case(scanNode=scan.GetID(), labelsNode=labels.GetID() if labels is not None else "")
        self._setCases([*self.table.cases, case])
        self.ui.caseLabelsSelector.setCurrentNode(None)

    def onAddFiles(self, checked=False):
        endings = " ".join(f"*{ending}" for ending in SCAN_ENDINGS)
        parent = slicer.util.mainWindow()
        path = qt.QFileDialog.getOpenFileName(parent, _("Diffusion scan"), "", _("Scans ({0})").format(endings))
        if not path:
            return
        title = _("Labels of {name} (Cancel: none yet)").format(name=Path(path).name)
        labels = qt.QFileDialog.getOpenFileName(
            parent, title, str(Path(path).parent), _("Labels ({0})").format(endings)
        )
        self._setCases([*self.table.cases, Case(scan=path, labels=labels or "")])

    def addFiles(self, paths):
        """Add dropped files: a folder of scans, or scans whose labels follow later."""
        cases = list(self.table.cases)
        for path in filter(Path.exists, map(Path, paths)):
            if path.is_dir():
                self.importFolder(path)
                cases = list(self.table.cases)
            elif path.name.endswith(SCAN_ENDINGS):
                cases.append(Case(scan=str(path)))
        self._setCases(cases)

    def onImportFolder(self, checked=False):
        parent = slicer.util.mainWindow()
        folder = qt.QFileDialog.getExistingDirectory(parent, _("BIDS folder of scans"), "")
        if not folder:
            return
        title = _("Folder with the labels of these scans (Cancel: none yet)")
        labels = qt.QFileDialog.getExistingDirectory(parent, title, folder)
        self.importFolder(Path(folder), Path(labels) if labels else None)

    def importFolder(self, folder, labels=None):
        """Add all scans of a BIDS folder."""
        from DMRIPretrainLib.scans.bids import find_dwi

        try:
            found = find_dwi(folder)
        except UserError as error:
            self._tellProblem(error)
            return
        if not found:
            text = _("{folder} holds no scans such as sub-01/dwi/sub-01_dwi.nii.gz; choose a BIDS folder.")
            self._tellProblem(text.format(folder=folder))
            return
        self._setCases([*self.table.cases, *casesOfFolder(found, labels)])

    def onRemove(self, checked=False):
        rows = self.table.selectedRows()
        self._setCases([case for row, case in enumerate(self.table.cases) if row not in rows])

    # --- work ---

    def onCheck(self, checked=False):
        folder = Path(slicer.util.tempDirectory("DMRIPretrainCheck"))
        self._export(folder, self.table.cases, lambda export, table: table, self._startCheck)

    def _startCheck(self, export, table):
        tasks = [argument for task in self.tasks for argument in ("--task", task)]
        self._working = Command(["check", str(table), *tasks, "--json"], self._onChecked)
        self.facts = self.facts.but(checking=True)
        self.refresh()

    def _onChecked(self, report, complaint):
        self._working = None
        self.facts = self.facts.but(checking=False)
        if isinstance(report, dict) and "findings" in report:
            lines = [_findingText(finding) for finding in report["findings"]]
            lines = lines or [light("right", _("Nothing is wrong with the cases."))]
            self.ui.findingsLabel.text = "<br>".join(lines)
            self.ui.findingsLabel.visible = True
        else:
            self._problem = _("The cases could not be checked: {complaint}").format(complaint=complaint)
        self.refresh()

    def onLabel(self, checked=False):
        self._labelCases = [row for row, case in enumerate(self.table.cases) if not case.labelled]
        folder = jobFolder(settings.jobsFolder(), "", "labels")
        cases, tasks = [self.table.cases[row] for row in self._labelCases], self.tasks
        self._export(folder, cases, lambda export, table: labelSpecification(export.scans, tasks), self._startLabels)

    def _startLabels(self, export, specification):
        job = JobFolder(export.folder)
        job.create(specification)
        start_job(job, python=pythonExecutable(), environment=libraryEnvironment())
        self._labelScans = export.scans
        self.facts = self.facts.but(labelling=True)
        self._labelWatch.follow(job)
        self.jobs.refreshList()

    def _onLabelsTold(self):
        status = self._labelWatch.status
        if self.facts.labelling and status is not None and status.is_over:
            self.facts = self.facts.but(labelling=False)
            self._takeLabels(self._labelWatch.job)
            if status.failure is not None:
                self._problem = f"{status.failure.message}; {status.failure.action}"
        self.refresh()

    def _takeLabels(self, job):
        """Give the cases the labels that were made for them."""
        made, failed, cases = *_outcomes(job), list(self.table.cases)
        for row, scan in zip(self._labelCases, self._labelScans, strict=True):
            if scan in made:
                cases[row] = cases[row].but(labels=str(made[scan]))
        self._setCases(cases)
        if failed:
            self._problem = _("No labels: {why}").format(why="; ".join(failed))

    def onTrain(self, checked=False):
        name = self.ui.nameEdit.text
        folder = jobFolder(settings.jobsFolder(), name, self.tasks[0] if self.mode == FINETUNE else "pretraining")
        chosen, recipe, data = (
            self.trainSettings(),
            RECIPES[self.ui.recipeBox.currentIndex],
            self.ui.dataPath.currentPath,
        )
        if self.mode == FINETUNE:
            self._export(
                folder,
                self.table.cases,
                lambda export, table: finetuneSpecification(chosen, table, export.labelNames),
                self._start,
            )
        else:
            self._export(folder, [], lambda export, table: pretrainSpecification(chosen, recipe, data), self._start)

    def _start(self, export, specification):
        job = JobFolder(export.folder)
        job.create(specification)
        self.jobs.start(job)
        self.refresh()

    def _export(self, folder, cases, prepare, then):
        """Write cases and ``prepare(export, table)`` in a thread; go on with ``then(export, what that returned)``."""
        self._problem = ""
        try:
            export = CaseExport(cases, self.tasks, folder)
        except (UserError, ImportError) as error:
            self._tellProblem(error)
            return
        self.facts = self.facts.but(preparing=True)
        self._working = Task(
            lambda: prepare(export, export.write()),
            lambda prepared, error: self._onExported(export, prepared, error, then),
        )
        self.refresh()

    def _onExported(self, export, prepared, error, then):
        self._working = None
        self.facts = self.facts.but(preparing=False)
        if error is not None:
            self._tellProblem(error)
            return
        self._guarded(lambda: then(export, prepared))

    def _guarded(self, action):
        try:
            action()
        except UserError as error:
            self._tellProblem(error)

    def _tellProblem(self, problem):
        text = str(problem)
        self._problem = text[:1].upper() + text[1:]
        self.refresh()

    # --- results ---

    def _onUse(self, model):
        self.session.parameterNode.modelFile = str(model)

    def _onCompare(self, job):
        self.session.comparePanel.compareJob(job)


def _findingText(finding):
    where = f"{finding['where']}: " if finding.get("where") else ""
    action = f" {finding['action'][:1].upper()}{finding['action'][1:]}." if finding.get("action") else ""
    return light("error" if finding["severity"] == "error" else "warning", f"{where}{finding['message']}.{action}")


def _outcomes(job):
    """Folder of labels of each scan that has them, and why the others have none."""
    path = job.result / "outcomes.tsv"
    if not path.is_file():
        return {}, []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    made = {row["scan"]: job.result / row["name"] for row in rows if row["state"] == "done"}
    return made, [row["message"] for row in rows if row["state"] != "done"]
