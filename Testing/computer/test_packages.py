import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from DMRIPretrainLib.computer.packages import (
    Package,
    installed_packages,
    package_findings,
    python_findings,
    required_packages,
    state_of,
)

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("version", "required", "state"),
    [
        ("2.13.0+cpu", ">=2.8,<2.14", "right"),
        ("2.8", ">=2.8,<2.14", "right"),
        ("2.7.9", ">=2.8,<2.14", "too old"),
        ("2.14.0", ">=2.8,<2.14", "too new"),
        ("2.10.0", ">=2.8", "right"),
        ("1.26.4", ">=1.26", "right"),
        ("3", "<=3.0", "right"),
        ("1.5.1", "==1.5", "unsuitable"),
        ("1.5", "!=1.5.0", "unsuitable"),
        ("0.1.dev3", "", "right"),
        (None, ">=1", "missing"),
    ],
)
def test_versions_and_ranges(version: str | None, required: str, state: str) -> None:
    assert state_of(version, required) == state


def test_what_is_required_is_what_the_project_says() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(name + required for name, required in required_packages().items()) == sorted(project["dependencies"])


def test_without_project_and_metadata_the_list_for_slicer_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", unknown)
    (tmp_path / "Resources").mkdir()
    (tmp_path / "Resources/requirements.txt").write_text("# of Slicer\nnumpy>=1.26\nrich[all] >= 13.7 ; x == '1'\n")
    assert required_packages(tmp_path) == {"numpy": ">=1.26", "rich": ">=13.7", "torch": ">=2.8"}


def test_metadata_count_where_there_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=1.26", 'pytest>=8; extra == "test"'])
    assert required_packages(tmp_path) == {"numpy": ">=1.26"}


def test_packages_here_are_right() -> None:
    found = installed_packages()
    assert {package.name: package.state for package in found}["numpy"] == "right"
    assert package_findings([package for package in found if package.state == "right"]) == []


def test_one_command_mends_all_packages_but_torch() -> None:
    packages = [
        Package("numpy", ">=1.26", "1.20", "too old"),
        Package("rich", "", None, "missing"),
        Package("scipy", ">=1.11", "1.12", "right"),
        Package("torch", ">=2.8,<2.14", None, "missing"),
        Package("dipy", "<2", "2.1", "too new"),
    ]
    findings = {finding.code: finding for finding in package_findings(packages)}
    assert {code: finding.severity for code, finding in findings.items()} == {
        "torch-missing": "error",
        "packages": "error",
        "package-new": "warning",
    }
    assert findings["packages"].action == f'{sys.executable} -m pip install "numpy>=1.26" "rich"'
    assert "found 1.20" in findings["packages"].message
    assert "torch>=2.8,<2.14" in findings["torch-missing"].action


def test_pythons() -> None:
    assert python_findings((3, 11, 0), 2**63) == []
    assert [finding.code for finding in python_findings((3, 10, 14), 2**63)] == ["python-old"]
    assert [finding.code for finding in python_findings((3, 12, 1), 2**31 - 1)] == ["python-32-bit"]
