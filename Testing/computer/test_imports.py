from pathlib import Path

import pytest

from DMRIPretrainLib.computer.imports import import_findings
from DMRIPretrainLib.computer.packages import Package, installed_packages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_packages_here_can_be_imported() -> None:
    assert import_findings(installed_packages()) == []


def test_broken_packages_do_not_hide_others(folder: Path) -> None:
    (folder / "built_for_another_numpy.py").write_text("raise ValueError('numpy.dtype size changed')")
    (folder / "good_one.py").write_text("print('failed to be silent')")
    (folder / "crasher.py").write_text("import os\nos.abort()")
    modules = {"a": "built_for_another_numpy", "b": "good_one", "c": "crasher"}
    packages = [Package(name, "", "1.0", "right") for name in "abc"]
    findings = import_findings(packages, modules)
    assert [(finding.code, finding.where) for finding in findings] == [("package-broken", "a"), ("package-broken", "c")]
    assert "size changed" in findings[0].message


def test_missing_packages_are_not_tried(folder: Path) -> None:
    assert import_findings([Package("a", "", None, "missing")], {"a": "nowhere"}) == []
