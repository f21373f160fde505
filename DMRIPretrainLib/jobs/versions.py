"""Which versions of what computed something."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("torch", "lightning", "monai", "numpy", "scipy", "dipy", "nibabel", "pynrrd", "safetensors")


def library_versions() -> dict[str, str]:
    """Versions of this library, of Python, and of the installed packages that results depend on."""
    from .. import __version__

    found = {"DMRIPretrain": __version__, "Python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
