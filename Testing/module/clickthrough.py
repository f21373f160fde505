"""Clicks through the whole module as a user does, with real workers, and keeps a picture of every stage.

``make clickthrough``, or ``make clickthrough SCAN=path/to/dwi.nii.gz PICTURES=folder``. ``SCAN=sample`` takes the brain
that comes with the module and learns from its true tissue, as the tutorial in README does. It ends with 1 where
something raised, where VTK printed an error, or where a stage did not come to its end.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Testing.Host import pointer
from Testing.Host.failures import HiddenFailure, fail_on_hidden
from Testing.Host.heartbeat import Heartbeat
from Testing.Host.host import Host, HostUnavailableError, start

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = "sample"
#: A brain for developers, not part of the product.
BRAIN = REPOSITORY.parent / "shared/data/toshiba_60dir_b1500/dwi.nii.gz"
PICTURES = REPOSITORY / "build/clickthrough"
#: Of the window, in pixels: an ordinary screen, with the frames of the desktop.
WINDOW = (1600, 1000)
#: Seconds until a stage counts as stuck.
PATIENCE = 900.0


@dataclass
class Stage:
    """What a stage took: its time, and the longest time that the window did not answer, in seconds."""

    name: str
    seconds: float
    blocked: float


class Visit:
    """A user in front of the module.

    Args:
        host: where the module runs.
        scan: file of a scan, b-values and b-vectors beside it; None for the sample.
        pictures: folder for a picture of each stage.
    """

    def __init__(self, host: Host, scan: Path | None, pictures: Path) -> None:
        self.host, self.scan, self.pictures = host, scan, pictures
        self.stages: list[Stage] = []
        self.module: Any = None

    def run(self) -> None:
        """All stages, one after the other."""
        for number, (name, act) in enumerate(STAGES, start=1):
            begun = time.monotonic()
            with Heartbeat() as beat:
                act(self)
            self.stages.append(Stage(name, time.monotonic() - begun, beat.longest))
            self.host.settle(0.5)
            self.picture(f"{number:02d}-{name}")
            sys.stdout.write(f"{name:<22}{self.stages[-1].seconds:8.1f} s   {1000 * beat.longest:6.0f} ms blocked\n")
            sys.stdout.flush()

    def picture(self, name: str) -> None:
        """Keep a picture of the window."""
        self.host.screenshot(self.pictures / f"{name}.png")

    def panel(self, name: str) -> Any:
        """A panel by the name of its class."""
        return next(panel for panel in self.module.panels if type(panel).__name__ == name)

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Let Slicer run until a condition holds."""
        self.host.wait_until(condition, PATIENCE, what)

    def unfold(self, section: Any) -> None:
        """Open a folded section."""
        if section.collapsed:
            pointer.click(section)
            self.host.settle(0.1)


def open_module(visit: Visit) -> None:
    """Before anything is loaded."""
    visit.module = visit.host.open("DMRIPretrain")


def check_computer(visit: Visit) -> None:
    """Set-up says whether all is there."""
    panel = visit.panel("SetUpPanel")
    visit.unfold(panel.ui.section)
    pointer.click(panel.ui.examineButton)
    visit.wait(lambda: not visit.module.session.facts.examining, "the check of the computer")


def load_scan(visit: Visit) -> None:
    """A scan from a file, which is checked at once, or from Sample Data."""
    pointer.click(visit.panel("SetUpPanel").ui.section)
    panel = visit.panel("ScanPanel")
    if visit.scan is None:
        scan, _tissue = load_sample()
        pointer.choose(panel.ui.scanSelector, scan.GetName())
    else:
        visit.host.dialogs.answer("open file", str(visit.scan))
        pointer.click(panel.ui.openButton)
    visit.wait(lambda: visit.module.session.parameterNode.scan is not None, "the scan")


def check_scan(visit: Visit) -> None:
    """The traffic light of the gradients."""
    if visit.module.session.facts.check == "unknown":
        pointer.click(visit.panel("ScanPanel").ui.checkButton)
    visit.wait(lambda: visit.module.session.facts.check not in ("unknown", "running"), "the check of the scan")


def begin_prediction(visit: Visit) -> None:
    """Progress and time left."""
    panel = visit.panel("PredictPanel")
    pointer.click(panel.ui.predictButton)
    visit.wait(lambda: visit.module.session.facts.job == "running" and panel.ui.progressBar.value() > 0, "progress")


