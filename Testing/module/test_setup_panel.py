"""Set-up: what is missing, its installation, and the check of the computer."""

import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from Testing.Host import pointer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def without_packages(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slicer as it is downloaded: none of the packages is installed, and none can be imported."""
    names = {"torch", "lightning", "monai", "dipy", "nibabel", "nrrd", "safetensors", "typer", "rich"}
    host.packaging.missing |= {*names - {"nrrd"}, "pynrrd"}

    class Refuse:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name.split(".", maxsplit=1)[0] in names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.split(".")[0] in names]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])


def test_it_is_folded_away_where_all_is_there(module: Any) -> None:
    setup = module.panels[0]
    assert setup.ui.section.collapsed
    assert "Ready" in setup.ui.stateLabel.text()
    assert module.session.facts.missing == ()


def test_without_packages_the_module_opens_and_says_what_is_missing(without_packages: None, module: Any) -> None:
    setup = module.panels[0]
    assert not setup.ui.section.collapsed
    for name in ("PyTorch", "dipy", "nibabel"):
        assert name in setup.ui.stateLabel.text()
    assert setup.ui.installButton.isEnabled()
    assert not module.session.facts.ready


def test_opening_is_fast_and_imports_none_of_the_packages(host: Any) -> None:
    from Testing.module.conftest import MODULE

    host.load(MODULE)
    host.open("DMRIPretrain")  # the host compiles the files then, which Slicer does once for all
    host.reset()
    for name in [name for name in sys.modules if name.startswith("DMRIPretrainPanels")]:
        del sys.modules[name]
    host.load(MODULE)
    host.window.show()
    heavy = {"torch", "dipy", "nibabel", "monai", "lightning"}
    before = heavy & set(sys.modules)
    begun = time.perf_counter()
    host.window.moduleSelector().selectModule("DMRIPretrain")
    assert time.perf_counter() - begun < 0.5
    assert heavy & set(sys.modules) == before


def test_without_the_extension_pytorch_it_says_to_install_it(host: Any, without_packages: None, module: Any) -> None:
    setup = module.panels[0]
    pointer.click(setup.ui.installButton)
    assert "Extensions Manager" in setup.ui.stateLabel.text()
    assert host.packaging.calls == []
    assert setup.ui.installButton.isEnabled()


def test_pytorch_comes_from_its_extension_and_the_rest_from_pip(
    host: Any, without_packages: None, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation: bool, torchVersionRequirement: str) -> object:
            asked.append(torchVersionRequirement)
            host.packaging.installed.add("torch")
            return object()

    extension = type(sys)("PyTorchUtils")
    extension.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    setup = module.panels[0]
    host.dialogs.answer("question", True)
    pointer.click(setup.ui.installButton)
    assert asked == [_torch_range()]
    assert module.session.facts.ready
    assert setup.ui.section.collapsed
    assert "Ready" in setup.ui.stateLabel.text()


def test_a_user_may_decline(host: Any, without_packages: None, module: Any) -> None:
    host.packaging.missing = {"dipy"}
    module.session.tell(missing=("dipy",))
    host.dialogs.answer("question", False)
    setup = module.panels[0]
    pointer.click(setup.ui.installButton)
    assert "not installed" in setup.ui.stateLabel.text()
    assert setup.ui.installButton.isEnabled()


def test_a_folder_of_wheels_needs_no_network(host: Any, without_packages: None, module: Any, tmp_path: Path) -> None:
    setup = module.panels[0]
    pointer.click(setup.ui.advanced)
    setup.ui.wheelhousePath.setCurrentPath(str(tmp_path))
    pointer.click(setup.ui.installButton)
    assert "holds no wheels" in setup.ui.stateLabel.text()
    (tmp_path / "dipy-1.11-py3-none-any.whl").touch()
    host.dialogs.answer("question", True)
    pointer.click(setup.ui.installButton)
    ((name, arguments),) = host.packaging.calls
    assert name == "pip_install"
    assert arguments["requirements"][:2] == ["--no-index", f"--find-links={tmp_path}"]
    assert any(text.startswith("torch<2.14") for text in arguments["requirements"])
    assert module.session.facts.ready


def test_the_computer_is_checked_or_it_is_said_why_not(host: Any, module: Any) -> None:
    setup = module.panels[0]
    pointer.click(setup.ui.section)
    pointer.click(setup.ui.examineButton)
    assert not setup.ui.examineButton.isEnabled()
    host.wait_until(lambda: not module.session.facts.examining, 60, "the check")
    text = setup.ui.reportLabel.text()
    assert "can make predictions" in text or "No such command" in text or "could not be checked" in text


def test_a_report_is_shown_worst_first() -> None:
    from DMRIPretrainPanels.setup_panel import _reportText

    finding = {"severity": "error", "message": "expected PyTorch, found none", "action": "install it"}
    text = _reportText({"works": False, "findings": [finding], "torch": {"devices": []}, "memory": None, "disk": {}})
    assert text.index("install it") < text.index("cannot make predictions yet")


def _torch_range() -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(line.removeprefix("torch") for line in project["dependencies"] if line.startswith("torch"))
