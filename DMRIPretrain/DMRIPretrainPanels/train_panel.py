"""Training: the cases, what to learn from them, and the jobs that do it."""

from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.training.choose_start import SCRATCH, SHIPPED
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings

from . import settings
from .case_check import CaseCheck
from .cases_section import CasesSection
from .choices import Device
from .failure_words import problemText
from .job_section import JobSection
from .label_making import LabelMaking
from .models import problemOfModel
from .panel import Panel
from .preparation import Preparation
from .train_state import FINETUNE, PRETRAIN, TrainFacts
from .training_jobs import (
    NETWORKS,
    PATCHES,
    RECIPES,
    TASKS,
    finetuneSpecification,
    jobFolder,
    pretrainSpecification,
)
from .words import light

_FILE = "file"
_MODES, _STARTS = (FINETUNE, PRETRAIN), (SHIPPED, _FILE, SCRATCH)
_TASKS = (*((task,) for task in TASKS), TASKS)
#: Settings that are whole numbers, each with the box of its name.
_NUMBERS = ("steps", "interval", "batch", "patience", "seed")


class TrainPanel(Panel):
    """Fine-tuning on annotated scans, and pretraining on others."""

    UI = "TrainPanel.ui"

    def setup(self):
        self.facts = TrainFacts()
        self._problem = self._startProblem = ""
        self._fillChoices()
        ui = self.ui
        self.preparation = Preparation(self.refresh, self.tellProblem)
        self.check = CaseCheck(ui.findingsLabel, self.preparation, self.refresh, self.tellProblem)
        self.labels = LabelMaking(self.preparation, self.refresh, self._onLabels, self.tellProblem)
        self.jobs = JobSection(ui, self.refresh, self._onCompare, self._onUse)
        self.cases = CasesSection(ui, self._onCases, self.tellProblem)
        ui.modeBox.connect("currentIndexChanged(int)", self._onMode)
        for box in (ui.taskBox, ui.startBox, ui.patchBox, ui.networkBox, ui.trainDeviceBox):
            box.connect("currentIndexChanged(int)", self._onChoice)
        for name in _NUMBERS:
            self._box(name).connect("valueChanged(int)", self._onChoice)
        ui.startPath.connect("currentPathChanged(QString)", self._onChoice)
        ui.caseScanSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.refresh)
        ui.labelButton.connect("clicked(bool)", self.onLabel)
        ui.checkButton.connect("clicked(bool)", self.onCheck)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.casesTable.connect("itemSelectionChanged()", self.refresh)
        ui.section.connect("contentsCollapsed(bool)", lambda collapsed: None if collapsed else self.jobs.enter())
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
        self._fillNumbers(FinetuneSettings, _NUMBERS)

    def _fillNumbers(self, standard, names):
        """What the library takes where nobody says otherwise."""
        for name in names:
            self._box(name).value = getattr(standard, name)

    def _box(self, name):
        return getattr(self.ui, f"{name}Box")

    # --- what is known ---

    @property
    def mode(self):
        """``finetune`` or ``pretrain``."""
        return _MODES[self.ui.modeBox.currentIndex]

    @property
    def start(self):
        """What to start from, in the words of the library; the path of a file may be empty."""
        start = _STARTS[self.ui.startBox.currentIndex]
        return self.ui.startPath.currentPath if start == _FILE else start

    def chosen(self):
        """What is set, as ``FinetuneSettings`` that name no cases yet."""
        ui = self.ui
        return FinetuneSettings(
            cases="",
            tasks=_TASKS[ui.taskBox.currentIndex],
            start=self.start,
            network=NETWORKS[ui.networkBox.currentIndex],
            patch=PATCHES[ui.patchBox.currentIndex],
            device=list(Device)[ui.trainDeviceBox.currentIndex].value,
            **{name: self._box(name).value for name in _NUMBERS},
        )

    def refresh(self, changed=None):
        self.cases.refresh()
        self._know()
        ui, facts = self.ui, self.facts
        finetune = facts.mode == FINETUNE
        start = _STARTS[ui.startBox.currentIndex]
        ui.casesGroup.visible, ui.pretrainGroup.visible = finetune, not finetune
        ui.taskBox.visible = ui.taskBoxLabel.visible = finetune
        ui.startPath.visible = ui.startPathLabel.visible = start == _FILE
        ui.networkBox.enabled = start == SCRATCH
        ui.patienceBox.enabled = finetune
        ui.labelButton.enabled, ui.checkButton.enabled = facts.canLabel, facts.canCheck
        ui.trainButton.enabled = facts.canTrain
        ui.trainButton.text = _("Train") if finetune else _("Pretrain")
        ui.trainHintLabel.text = self._hint()
        ui.trainHintLabel.visible = bool(ui.trainHintLabel.text)
        self.cases.show(facts)
        self.jobs.show(facts)

    def _know(self):
        session, cases = self.session, self.cases.rows
        self.facts = TrainFacts(
            ready=session.facts.ready,
            mode=self.mode,
            cases=len(cases),
            labelled=sum(case.labelled for case in cases),
            start=bool(self.start) and not self._startProblem,
            mixed=_TASKS[self.ui.taskBox.currentIndex] == TASKS and any(case.singleMap for case in cases),
            preparing=self.preparation.busy,
            checking=self.check.running,
            labelling=self.labels.running,
            training=self.jobs.trains,
            job=self.jobs.watch.state,
            kind=self.jobs.kind,
            model=self.jobs.model is not None,
            scan=session.parameterNode is not None and session.parameterNode.scan is not None,
            comparing=session.comparePanel is not None and session.comparePanel.comparing,
        )

    def _hint(self):
        facts = self.facts
        problem = self._problem or (self._startProblem if facts.obstacle == "start" else "")
        if problem:
            return light("error", problem)
        if facts.preparing:
            return light("busy", _("Writing scans and labels for the job..."))
        if facts.checking:
            return light("busy", _("Checking the cases..."))
        if facts.labelling:
            return light("busy", _("Making reference labels: {what}").format(what=self.labels.progress))
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

    def connectParameters(self):
        super().connectParameters()
        self.cases.connect(self.session.parameterNode)

    def sceneAboutToClose(self):
        self.jobs.sceneAboutToClose()
        self.cases.connect(None)

    def cleanup(self):
        self.jobs.stop()
        self.labels.stop()
        self.check.forget()
        self.preparation.stop()

    # --- what users do ---

    def _onMode(self, index):
        # A pretraining is another thing than a fine-tuning: it takes many more steps.
        self._fillNumbers(FinetuneSettings if self.mode == FINETUNE else PretrainSettings, ("steps", "interval"))
        self._onChoice()

    def _onChoice(self, value=None):
        path = self.ui.startPath.currentPath
        isFile = _STARTS[self.ui.startBox.currentIndex] == _FILE
        self._startProblem = problemOfModel(path) if isFile and path else ""
        self._onCases()

    def _onCases(self):
        """What was said of other cases or settings is no longer true."""
        self._problem = ""
        self.check.forget()
        self.refresh()

    def onCheck(self, checked=False):
        self._problem = ""
        self.check.begin(self.cases.rows, self.chosen())

    def onLabel(self, checked=False):
        self._problem = ""
        self.labels.begin([case for case in self.cases.rows if not case.labelled], self.chosen().tasks)

    def _onLabels(self, made):
        self.cases.replace([case.but(labels=made[case]) if case in made else case for case in self.cases.rows])

    def onTrain(self, checked=False):
        self._problem = ""
        chosen, recipe, data = self.chosen(), RECIPES[self.ui.recipeBox.currentIndex], self.ui.dataPath.currentPath
        isFinetune = self.mode == FINETUNE
        task = chosen.tasks[0] if len(chosen.tasks) == 1 else "all tasks"
        kind = task if isFinetune else "pretraining"
        folder = jobFolder(settings.jobsFolder(), self.ui.nameEdit.text, kind)

        def specification(export, table):
            if isFinetune:
                return finetuneSpecification(chosen, table, export.labelNames)
            return pretrainSpecification(chosen, recipe, data)

        self.preparation.begin(self.cases.rows if isFinetune else [], chosen.tasks, folder, specification, self._start)

    def _start(self, export, specification):
        job = JobFolder(export.folder)
        job.create(specification)
        self.jobs.start(job)

    def tellProblem(self, problem):
        """Say what went wrong, an exception or a text, where users look before they press *Train*."""
        self._problem = problemText(problem)
        self.refresh()

    def _onUse(self, model):
        self.session.parameterNode.modelFile = str(model)

    def _onCompare(self, job):
        try:
            self.session.comparePanel.compareJob(job)
        except UserError as error:
            self.tellProblem(error)