def predict(visit: Visit) -> None:
    """The result appears by itself."""
    visit.wait(lambda: not visit.module.session.facts.atWork, "the prediction")
    panel = visit.panel("PredictPanel")
    require(visit.module.session.facts.job == "finished", panel.ui.statusLabel.text())


def surfaces(visit: Visit) -> None:
    """Tissue as areas in the slices, and its surfaces in 3D."""
    ui = visit.panel("ViewPanel").ui
    pointer.choose(ui.segmentBox, "areas")
    if not ui.surfaceBox.isChecked():
        pointer.click(ui.surfaceBox)


def peaks(visit: Visit) -> None:
    """One slice with peaks, large."""
    ui = visit.panel("ViewPanel").ui
    pointer.choose(ui.segmentBox, "outlines")
    pointer.choose(ui.mapBox, "none")
    pointer.click(ui.axialButton)


def fodfs(visit: Visit) -> None:
    """The same with fODFs, and the settings that few need."""
    ui = visit.panel("ViewPanel").ui
    pointer.choose(ui.kindBox, "fODFs")
    visit.unfold(ui.glyphAdvanced)


def inspect(visit: Visit) -> None:
    """The numbers of a voxel under the mouse."""
    ui = visit.panel("ViewPanel").ui
    visit.unfold(ui.inspectorBox)
    if not ui.followBox.isChecked():
        pointer.click(ui.followBox)
    view = visit.host.layout_manager.sliceWidget("Red").sliceView()
    middle = view.rect().center()
    pointer.drag(view, (middle.x(), middle.y()), (middle.x() + 40, middle.y() + 60))
    visit.host.settle(0.5)
    pointer.require_reachable(ui.inspectorLabel)


def add_cases(visit: Visit) -> None:
    """Two scans of the scene without labels; or the sample with its true tissue."""
    view = visit.panel("ViewPanel").ui
    pointer.choose(view.kindBox, "peaks")
    pointer.click(view.fourButton)
    ui = visit.panel("TrainPanel").ui
    visit.unfold(ui.section)
    names = [visit.module.session.parameterNode.scan.GetName()]
    if visit.scan is None:
        pointer.choose(ui.caseLabelsSelector, f"{names[0]}, true tissue")
    else:
        names.append(load_sample()[0].GetName())
        pointer.choose(view.resultBox, view.resultBox.currentText())  # the sample has come before it in the views
        pointer.choose(ui.taskBox, "All three")
    for name in names:
        pointer.choose(ui.caseScanSelector, name)
        pointer.click(ui.addCaseButton)


def load_sample() -> Any:
    """Nodes of the scan and the tissue that come with the module, as by a click in Sample Data."""
    import SampleData

    return SampleData.press("DMRIPretrainBrain")


def make_labels(visit: Visit) -> None:
    """Reference labels by DIPY, for scans that have none."""
    panel = visit.panel("TrainPanel")
    if panel.facts.labelled == panel.facts.cases:
        return
    pointer.click(panel.ui.labelButton)
    visit.wait(lambda: panel.facts.labelling, "the start of the labels")
    visit.host.settle(2)
    visit.picture("making-labels")
    visit.wait(lambda: not panel.facts.busy, "the labels")
    require(panel.facts.labelled == panel.facts.cases, panel.ui.trainHintLabel.text())


def check_cases(visit: Visit) -> None:
    """What is wrong with the cases, before anything is learned from them."""
    panel = visit.panel("TrainPanel")
    pointer.click(panel.ui.checkButton)
    visit.wait(lambda: panel.ui.findingsLabel.isVisible() and not panel.facts.busy, "the findings")


def train(visit: Visit) -> None:
    """The first points of the curve."""
    panel = visit.panel("TrainPanel")
    ui = panel.ui
    visit.unfold(ui.trainAdvanced)
    for box, value in ((ui.stepsBox, 60), (ui.intervalBox, 5), (ui.batchBox, 1)):
        box.setValue(value)
    pointer.choose(ui.patchBox, "32")
    visit.picture("training-settings")
    pointer.click(ui.trainAdvanced)
    pointer.click(ui.trainButton)
    visit.wait(lambda: panel.jobs.watch.state == "running", "the training")
    pointer.click(ui.curvesBox)
    visit.wait(lambda: points(panel) >= 2, "a curve")


