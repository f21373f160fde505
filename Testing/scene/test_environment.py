"""The tests of this folder need slicer-core, and slicer-core needs OpenGL: this one says what is missing."""

import importlib.util
import sys
from ctypes.util import find_library

import pytest


def test_slicer_core_and_the_libraries_of_opengl_are_there() -> None:
    if importlib.util.find_spec("slicer") is None:
        pytest.skip("slicer-core is not installed; there may be none for this Python: see pyproject.toml")
    names = {"libgl1": "GL", "libegl1": "EGL"} if sys.platform == "linux" else {}
    missing = [package for package, name in names.items() if find_library(name) is None]
    assert not missing, f"slicer-core is there without OpenGL: sudo apt-get install {' '.join(missing)}"
