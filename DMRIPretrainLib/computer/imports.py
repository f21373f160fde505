"""Whether packages with compiled parts can be imported: built for another NumPy they cannot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from ..findings import Finding
from .packages import Package

#: A module with compiled parts of each package that is quick to import.
_MODULES = {
    "numpy": "numpy",
    "scipy": "scipy.linalg",
    "nibabel": "nibabel",
    "safetensors": "safetensors",
    "pillow": "PIL.Image",
    "dipy": "dipy.core.gradients",
}
_PROGRAM = """
import sys
for module in sys.argv[1:]:
    print("try", module, flush=True)
    try:
        __import__(module)
    except BaseException as error:
        print("failed", module, type(error).__name__, *str(error).split(), flush=True)
print("done", flush=True)
"""
_PATIENCE = 60.0


def import_findings(
    packages: Sequence[Package], modules: dict[str, str] | None = None, python: str = sys.executable
) -> list[Finding]:
    """Which of the packages that are installed cannot be imported, tried in another process.

    Args:
        packages: those that are needed.
        modules: what to import of each, by name of the package.
        python: the Python to try it in.
    """
    modules = _MODULES if modules is None else modules
    names = {
        modules[package.name]: package.name for package in packages if package.installed and package.name in modules
    }
    command = [python, "-c", _PROGRAM, *names]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    # Packages print what they like.
    said = [
        words
        for words in lines
        if words == ["done"] or (len(words) > 1 and words[0] in ("try", "failed") and words[1] in names)
    ]
    if said and said[-1][0] == "try":
        said.append(["failed", said[-1][1], f"Python ended with code {done.returncode}"])
    broken = {names[words[1]]: " ".join(words[2:])[:300] for words in said if words[0] == "failed"}
    return [_finding(name, reason) for name, reason in broken.items()]


def _finding(name: str, reason: str) -> Finding:
    message = f"expected that {name} can be imported, found that it cannot: {reason}"
    action = f"{sys.executable or 'python'} -m pip install --force-reinstall {name}"
    return Finding("error", "package-broken", message, action, name)
