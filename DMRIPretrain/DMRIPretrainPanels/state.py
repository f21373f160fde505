"""What is known, and what may be pressed: plain Python, without Qt and Slicer, so that it can be tested alone."""

from dataclasses import dataclass, replace

#: States of a job in which it still works, or is about to; ``preparing`` is ours, the others are those of the library.
AT_WORK = ("preparing", "queued", "running", "stopping")


@dataclass(frozen=True)
class Facts:
    """All that decides what is enabled.

    Attributes:
        missing: names of the packages that are not there.
        installing: packages are being installed.
        examining: this computer is being checked.
        scan: a scan is chosen.
        scanProblem: why the chosen scan cannot be used, else empty.
        check: what is known of its gradients: ``unknown``, ``running``, ``right``, ``wrong``, ``uncertain`` or
            ``failed``.
        model: a model is chosen whose file is there.
        job: state of the prediction, empty where there is none; see ``AT_WORK``.
        result: a result is in the scene.
    """

    missing: tuple = ()
    installing: bool = False
    examining: bool = False
    scan: bool = False
    scanProblem: str = ""
    check: str = "unknown"
    model: bool = False
    job: str = ""
    result: bool = False

    def but(self, **changes):
        """The same with some facts changed."""
        return replace(self, **changes)

    @property
    def ready(self):
        """Whether predictions can be made here."""
        return not self.missing and not self.installing

    @property
    def atWork(self):
        """Whether a prediction is being made."""
        return self.job in AT_WORK

    @property
    def canInstall(self):
        """Not while a job needs the packages that would be replaced."""
        return bool(self.missing) and not (self.installing or self.examining or self.atWork)

    @property
    def canExamine(self):
        """Whether this computer may be checked."""
        return not (self.examining or self.installing)

    @property
    def canLoad(self):
        """Whether a scan may be loaded from a file: that needs packages that read it."""
        return self.ready

    @property
    def canCheck(self):
        """Whether the gradients may be checked."""
        return self.ready and self.scan and not self.scanProblem and self.check != "running"

    @property
    def canRepair(self):
        """Whether the gradients are known to be wrong in a way that can be mended."""
        return self.ready and self.scan and self.check == "wrong" and not self.atWork

    @property
    def obstacle(self):
        """What keeps from predicting: ``packages``, ``scan``, ``problem``, ``model`` or ``work``; empty for nothing."""
        if not self.ready:
            return "packages"
        if not self.scan:
            return "scan"
        if self.scanProblem:
            return "problem"
        if not self.model:
            return "model"
        return "work" if self.atWork else ""

    @property
    def canPredict(self):
        """Whether a prediction may be started."""
        return not self.obstacle

    @property
    def canCancel(self):
        """Whether there is something to cancel that was not cancelled before."""
        return self.job in ("queued", "running")
