"""``slicer.packaging`` without a network: it records what would be installed, and can pretend success or failure.

``state`` is for tests: which packages seem to be missing, whether the user agrees, and what happened.
"""

import importlib.metadata
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from PySide6 import QtCore

from Testing.Host import dialogs


@dataclass
class State:
    """What a test sets and reads."""

    #: Names of packages that seem not to be installed, although they may be.
    missing: set[str] = field(default_factory=set)
    #: Names that a pretended installation has brought.
    installed: set[str] = field(default_factory=set)
    #: Exit code of the next pretended pip; anything but 0 is a failure.
    exit_code: int = 0
    #: Lines that the pretended pip prints.
    output: list[str] = field(default_factory=lambda: ["Successfully installed"])
    #: One entry for each call: its name and arguments.
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reset(self) -> None:
        """As it was at the start."""
        self.__init__()


state = State()
_Requirements = str | Requirement | list[str | Requirement]


def load_requirements(path: str | Path) -> list[Requirement]:
    """Requirements of a ``requirements.txt``; blank lines and comments are left out."""
    lines = (line.split(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def load_pyproject_dependencies(path: str | Path) -> list[Requirement]:
    """Requirements of ``[project.dependencies]`` of a ``pyproject.toml``."""
    project = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("project", {})
    return [Requirement(line) for line in project.get("dependencies", [])]


def pip_check(req: _Requirements, _seen: set[tuple[str, frozenset[str]]] | None = None) -> bool:
    """Whether all requirements are met, without importing them."""
    return not _unmet(_as_list(req))


def isPipInstallInProgress() -> bool:
    """Whether an installation runs at this moment."""
    return False


def pip_ensure(
    requirements: _Requirements,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Install what is missing after asking the user.

    Raises:
        RuntimeError: if the user declines.
        subprocess.CalledProcessError: if the installation fails.
    """
    import slicer

    _require_main_thread()
    state.calls.append(("pip_ensure", {"requirements": _texts(requirements), "requester": requester}))
    unmet = _unmet(_as_list(requirements))
    if not unmet or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    if prompt_install and not _agreed(unmet, requester):
        raise RuntimeError("The user declined the installation of Python packages")
    return pip_install(
        [str(requirement) for requirement in unmet], constraints, skip_packages=skip_packages, requester=requester
    )


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    no_deps_requirements: str | list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> list[str] | None:
    """Pretend an installation."""
    _require_main_thread()
    if constraints is not None and not Path(constraints).is_file():
        raise FileNotFoundError(str(constraints))
    texts = requirements.split() if isinstance(requirements, str) else list(requirements)
    given = {"requirements": texts, "constraints": constraints, "blocking": blocking, "requester": requester}
    state.calls.append(("pip_install", given))
    if blocking:
        code = _pretend(texts, logCallback)
        if code:
            raise subprocess.CalledProcessError(code, ["pip", "install", *texts])
        return None
    QtCore.QTimer.singleShot(0, lambda: _finish(texts, logCallback, completedCallback))
    return None


def pip_uninstall(
    requirements: str | list[str],
    blocking: bool = True,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> None:
    """Pretend to remove packages."""
    _require_main_thread()
    names = requirements.split() if isinstance(requirements, str) else list(requirements)
    state.calls.append(("pip_uninstall", {"requirements": names}))
    state.installed -= set(names)
    state.missing |= set(names)
    if completedCallback is not None:
        QtCore.QTimer.singleShot(0, lambda: completedCallback(0))


def _finish(texts: list[str], log: Callable[[str], None] | None, completed: Callable[[int], None] | None) -> None:
    code = _pretend(texts, log)
    if completed is not None:
        completed(code)


def _pretend(texts: list[str], log: Callable[[str], None] | None) -> int:
    for line in state.output:
        if log is not None:
            log(line)
    code, state.exit_code = state.exit_code, 0
    if code == 0:
        names = {Requirement(text).name for text in texts if not text.startswith("-")}
        state.installed |= names
        state.missing -= names
    return code


def _unmet(requirements: list[Requirement]) -> list[Requirement]:
    return [each for each in requirements if (each.marker is None or each.marker.evaluate()) and not _is_met(each)]


def _is_met(requirement: Requirement) -> bool:
    if requirement.name in state.installed:
        return True
    if requirement.name in state.missing:
        return False
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def _agreed(unmet: list[Requirement], requester: str | None) -> bool:
    title = f"{requester or 'Slicer'} - Install Python packages"
    asked = dialogs.Asked("question", ", ".join(map(str, unmet)), title=title)
    if dialogs.current.interactive:
        return dialogs.QMessageBox.question(None, title, asked.text) == dialogs.Buttons.Yes
    return bool(dialogs.current.take(asked))


def _as_list(requirements: _Requirements) -> list[Requirement]:
    each = requirements if isinstance(requirements, list) else [requirements]
    return [entry if isinstance(entry, Requirement) else Requirement(entry) for entry in each]


def _texts(requirements: _Requirements) -> list[str]:
    return [str(requirement) for requirement in _as_list(requirements)]


def _require_main_thread() -> None:
    """A pip in another thread makes widgets there, which has hung and crashed Slicer."""
    if QtCore.QThread.currentThread() is not QtCore.QCoreApplication.instance().thread():
        raise AssertionError("packages must be installed from the main thread")
