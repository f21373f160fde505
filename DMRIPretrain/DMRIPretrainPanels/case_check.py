"""Asks the library what is wrong with the cases, and how long the training will take."""

import shutil
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .background import Command
from .training_jobs import dryRunArguments
from .words import duration, light


class CaseCheck:
    """Shows findings and estimate in a label.

    Args:
        label: for the findings; hidden as long as there are none.
        preparation: writes the cases.
        changed: called when it has begun or ended.
        failed: called with what went wrong.
    """

    def __init__(self, label, preparation, changed, failed):
        self._label, self._preparation = label, preparation
        self._changed, self._failed = changed, failed
        self._command = self._folder = None
        label.visible = False

    @property
    def running(self):
        """Whether the cases are being checked."""
        return self._command is not None

    def begin(self, cases, chosen):
        """Check cases for a training with these settings, ``FinetuneSettings``."""
        self.forget()
        folder = self._folder = Path(slicer.util.tempDirectory("DMRIPretrainCheck"))

        def start(export, table):
            if folder == self._folder:
                self._command = Command(dryRunArguments(chosen, table), self._onTold)
            else:  # forgotten in the meantime
                shutil.rmtree(folder, ignore_errors=True)

        self._preparation.begin(cases, chosen.tasks, folder, lambda export, table: table, start)

    def forget(self):
        """What was found is no longer true: cases or settings are others now."""
        if self._command is not None:
            self._command.stop()
            self._end()
        self._folder = None
        self._label.visible = False

    def _end(self):
        # Scans of the scene were written there.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._command = self._folder = None

    def _onTold(self, report, complaint):
        self._end()
        if isinstance(report, dict) and "findings" in report:
            self._label.text = "<br>".join(_lines(report))
            self._label.visible = True
        else:
            text = _("The cases could not be checked ({complaint}); see Set-up whether this computer works.")
            self._failed(text.format(complaint=complaint))
        self._changed()


def _lines(report):
    lines = [_findingLine(finding) for finding in report["findings"]]
    lines = lines or [light("right", _("Nothing is wrong with the cases."))]
    estimate = report.get("estimate")
    if estimate:
        text = _("Training will take about {time} and {memory:.1f} GB of memory ({device}).").format(
            time=duration(estimate["seconds"]), memory=estimate["device_memory"] / 2**30, device=estimate["device"]
        )
        lines.append(light("none", text))
        if estimate.get("change"):
            lines.append(light("warning", estimate["change"]))
    return lines


def _findingLine(finding):
    where = f"{finding['case']}: " if finding.get("case") else ""
    action = f" {finding['action'][:1].upper()}{finding['action'][1:]}." if finding.get("action") else ""
    return light("error" if finding["severity"] == "error" else "warning", f"{where}{finding['message']}.{action}")
