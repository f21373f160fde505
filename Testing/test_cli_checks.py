"""The commands ``doctor`` and ``check``."""

import json
import sys
from pathlib import Path

import pytest

from DMRIPretrainLib import cli


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["dmri-pretrain", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_doctor_here(capsys, monkeypatch, tmp_path: Path) -> None:
    code, output, _ = run(capsys, monkeypatch, "doctor", "--folder", tmp_path)
    assert code == 0
    assert "can work here" in output
    assert str(tmp_path) in output.replace("\n", "")


def test_doctor_in_json_with_an_error(capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output, _ = run(capsys, monkeypatch, "doctor", "--folder", tmp_path / "file", "--json")
    assert code == 2
    content = json.loads(output)
    assert content["works"] is False
    assert content["findings"][0]["code"] == "folder"
