"""Which packages the library needs, and which are installed; nothing is imported to find out."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from ..findings import Finding

MINIMUM_PYTHON = (3, 11)
_DISTRIBUTION = "DMRIPretrain"
_CHECKOUT = Path(__file__).resolve().parents[2]
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([^;]*)")
_BOUND = re.compile(r"(>=|<=|==|!=|>|<)\s*([0-9][0-9A-Za-z.+*]*)")

State = Literal["right", "missing", "too old", "too new", "unsuitable"]


@dataclass(frozen=True)
class Package:
    """A package that the library needs.

    Attributes:
        name: as pip knows it.
        required: range of versions, such as ``>=2.8,<2.14``; empty for any.
        installed: version that is installed; None where it is missing.
        state: how the two go together.
    """

    name: str
    required: str
    installed: str | None
    state: State


def required_packages(checkout: Path = _CHECKOUT) -> dict[str, str]:
    """Range of versions of each package that the library needs, by name.

    From ``pyproject.toml`` where the library runs from a checkout, else from the metadata of the installed package,
    else from the list that the Slicer extension is packaged with, which leaves PyTorch to another extension.
    """
    project, listed = checkout / "pyproject.toml", checkout / "Resources" / "requirements.txt"
    if project.is_file():
        import tomllib  # a Python that lacks it is told so before

        lines = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        try:
            lines = [line for line in metadata.requires(_DISTRIBUTION) or () if "extra ==" not in line]
        except metadata.PackageNotFoundError:
            lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
            lines.append("torch>=2.8")
    matches = (_REQUIREMENT.match(line.strip()) for line in lines)
    return {match[1]: match[2].replace(" ", "") for match in matches if match}


def installed_packages() -> list[Package]:
    """Every package that the library needs, as it is in this Python."""
    found = []
    for name, required in required_packages().items():
        version = _version(name)
        found.append(Package(name, required, version, state_of(version, required)))
    return found


def state_of(version: str | None, required: str) -> State:
    """How an installed version and a range such as ``>=2.8,<2.14`` go together."""
    if version is None:
        return "missing"
    release = _release(version)
    for operator, bound in _BOUND.findall(required):
        order = _compare(release, _release(bound))
        if (operator == ">=" and order < 0) or (operator == ">" and order <= 0):
            return "too old"
        if (operator == "<" and order >= 0) or (operator == "<=" and order > 0):
            return "too new"
        if (operator == "==" and order != 0) or (operator == "!=" and order == 0):
            return "unsuitable"
    return "right"


def package_findings(packages: Sequence[Package]) -> list[Finding]:
    """What is wrong with the packages: one finding for all that one command mends, one for PyTorch."""
    wrong = [package for package in packages if package.state not in ("right", "too new")]
    findings = []
    for torch in (package for package in wrong if package.name == "torch"):
        message = f"expected torch {torch.required}, found {_found(torch)}"
        action = (
            "in Slicer install it with the extension PyTorch; elsewhere take the command for this computer from "
            f'https://pytorch.org/get-started/locally, with "torch{torch.required}" in it'
        )
        findings.append(Finding("error", f"torch-{torch.state.replace(' ', '-')}", message, action, "torch"))
    if others := [package for package in wrong if package.name != "torch"]:
        needed = ", ".join(f"{package.name} {package.required} (found {_found(package)})" for package in others)
        names = " ".join(f'"{package.name}{package.required}"' for package in others)
        action = f"{sys.executable or 'python'} -m pip install {names}"
        findings.append(Finding("error", "packages", f"expected {needed}", action, "packages"))
    for package in packages:
        if package.state == "too new":
            message = f"expected {package.name} {package.required}, found {_found(package)}, which was not tried yet"
            findings.append(
                Finding("warning", "package-new", message, "go back to it if something fails", package.name)
            )
    return findings


def python_findings(version: Sequence[int] = sys.version_info[:3], largest: int = sys.maxsize) -> list[Finding]:
    """What is wrong with the Python that runs this.

    Args:
        version: of Python.
        largest: size of the largest list, which tells how many bits it has.
    """
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    if tuple(version) < MINIMUM_PYTHON:
        found = ".".join(map(str, version))
        return [
            Finding("error", "python-old", f"expected Python {wanted} or later, found {found}", "install a later one")
        ]
    if largest < 2**32:
        message = "expected a Python of 64 bits, found one of 32 bits"
        return [Finding("error", "python-32-bit", message, "install one of 64 bits: PyTorch needs it")]
    return []


def _found(package: Package) -> str:
    return package.installed or "none"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> list[int]:
    """Numbers of a version: 2.13.0+cpu is 2, 13, 0; what comes before a release counts as the release."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return [int(part) for part in match[0].split(".")] if match else []


def _compare(first: list[int], second: list[int]) -> int:
    length = max(len(first), len(second))
    one, other = (numbers + [0] * (length - len(numbers)) for numbers in (first, second))
    return (one > other) - (one < other)
