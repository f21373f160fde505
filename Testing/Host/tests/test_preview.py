"""The preview: a process of its own, as ``make preview`` starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.Host import graphics
from Testing.Host.preview import REPOSITORY


def preview(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    command = [sys.executable, "-m", "Testing.Host.preview", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(bool(graphics.missing()), reason="the host needs more packages")
def test_a_screenshot_is_written_and_the_process_ends_well(tmp_path: Path) -> None:
    result = preview(str(Path(__file__).parent / "DemoModule"), "--screenshot", str(tmp_path / "window.png"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")
    assert "Error" not in result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a screen")
def test_without_a_screen_one_line_tells_what_to_do() -> None:
    result = preview()
    assert result.returncode == 2
    assert result.stderr.strip() == "preview: there is no screen: set DISPLAY, or ask for --screenshot window.png"
