"""Scan: which one, what it is, and whether its gradient directions fit."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.scan_nodes import node_to_scan
from DMRIPretrainLib.scene.steps import require_in_scene

from . import settings
from .background import Command, Steps, Task
from .panel import Panel
from .scan_files import openScan, problemOf, repair, writer
from .words import light

_FOLDER = "DMRIPretrain/ScanFolder"


class ScanPanel(Panel):
    """A scan is checked when the user chooses it, in a process of its own."""

    UI = "ScanPanel.ui"

    def setup(self):
        self._described = None
        self._checks = {}
        self._running = None
        self._opening = None
        self._openingFile = ""
        self.ui.openButton.connect("clicked(bool)", self.onOpen)
        self.ui.checkButton.connect("clicked(bool)", self.onCheck)
        self.ui.repairButton.connect("clicked(bool)", self.onRepair)
        self.ui.scanSelector.connect("nodeActivated(vtkMRMLNode*)", self.onChosen)

    def enter(self):
        """The only scan of a scene is the one that is meant."""
        scans = slicer.util.getNodesByClass("vtkMRMLDiffusionWeightedVolumeNode")
        if len(scans) == 1 and self.session.parameterNode.scan is None:
            self.session.parameterNode.scan = scans[0]

    def cleanup(self):
        self._stop()
        self._stopOpening()

    def sceneAboutToClose(self):
        self._stop()
        self._stopOpening()
        self._checks.clear()
        self._described = None

    @property
    def scan(self):
        """The chosen node, or None."""
        return self.session.parameterNode.scan if self.session.parameterNode else None

    def refresh(self):
        scan = self.scan
        key = (scan.GetID(), scan.GetName(), scan.GetMTime()) if scan else None
        if key != self._described:
            self._described = key
            self._describe(scan)
        check = self._checks.get(scan.GetID(), {}) if scan else {}
        self.session.facts = self.session.facts.but(check=check.get("state", "unknown"))
        self._showCheck(check)
        facts = self.session.facts
        self.ui.openButton.enabled = facts.canLoad and self._opening is None
        self.ui.checkButton.enabled = facts.canCheck
        self.ui.checkButton.text = _("Check scan") if facts.check == "unknown" else _("Check again")
        self.ui.repairButton.visible = facts.check == "wrong"
        self.ui.repairButton.enabled = facts.canRepair

    def _describe(self, scan):
        problem = problemOf(scan) if scan else ""
        self.session.facts = self.session.facts.but(scan=scan is not None, scanProblem=problem)
        table, voxels = "", ""
        if scan and not problem:
            content = node_to_scan(scan)
            table = content.gradients.describe().replace(" x ", " \u00d7 ") + " s/mm\u00b2"
            size = " \u00d7 ".join(f"{length:.3g}" for length in content.voxel_size)
            voxels = " \u00d7 ".join(str(count) for count in content.signal.shape[:3]) + _(" of {size} mm").format(
                size=size
            )
        self.ui.tableLabel.text = table
        self.ui.voxelsLabel.text = voxels

    def _showCheck(self, check):
        state = check.get("state", "unknown")
        words = {
            "unknown": ("none", _("not checked yet")),
            "running": ("busy", _("checking...")),
            "right": ("right", _("fit the image")),
            "uncertain": ("warning", _("cannot be told from this scan")),
            "wrong": ("error", _("do not fit the image: {change}").format(change=check.get("change", ""))),
            "failed": ("error", _("could not be checked")),
        }
        has = self.session.facts.scan and not self.session.facts.scanProblem
        self.ui.gradientLabel.text = light(*words[state]) if has else ""
        self.ui.noiseLabel.text = check.get("noise", "")
        findings = [light("error", self.session.facts.scanProblem)] if self.session.facts.scanProblem else []
        findings += [light("busy", _("Opening {file}...").format(file=self._openingFile))] if self._opening else []
        findings += [light("warning", text) for text in check.get("findings", [])]
        self.ui.findingsLabel.text = "<br>".join(findings)
        self.ui.findingsLabel.visible = bool(findings)

    # --- opening --------------------------------------------------------------------------------

    def onOpen(self, checked=False):
        filters = _("Diffusion scans") + " (*.nii *.nii.gz *.nrrd *.nhdr)"
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Open a diffusion scan"), self._folder(), filters)
        if not path:
            return
        qt.QSettings().setValue(_FOLDER, str(Path(path).parent))
        self._openingFile = Path(path).name
        self._opening = Steps(self._open(Path(path)), self._onOpened)
        self.session.changed()

    def _open(self, path):
        node = yield from openScan(slicer.mrmlScene, path, self._askSideFile)
        yield
        require_in_scene(node)
        slicer.util.setSliceViewerLayers(background=node, foreground=None, label=None, fit=True)
        yield
        require_in_scene(node)
        return node

    def _onOpened(self, node, error):
        self._opening = None
        if error is not None:
            self.session.changed()
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            slicer.util.errorDisplay(text, _("The scan cannot be opened"))
        elif self.session.parameterNode is not None:  # the module may have been left meanwhile
            self.session.parameterNode.scan = node
            self.session.changed()
            self.onCheck()

    def _stopOpening(self):
        if self._opening is not None:
            self._opening.forget()
        self._opening = None

    def _folder(self):
        folder = qt.QSettings().value(_FOLDER)
        return folder if isinstance(folder, str) else ""

    def _askSideFile(self, kind):
        title = {"bval": _("Choose its b-values (.bval)"), "bvec": _("Choose its b-vectors (.bvec)")}[kind]
        return qt.QFileDialog.getOpenFileName(self.widget, title, self._folder(), "")

    # --- checking -------------------------------------------------------------------------------

    def onChosen(self, node):
        if node is not None and self.session.facts.canCheck and node.GetID() not in self._checks:
            self.onCheck()

    def onCheck(self, checked=False):
        scan = self.scan
        if not self.session.facts.canCheck:
            return
        self._stop()
        identifier = scan.GetID()
        folder = settings.jobsFolder() / "scans"
        write = writer(scan, folder)
        self._checks[identifier] = {"state": "running"}
        self._running = Task(write, lambda files, error: self._onWritten(identifier, folder, files, error))
        self.session.changed()

    def _onWritten(self, identifier, folder, files, error):
        if error is not None:
            self._end(identifier, {"state": "failed", "findings": [str(error)]})
            return
        corrected = folder / f"{identifier}-{abs(hash(files)):x}.bvec"
        arguments = ["info", files.image, "--bval", files.bval, "--bvec", files.bvec, "--fix-gradients", corrected]
        done = lambda answer, complaint: self._onChecked(identifier, files, corrected, answer, complaint)  # noqa: E731
        folder.mkdir(parents=True, exist_ok=True)
        self._running = Command([*map(str, arguments), "--json"], done)

    def _onChecked(self, identifier, files, corrected, answer, complaint):
        if not isinstance(answer, dict) or "gradient_check" not in answer:
            self._end(identifier, {"state": "failed", "findings": [complaint]})
            return
        verdict = answer["gradient_check"]
        noise = answer["noise"]
        parts = [f"{noise['snr_b0']:.0f} (b0)"] if noise.get("snr_b0") else []
        parts += [f"{shell['snr']:.0f} (b {shell['bvalue']:.0f})" for shell in noise["shells"] if shell.get("snr")]
        self._end(
            identifier,
            {
                "state": verdict["verdict"],
                "change": verdict["best"],
                "noise": ", ".join(parts),
                "findings": [finding["message"] for finding in answer.get("findings", [])],
                "files": files,
                "corrected": corrected,
            },
        )

    def _end(self, identifier, check):
        self._running = None
        self._checks[identifier] = check
        self.session.changed()

    def onRepair(self, checked=False):
        scan = self.scan
        check = self._checks[scan.GetID()]
        try:
            repair(scan, check["files"], check["corrected"])
        except UserError as error:
            slicer.util.errorDisplay(str(error), _("The scan cannot be repaired"))
            return
        self.onCheck()

    def _stop(self):
        if isinstance(self._running, Task):
            self._running.forget()
        elif self._running is not None:
            self._running.stop()
        self._running = None
        self._checks = {key: check for key, check in self._checks.items() if check["state"] != "running"}
