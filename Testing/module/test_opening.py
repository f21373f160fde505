"""Opening, leaving and reloading the module."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
#: Opens the module as the first one of a fresh Slicer, which keeps compiled files.
_OPEN_COLD = """
import json, sys, time
from pathlib import Path
from Testing.Host.host import start
from Testing.Host.pythonqt import rewrite

host = start()
host.load(Path("DMRIPretrain"))
for file in Path("DMRIPretrain").resolve().rglob("*.py"):
    rewrite.compile_source(file.read_bytes(), str(file))
host.window.show()
host.settle(0.5)
import slicer
known, begun = set(sys.modules), time.thread_time()
slicer.util.selectModule("DMRIPretrain")
seconds = time.thread_time() - begun
print(json.dumps({"seconds": seconds, "imported": sorted({name.split(".")[0] for name in set(sys.modules) - known})}))
"""


def test_opening_is_quick_cold_as_well(slicer_host: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_COLD], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert "DMRIPretrainPanels" in answer["imported"]
    assert not {"torch", "nibabel", "scipy", "dipy", "monai", "nrrd"} & set(answer["imported"])
    assert answer["seconds"] < 0.5


def test_opening_adds_nothing_to_the_scene_but_the_parameters(host: Any, module: Any) -> None:
    import slicer

    assert slicer.util.selectedModule() == "DMRIPretrain"
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []


def test_leaving_coming_back_closing_the_scene(host: Any, module: Any) -> None:
    import slicer

    host.window.leave_module()
    assert module.session.parameterNode is None
    host.open("DMRIPretrain")
    assert module.session.parameterNode is not None
    slicer.mrmlScene.Clear(0)
    assert module.session.parameterNode is not None


def test_reload_brings_new_panels_and_leaves_the_old_ones_silent(host: Any, module: Any) -> None:
    """Developers change a panel, press Reload, and see the change."""
    kept = {name: found for name, found in sys.modules.items() if name.startswith("DMRIPretrain")}
    try:
        before = type(module.panels[0])
        module.onReload()
        again = host.open("DMRIPretrain")
        assert again is not module
        assert type(again.panels[0]) is not before
        assert module.panels == []
        assert again.session.parameterNode is not None
    finally:
        # Other tests hold classes of the library.
        for name in [name for name in sys.modules if name.startswith("DMRIPretrain")]:
            del sys.modules[name]
        sys.modules.update(kept)


def test_every_control_explains_itself(host: Any, module: Any) -> None:
    from PySide6 import QtWidgets

    kinds = (QtWidgets.QAbstractButton, QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox, QtWidgets.QProgressBar)
    for panel in module.panels:
        for name, widget in vars(panel.ui).items():
            if isinstance(widget, kinds) and not name.startswith("qt_"):
                assert widget.toolTip(), f"{type(panel).__name__}: {name}"


def test_the_own_test_of_the_module_passes_here_too(host: Any, module: Any) -> None:
    test = sys.modules["DMRIPretrain"].DMRIPretrainTest()
    with host.testing_mode():
        test.runTest()
    assert module.session.facts.job == "finished"


def test_the_own_test_passes_without_packages(host: Any, module: Any) -> None:
    module.session.tell(missing=("torch",))
    with host.testing_mode():
        sys.modules["DMRIPretrain"].DMRIPretrainTest().runTest()
    assert module.session.facts.job == ""


def test_the_help_says_what_to_cite(module: Any) -> None:
    import slicer

    about = slicer.modules.dmripretrain
    assert "Weninger" in about.acknowledgementText
    assert "2022" in about.acknowledgementText
    assert "research only" in about.helpText
    assert about.categories == ["Diffusion"]
