"""How long Slicer's main thread is blocked while a scan is opened, predicted, shown and compared, with what ran then.

    .venv/bin/python Testing/Benchmarks/module_responsiveness.py SCAN

The module runs in the stand-in for Slicer's windows, with a real mouse and real processes. A block is the time between
two beats of a timer; work is what the main thread itself did in that time, drawing aside, and is to stay below 100 ms.
Views are drawn by the processor here, by a graphics card in Slicer.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from Testing.Host import pointer
from Testing.Host.heartbeat import Heartbeat
from Testing.Host.host import Host, HostUnavailableError, start
from Testing.Host.pythonqt import rewrite

REPOSITORY = Path(__file__).resolve().parents[2]
#: The aim, and from when on it is looked at what runs, seconds.
AIM, SUSPICIOUS = 0.1, 0.05
PATIENCE = 900.0  # seconds, for a prediction on a slow computer
HEADER = ("stage", "longest [ms]", "work [ms]", "drawing [ms]", "at work after 50 ms")


class Culprit:
    """What the main thread is at when a beat is late: the innermost line of the module or the library."""

    def __init__(self) -> None:
        self.name, self._suspect, self._longest = "", "", 0.0

    def on_beat(self, work: float) -> None:
        """Remember the suspect of the longest block, and set the alarm for the next one."""
        if work > self._longest:
            self._longest, self.name = work, self._suspect
        self._suspect = ""
        signal.setitimer(signal.ITIMER_REAL, SUSPICIOUS)

    def on_alarm(self, _number: int, frame: FrameType | None) -> None:
        """Runs in the main thread, between two instructions of Python."""
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(REPOSITORY / "DMRIPretrain") or path.is_relative_to(REPOSITORY / "DMRIPretrainLib"):
                self._suspect = f"{path.name}:{frame.f_lineno} {frame.f_code.co_name}"
                return
            frame = frame.f_back


@contextmanager
def measured(stage: str) -> Iterator[None]:
    """Print the longest blocks of a stage."""
    culprit = Culprit()
    signal.signal(signal.SIGALRM, culprit.on_alarm)
    signal.siginterrupt(signal.SIGALRM, False)
    culprit.on_beat(0)
    with Heartbeat(culprit.on_beat) as beat:
        yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    figures = (1000 * seconds for seconds in (beat.longest, beat.longest_work, beat.longest_drawing))
    mark = "" if beat.longest_work < AIM else "  <-- above the aim"
    print(f"{stage:28s}" + "".join(f"{figure:15.0f}" for figure in figures) + f"  {culprit.name}{mark}", flush=True)


class Walk:
    """The way of a user through the module, each stage measured."""

    def __init__(self, host: Host, jobs: Path) -> None:
        import qt

        self.host = host
        host.load(REPOSITORY / "DMRIPretrain")
        qt.QSettings().setValue("DMRIPretrain/JobsFolder", str(jobs))
        for file in (REPOSITORY / "DMRIPretrain").rglob("*.py"):
            rewrite.compile_source(file.read_bytes(), str(file))  # Slicer keeps compiled files
        host.window.show()
        host.settle(1)
        with measured("open the module, cold"):
            self.module = host.open("DMRIPretrain")
        self.panels = {type(panel).__name__: panel for panel in self.module.panels}
        host.settle(1)

    @property
    def facts(self) -> Any:
        """What the module knows."""
        return self.module.session.facts

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Until something is done, and drawn."""
        self.host.wait_until(condition, PATIENCE, what)
        self.host.settle(1)

    def open(self, scan: Path) -> None:
        """Open a scan, which is checked then."""
        ui = self.panels["ScanPanel"].ui
        self.host.dialogs.answer("open file", str(scan))
        with measured("open the scan"):
            pointer.click(ui.openButton)
            self.wait(lambda: self.facts.check != "unknown", "opening")
        with measured("check the scan"):
            self.wait(lambda: self.facts.check != "running", "the check")

    def export(self) -> None:
        """Check a scan that has no files."""
        node = self.module.session.parameterNode.scan
        node.RemoveAttribute("DMRIPretrain.Scan")
        with measured("write and check the scan"):
            pointer.click(self.panels["ScanPanel"].ui.checkButton)
            self.wait(lambda: self.facts.check != "running", "the check")

    def predict(self, stage: str) -> None:
        """Predict, until all is shown."""
        panel = self.panels["PredictPanel"]
        results = len(self.module.session.results.names())
        self.module.session.parameterNode.ensemble = 2
        with measured(f"{stage}: until it ends"):
            pointer.click(panel.ui.predictButton)
            self.host.wait_until(lambda: panel._status is not None and panel._status.is_over, PATIENCE, "the worker")
        with measured(f"{stage}: shown"):
            self.wait(lambda: not self.facts.atWork, "the prediction")
        if len(self.module.session.results.names()) == results:
            raise SystemExit(f"module_responsiveness: {panel.ui.statusLabel.text()}")

    def look(self) -> None:
        """Choose the other result, compare both, close the scene."""
        names = self.module.session.results.names()
        with measured("choose another result"):
            pointer.choose(self.panels["ViewPanel"].ui.resultBox, names[0])
            self.host.settle(1)
        for panel in self.panels.values():
            panel.ui.section.collapsed = panel is not self.panels["ComparePanel"]
        compare = self.panels["ComparePanel"].ui
        self.host.settle(1)
        pointer.choose(compare.beforeBox, names[0])
        pointer.choose(compare.afterBox, names[1])
        self.host.settle(1)
        with measured("compare side by side"):
            pointer.click(compare.sideBySideButton)
            self.wait(lambda: not self.panels["ComparePanel"].comparing, "both results")
        with measured("maps of differences"):
            pointer.click(compare.differencesButton)
            self.wait(lambda: not self.panels["ComparePanel"].comparing, "the differences")
        with measured("close the scene"):
            self.host.scene.Clear(0)
            self.host.settle(1)


def main() -> int:
    """Print a table, a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, help="NIfTI with b-values and b-vectors beside it")
    scan = parser.parse_args().scan
    if not scan.is_file():
        sys.stderr.write(f"module_responsiveness: {scan}: no such file; check the path\n")
        return 2
    try:
        host = start()
    except HostUnavailableError as error:
        sys.stderr.write(f"module_responsiveness: {error}\n")
        return 2
    host.exceptions.install()
    print(f"{HEADER[0]:28s}" + "".join(f"{title:>15s}" for title in HEADER[1:4]) + f"  {HEADER[4]}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(host, Path(folder))
        walk.open(scan)
        walk.export()
        walk.predict("predict")
        walk.predict("predict again")
        walk.look()
        host.unload_all()
    for problem in host.exceptions.take():
        print(f"also: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
