"""The small versions of the benchmarks of baselines and speed, from the command line."""

import json

import pytest
from typer.testing import CliRunner

from DMRIPretrainLib.cli import app


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baselines", "speed"])
def test_the_quick_version_writes_tables_and_says_aims(tmp_path, name):
    command = ["benchmark", name, "--quick", "--out", str(tmp_path), "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert content["provenance"]["command"].endswith("--quick")
    assert "verdict" in (tmp_path / "results" / f"{name}.md").read_text(encoding="utf-8")
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("cells/**/*.json")]
    assert {cell["state"] for cell in cells} <= {"done", "not possible"}
    again = CliRunner().invoke(app, [*command, "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.output)["aims"]
