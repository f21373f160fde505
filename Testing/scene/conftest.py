"""Fixtures of the scene layer: an empty scene on Slicer's own MRML libraries, and views that draw into arrays.

VTK reports what goes wrong as text on stderr and goes on: a test during which it does so fails.
"""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest

_COMPLAINT = re.compile(r"\b(ERR|WARN|FATL)\|| (ERROR|Warning): In |Generic Warning: In ")


def missing_libraries() -> list[str]:
    """Libraries of OpenGL that VTK needs: without them it ends the process instead of raising."""
    names = {"GL": "libgl1", "EGL": "libegl1"} if sys.platform == "linux" else {}
    return [package for name, package in names.items() if find_library(name) is None]


CAN_RUN = importlib.util.find_spec("slicer") is not None and not missing_libraries()
#: What imports Slicer is not even imported where that would end the process; ``test_environment.py`` says why.
collect_ignore = [
    path.name for path in Path(__file__).parent.glob("test_*.py") if not CAN_RUN and path.name != "test_environment.py"
]


@pytest.fixture(autouse=True)
def vtk_is_content(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test during which VTK reports an error or a warning."""
    if not CAN_RUN:
        yield
        return
    capfd = request.getfixturevalue("capfd")
    yield
    printed = capfd.readouterr()
    complaints = vtk_complaints(printed.out + printed.err)
    assert not complaints, "VTK complained:\n" + "\n".join(complaints)


def vtk_complaints(printed: str) -> list[str]:
    """The lines by which VTK or MRML report an error or a warning."""
    return [line for line in printed.splitlines() if _COMPLAINT.search(line)]


@pytest.fixture
def take_complaints(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """For complaints that a test expects: the lines so far, which then no longer fail it."""
    return lambda: vtk_complaints(capfd.readouterr().err)


@pytest.fixture
def application(vtk_is_content: None) -> Iterator[Any]:
    """An empty scene with the logics of Slicer's modules, see ``OffscreenApplication``."""
    from DMRIPretrainLib.scene.offscreen_views import OffscreenApplication

    application = OffscreenApplication()
    yield application
    application.close()


@pytest.fixture
def scene(application: Any) -> Any:
    """The scene of ``application``."""
    return application.scene
