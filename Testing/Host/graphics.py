"""What VTK needs of the system. Without OpenGL it crashes instead of raising: look before importing it."""

import ctypes
import importlib.util
import sys

#: Packages the host stands on, by the name they are imported with.
PACKAGES = {"PySide6": "PySide6-Essentials", "slicer_core": "slicer-core", "vtkmodules": "vtk"}
LIBRARIES = {"libGL.so.1": "libgl1", "libEGL.so.1": "libegl1"}


def missing() -> list[str]:
    """Names of the Python and Debian packages that are absent; empty where the host can run."""
    absent = [package for name, package in PACKAGES.items() if importlib.util.find_spec(name) is None]
    if sys.platform.startswith("linux"):
        absent += [package for library, package in LIBRARIES.items() if not _can_load(library)]
    return absent


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