def watch(visit: Visit) -> None:
    """The curve has moved."""
    panel = visit.panel("TrainPanel")
    seen = points(panel)
    visit.wait(lambda: points(panel) >= seen + 2, "more of the curve")
    pointer.require_reachable(panel.ui.stopButton)


def stop(visit: Visit) -> None:
    """The best is kept."""
    panel = visit.panel("TrainPanel")
    pointer.click(panel.ui.stopButton)
    visit.wait(lambda: panel.jobs.watch.state == "stopped", "the stop")


def resume(visit: Visit) -> None:
    """It goes on to its end."""
    panel = visit.panel("TrainPanel")
    pointer.click(panel.ui.resumeButton)
    visit.wait(lambda: panel.jobs.watch.state == "finished", "the end of the training")


def use_model(visit: Visit) -> None:
    """The next prediction is made with the new model."""
    pointer.click(visit.panel("TrainPanel").ui.useButton)
    pointer.require_reachable(visit.panel("PredictPanel").ui.predictButton)


def compare(visit: Visit) -> None:
    """Before and after, side by side."""
    panel = visit.panel("ComparePanel")
    pointer.click(visit.panel("TrainPanel").ui.compareButton)
    visit.wait(lambda: not panel.comparing, "the predictions")
    require(not panel.ui.compareLabel.text(), panel.ui.compareLabel.text())
    pointer.require_reachable(panel.ui.differencesButton)


def differences(visit: Visit) -> None:
    """Where they differ, in four views."""
    pointer.click(visit.panel("ComparePanel").ui.differencesButton)
    visit.host.settle(0.5)


STAGES: tuple[tuple[str, Callable[[Visit], None]], ...] = (
    ("open", open_module),
    ("check-computer", check_computer),
    ("load", load_scan),
    ("check", check_scan),
    ("progress", begin_prediction),
    ("prediction", predict),
    ("surfaces", surfaces),
    ("peaks", peaks),
    ("fodfs", fodfs),
    ("inspector", inspect),
    ("cases", add_cases),
    ("labels", make_labels),
    ("findings", check_cases),
    ("training", train),
    ("curve", watch),
    ("stopped", stop),
    ("resumed", resume),
    ("use", use_model),
    ("compare", compare),
    ("differences", differences),
)


def points(panel: Any) -> int:
    """How many measurements the curve has."""
    return len(panel.jobs.watch.curves.by_name.get("score", ()))


class StuckError(Exception):
    """A stage did not come to its end."""


def require(condition: object, text: str) -> None:
    """Raise what the module says where something did not go well."""
    if not condition:
        raise StuckError(text)


def main(arguments: list[str] | None = None) -> int:
    """Click through; 0 where all went well, 1 where it did not, 2 where it could not begin."""
    parser = argparse.ArgumentParser(prog="clickthrough", description=__doc__.splitlines()[0])
    parser.add_argument("--scan", default=str(BRAIN), help=f'NIfTI with bval and bvec beside it, or "{SAMPLE}"')
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder for a picture of every stage")
    options = parser.parse_args(arguments)
    scan = None if options.scan == SAMPLE else Path(options.scan).resolve()
    if scan is not None and not scan.is_file():
        return complain(f"{scan}: expected a scan, found none; name one: make clickthrough SCAN=dwi.nii.gz", 2)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers: the window needs a processor as well
    try:
        host = start()
    except HostUnavailableError as error:
        return complain(str(error), 2)
    host.load(REPOSITORY / "DMRIPretrain")
    host.window.resize(*WINDOW)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as jobs:
        import qt

        qt.QSettings().setValue("DMRIPretrain/JobsFolder", jobs)
        visit = Visit(host, scan, options.pictures.resolve())
        host.exceptions.install()
        try:
            with fail_on_hidden(host.exceptions):
                visit.run()
        except (HiddenFailure, StuckError, TimeoutError, pointer.NotClickableError) as error:
            visit.picture("failed")
            return complain(f"after {[stage.name for stage in visit.stages]}: {error}", 1)
        finally:
            host.close()
    sys.stdout.write(f"The pictures are in {options.pictures}\n")
    return 0


def complain(text: str, code: int) -> int:
    """Say what is wrong; returns the exit code."""
    sys.stderr.write(f"clickthrough: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
