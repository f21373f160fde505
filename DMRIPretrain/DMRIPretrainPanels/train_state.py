"""What may be pressed in the training panel: plain Python, without Qt and Slicer, so that it can be tested alone."""

from dataclasses import dataclass, replace

from .state import AT_WORK

FINETUNE, PRETRAIN = "finetune", "pretrain"


@dataclass(frozen=True)
class TrainFacts:
    """All that decides what is enabled.

    Attributes:
        ready: the packages are there.
        mode: ``finetune`` or ``pretrain``.
        cases: number of cases in the table.
        labelled: how many of them have labels.
        start: the chosen starting model is there.
        mixed: single label maps are given although several tasks are to be learned.
        preparing: scans are written out for a job.
        checking: the cases are being checked.
        labelling: reference labels are being made.
        training: a training is at work, whether it is the one that is looked at or not.
        job: state of the job that is looked at; empty where there is none. ``unknown`` where nothing was ever started.
        kind: of that job.
        model: it has a model as result.
        scan: a scan to compare models on is chosen.
        comparing: predictions to compare are being made.
    """

    ready: bool = False
    mode: str = FINETUNE
    cases: int = 0
    labelled: int = 0
    start: bool = True
    mixed: bool = False
    preparing: bool = False
    checking: bool = False
    labelling: bool = False
    training: bool = False
    job: str = ""
    kind: str = ""
    model: bool = False
    scan: bool = False
    comparing: bool = False

    def but(self, **changes):
        """The same with some facts changed."""
        return replace(self, **changes)

    @property
    def busy(self):
        """Whether the cases are in use, so that they must stay as they are."""
        return self.preparing or self.checking or self.labelling

    @property
    def obstacle(self):
        """What keeps from training, empty for nothing.

        It is one of ``packages``, ``busy``, ``work``, ``cases``, ``labels``, ``mixed`` and ``start``.
        """
        if not self.ready:
            return "packages"
        if self.busy:
            return "busy"
        if self.training:
            return "work"
        if self.mode == FINETUNE:
            if not self.cases:
                return "cases"
            if self.labelled < self.cases:
                return "labels"
            if self.mixed:
                return "mixed"
        return "" if self.start else "start"

    @property
    def canTrain(self):
        """Whether training may be started."""
        return not self.obstacle

    @property
    def canEdit(self):
        """Whether the table of cases may be changed."""
        return not self.busy

    @property
    def canLabel(self):
        """Whether reference labels may be made: for those scans that have none."""
        return self.ready and not self.busy and self.labelled < self.cases

    @property
    def canCheck(self):
        """Whether the cases may be checked."""
        return self.ready and not self.busy and bool(self.cases) and self.labelled == self.cases and not self.mixed

    @property
    def atWork(self):
        """Whether the job that is looked at is at work."""
        return self.job in AT_WORK

    @property
    def canStop(self):
        """Whether it can be asked to stop, and was not yet."""
        return self.job in ("queued", "running")

    @property
    def canResume(self):
        """Whether it can go on; two trainings at once would take memory from each other."""
        return self.ready and self.job in ("stopped", "failed", "lost") and not (self.training or self.preparing)

    @property
    def canUse(self):
        """Whether its model can be predicted with."""
        return self.kind == FINETUNE and self.model

    @property
    def canCompare(self):
        """Whether the starting model and its own can be compared on a scan."""
        return self.ready and self.canUse and self.scan and not self.comparing

    @property
    def canClean(self):
        """Whether what it needs only to go on may be deleted."""
        return bool(self.job) and not self.atWork
