"""Everything about this computer that decides whether the library works, and what is wrong."""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import UserError
from ..findings import Finding, errors_first, has_errors
from .devices import PATIENCE, NvidiaCard, TorchState, nvidia_cards, probe, torch_findings, try_torch
from .hardware import Disk, MainMemory, disk_of, main_memory, usable_cores
from .imports import import_findings
from .packages import Package, installed_packages, package_findings, python_findings

#: Memory and disk below which it warns, in bytes: what a prediction takes, and what a few runs write.
_LITTLE_MEMORY = 3 * 2**30
_LITTLE_DISK = 2 * 2**30
#: Below this not even a model can be written.
_NO_DISK = 100 * 2**20


@dataclass(frozen=True)
class ModelState:
    """A model that ships with the library.

    Attributes:
        name: of the model.
        error: what is wrong with its file, else empty.
    """

    name: str
    error: str = ""


@dataclass(frozen=True)
class ComputerReport:
    """This computer, as the library sees it.

    Attributes:
        library: version of the library.
        python: version of the Python that runs this.
        executable: path of that Python.
        system: operating system and its version.
        cores: processor cores that may be used.
        memory: main memory; None where the system does not tell.
        disk: where results would go.
        packages: all that the library needs.
        torch: PyTorch and its devices.
        cards: GPUs of NVIDIA, whatever PyTorch makes of them.
        models: that ship with the library; None where that could not be found out.
        findings: what is wrong, errors first.
    """

    library: str
    python: str
    executable: str
    system: str
    cores: int
    memory: MainMemory | None
    disk: Disk
    packages: tuple[Package, ...]
    torch: TorchState
    cards: tuple[NvidiaCard, ...]
    models: tuple[ModelState, ...] | None
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether there is no error."""
        return not has_errors(self.findings)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, with ``works``."""
        return {"works": self.works, **asdict(self)}


def examine_computer(
    folder: Path | None = None, python: str = sys.executable, patience: float = PATIENCE
) -> ComputerReport:
    """Look at everything, within a few seconds.

    Args:
        folder: where results shall go; by default the current folder.
        python: where packages are tried; inside an application that is not Python itself, the Python of its packages.
        patience: seconds after which PyTorch counts as stuck.
    """
    packages = installed_packages()
    with ThreadPoolExecutor(max_workers=3) as pool:
        # The slow parts are waiting for other processes.
        torch_later, cards_later = pool.submit(try_torch, probe(python), patience), pool.submit(nvidia_cards)
        broken_later = pool.submit(import_findings, packages, python=python)
        memory, disk, models = main_memory(), disk_of(folder or Path()), _shipped_models()
        torch, cards, broken = torch_later.result(), cards_later.result(), broken_later.result()
    torch_installed = any(package.name == "torch" and package.installed for package in packages)
    findings = [
        *python_findings(),
        *package_findings(packages),
        *broken,
        *torch_findings(torch, cards, torch_installed),
        *memory_findings(memory),
        *disk_findings(disk),
        *model_findings(models),
    ]
    return ComputerReport(
        library=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=_system(),
        cores=usable_cores(),
        memory=memory,
        disk=disk,
        packages=tuple(packages),
        torch=torch,
        cards=tuple(cards),
        models=None if models is None else tuple(models),
        findings=tuple(errors_first(findings)),
    )


def memory_findings(memory: MainMemory | None) -> list[Finding]:
    """Whether main memory is short."""
    if memory is None or memory.available >= _LITTLE_MEMORY:
        return []
    message = f"expected 3 GB of main memory available, found {memory.available / 2**30:.1f} GB"
    of_total = f" of {memory.total / 2**30:.1f} GB"
    action = "close other programs, or give the container or batch job more memory"
    return [Finding("warning", "memory", message + of_total, action)]


def disk_findings(disk: Disk) -> list[Finding]:
    """Whether results can be written."""
    if not disk.writable:
        message = "expected a folder that can be written to, found none"
        return [Finding("error", "folder", message, "choose another one with --folder", disk.folder)]
    if disk.free >= _LITTLE_DISK:
        return []
    severity = "error" if disk.free < _NO_DISK else "warning"
    message = f"expected 2 GB of free disk space, found {disk.free / 2**30:.2f} GB"
    return [Finding(severity, "disk", message, "make space or choose another folder", disk.folder)]  # type: ignore[arg-type]


def model_findings(models: list[ModelState] | None) -> list[Finding]:
    """Whether the shipped models are there and whole."""
    if models is None:
        return []
    if not models:
        message = "expected models that ship with the library, found none"
        action = "install DMRIPretrain again, or name model files with --model and --from"
        return [Finding("warning", "no-models", message, action)]
    return [Finding.from_line("error", "model", model.error, model.name) for model in models if model.error]


def _shipped_models() -> list[ModelState] | None:
    """None where NumPy is missing, or Python too old to read the catalogue."""
    if python_findings():
        return None
    try:
        from ..networks.catalogue import shipped_model, shipped_models
    except ImportError:
        return None
    states = []
    try:
        names = [model.name for model in shipped_models()]
    except UserError as error:
        return [ModelState("catalogue", str(error))]
    for name in names:
        try:
            shipped_model(name)
        except UserError as error:
            states.append(ModelState(name, str(error)))
        else:
            states.append(ModelState(name))
    return states


def _system() -> str:
    name = {"Darwin": f"macOS {platform.mac_ver()[0]}"}.get(platform.system(), platform.platform(terse=True))
    with suppress(OSError, KeyError, AttributeError):  # only newer Pythons and Linux have it
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    slurm = f", SLURM job {os.environ['SLURM_JOB_ID']}" if os.environ.get("SLURM_JOB_ID") else ""
    return f"{name}, {platform.machine()}{slurm}"
