import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from DMRIPretrainLib.computer import report
from DMRIPretrainLib.computer.facts import facts, plain_text, verdict
from DMRIPretrainLib.computer.hardware import Disk, MainMemory
from DMRIPretrainLib.findings import Finding
from DMRIPretrainLib.networks import catalogue

REPOSITORY = Path(__file__).resolve().parents[2]
GB = 2**30


@pytest.fixture(scope="module")
def here() -> report.ComputerReport:
    return report.examine_computer()


def test_report_here(here: report.ComputerReport) -> None:
    assert here.works
    assert here.torch.version
    assert here.models and all(model.error == "" for model in here.models)
    content = json.loads(json.dumps(here.to_json()))
    assert content["works"] is True
    assert {package["name"] for package in content["packages"]} >= {"torch", "numpy", "dipy"}


def test_facts_are_marked_by_what_was_found(here: report.ComputerReport) -> None:
    finding = Finding("error", "disk", "expected 2 GB of free disk space, found 0.01 GB", "make space", "/full")
    broken = replace(here, findings=(finding, Finding("warning", "memory", "little", "close programs")))
    marks = {fact.name: fact.mark for fact in facts(broken)}
    assert (marks["Disk"], marks["Memory"], marks["Python"], marks["cpu"]) == ("error", "warning", "right", "right")
    text = plain_text(broken)
    assert "ERROR: /full: expected 2 GB" in text
    assert "do: make space" in text
    assert "cannot work" in verdict(broken)


def test_memory_and_disk() -> None:
    assert report.memory_findings(None) == []
    assert report.memory_findings(MainMemory(8 * GB, 6 * GB)) == []
    assert [finding.severity for finding in report.memory_findings(MainMemory(8 * GB, GB))] == ["warning"]

    def severity(disk: Disk) -> list[str]:
        return [finding.severity for finding in report.disk_findings(disk)]

    assert severity(Disk("/data", 100 * GB, 50 * GB, True)) == []
    assert severity(Disk("/data", 100 * GB, GB, True)) == ["warning"]
    assert severity(Disk("/data", 100 * GB, GB // 100, True)) == ["error"]
    assert severity(Disk("/data", 100 * GB, 50 * GB, False)) == ["error"]


def test_damaged_and_missing_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "try_torch", lambda *_: report.TorchState())
    monkeypatch.setattr(report, "import_findings", lambda *_, **__: [])
    monkeypatch.setattr(catalogue, "models_folder", lambda: tmp_path)

    def found() -> list[tuple[str, str]]:
        findings = report.examine_computer(tmp_path).findings
        return [(finding.severity, finding.code) for finding in findings if "model" in finding.code]

    assert found() == [("warning", "no-models")]
    entry = {
        "name": "tiny",
        "file": "tiny.safetensors",
        "sha256": "0",
        "network": "tiny",
        "tasks": [],
        "description": "",
    }
    (tmp_path / "catalogue.json").write_text(json.dumps({"models": [entry]}))
    assert found() == [("error", "model")]
    (tmp_path / "catalogue.json").write_text("{")
    assert found() == [("error", "model")]


def bare_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python that has the standard library alone."""
    return subprocess.run(
        [sys.executable, "-S", "-m", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_the_doctor_works_where_everything_is_missing() -> None:
    done = bare_python("DMRIPretrainLib", "doctor", "--json")
    assert done.returncode == 2, done.stderr
    content = json.loads(done.stdout)
    assert content["works"] is False
    assert {package["state"] for package in content["packages"]} == {"missing"}
    assert [finding["code"] for finding in content["findings"]] == ["torch-missing", "packages"]
    assert all(finding["action"] for finding in content["findings"])


def test_other_commands_say_in_one_line_what_is_missing() -> None:
    done = bare_python("DMRIPretrainLib", "predict", "scan.nii.gz")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "doctor" in done.stderr
