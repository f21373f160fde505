"""Set-up: what is missing, its installation, and the check of this computer."""

from slicer.i18n import tr as _

from . import settings
from .background import Command
from .packages import NotInstalledError, Packages, requirementsPath
from .panel import Panel
from .words import light


class SetUpPanel(Panel):
    """Collapsed when all is there."""

    UI = "SetUpPanel.ui"

    def setup(self):
        self._packages = Packages(requirementsPath(self.session.resourcePath))
        self._command = None
        self._problem = ""
        self.ui.wheelhousePath.currentPath = settings.wheelhouse()
        self.ui.jobsPath.currentPath = str(settings.jobsFolder())
        self.ui.wheelhousePath.connect("currentPathChanged(QString)", settings.setWheelhouse)
        self.ui.jobsPath.connect("currentPathChanged(QString)", settings.setJobsFolder)
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self.ui.examineButton.connect("clicked(bool)", self.onExamine)
        self.session.facts = self.session.facts.but(missing=self._packages.missing())
        self.ui.section.collapsed = self.session.facts.ready

    def refresh(self):
        facts = self.session.facts
        if facts.installing:
            self.ui.stateLabel.text = light("busy", _("Installing packages..."))
        elif facts.examining:
            self.ui.stateLabel.text = light("busy", _("Checking this computer..."))
        elif self._problem:
            self.ui.stateLabel.text = light("error", self._problem)
        elif facts.missing:
            names = ", ".join("PyTorch" if name == "torch" else name for name in facts.missing)
            self.ui.stateLabel.text = light("error", _("Missing: {names}.").format(names=names))
        else:
            self.ui.stateLabel.text = light("right", _("Ready: all packages are there."))
        self.ui.section.text = _("Set-up") if facts.ready else _("Set-up: packages are missing")
        self.ui.installButton.visible = bool(facts.missing)
        self.ui.installButton.enabled = facts.canInstall
        self.ui.examineButton.enabled = facts.canExamine

    def cleanup(self):
        if self._command is not None:
            self._command.stop()

    def onInstall(self, checked=False):
        self._problem = ""
        self.session.tell(installing=True)
        try:
            self._packages.install(self.ui.wheelhousePath.currentPath)
        except NotInstalledError as error:
            self._problem = str(error)
        missing = self._packages.missing()
        self.session.tell(installing=False, missing=missing)
        self.ui.section.collapsed = not (missing or self._problem)

    def onExamine(self, checked=False):
        self._problem = ""
        self.ui.reportLabel.visible = False
        self._command = Command(["doctor", "--json", "--folder", _existing(settings.jobsFolder())], self._onExamined)
        self.session.tell(examining=True)

    def _onExamined(self, report, complaint):
        self._command = None
        if isinstance(report, dict) and "works" in report:
            self.ui.reportLabel.text = _reportText(report)
        else:
            text = _("This computer could not be checked ({complaint}).").format(complaint=complaint)
            self.ui.reportLabel.text = light("error", text)
        self.ui.reportLabel.visible = True
        self.session.tell(examining=False, missing=self._packages.missing())


def _existing(folder):
    """The folder, or the nearest one above that is there."""
    return str(next(path for path in (folder, *folder.parents) if path.is_dir()))


def _reportText(report):
    """The report of ``doctor`` as rich text, worst first."""
    lines = [
        light("error" if finding["severity"] == "error" else "warning", f"{finding['message']}. {finding['action']}.")
        for finding in report.get("findings", [])
    ]
    devices = [device for device in report.get("torch", {}).get("devices", []) if device.get("works")]
    names = ", ".join(device["title"] for device in devices) or _("nothing")
    memory = (report.get("memory") or {}).get("available", 0) / 2**30
    disk = report.get("disk", {}).get("free", 0) / 2**30
    works = report["works"]
    verdict = _("This computer can make predictions.") if works else _("This computer cannot make predictions yet.")
    lines.append(light("right" if works else "error", verdict))
    lines.append(light("none", _("Computes on: {names}").format(names=names)))
    text = _("Free: {memory:.0f} GB of memory, {disk:.0f} GB of disk").format(memory=memory, disk=disk)
    lines.append(light("none", text))
    return "<br>".join(lines)
