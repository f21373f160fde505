"""The report on a computer in lines that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..findings import Finding
from .devices import Device, TorchState
from .report import ComputerReport

Mark = Literal["right", "warning", "error"]
#: What stands before a line, on terminals that know only ASCII too.
ASCII_MARKS: dict[Mark, str] = {"right": "ok", "warning": "! ", "error": "X "}


@dataclass(frozen=True)
class Fact:
    """One line of the report.

    Attributes:
        mark: whether something is wrong with it.
        name: what it is about.
        value: what was found.
    """

    mark: Mark
    name: str
    value: str


def facts(report: ComputerReport) -> list[Fact]:
    """What was found, line by line."""
    torch, memory, disk = report.torch, report.memory, report.disk
    installed = any(package.name == "torch" and package.installed for package in report.packages)
    lines = [
        _fact(report, "Python", f"{report.python}, {report.executable}", ("python",)),
        Fact("right", "System", report.system),
        Fact("right", "Processor", f"{report.cores} core{'s' if report.cores > 1 else ''}"),
    ]
    if memory:
        lines.append(_fact(report, "Memory", _of(memory.available, memory.total, "available"), ("memory",)))
    lines.append(_fact(report, "Disk", f"{gigabytes(disk.free)} free at {disk.folder}", ("disk", "folder")))
    lines.append(
        _fact(report, "Packages", _packages(report), ("package", "torch-missing", "torch-too", "torch-unsuitable"))
    )
    lines.append(_fact(report, "PyTorch", _torch(torch, installed), ("torch", "gpu-unused", "gpu-unseen")))
    lines += [_device(report, device) for device in torch.devices]
    names = ", ".join(model.name for model in report.models or ())
    unknown = "cannot be looked at without NumPy" if report.models is None else "none"
    models = _fact(report, "Models", names or unknown, ("model", "no-models"))
    lines.append(models if report.models is not None else replace(models, mark="warning"))
    return lines


def verdict(report: ComputerReport) -> str:
    """The report in one sentence."""
    if not report.works:
        return f"DMRIPretrain {report.library} cannot work here yet."
    gpu = any(device.works and device.name != "cpu" for device in report.torch.devices)
    return f"DMRIPretrain {report.library} can work here{'.' if gpu else ', on the CPU.'}"


def plain_text(report: ComputerReport) -> str:
    """The whole report for a terminal that can do nothing but letters."""
    lines = [f"{ASCII_MARKS[fact.mark]} {fact.name:<10} {fact.value}" for fact in facts(report)]
    for finding in report.findings:
        where = f"{finding.where}: " if finding.where else ""
        lines += ["", f"{finding.severity.upper()}: {where}{finding.message}", f"  do: {finding.action}"]
    return "\n".join([*lines, "", verdict(report)])


def gigabytes(size: int) -> str:
    """Such as ``7.8 GB``; a GB is 2^30 bytes here, as memory is sold."""
    return f"{size / 2**30:.1f} GB"


def _fact(report: ComputerReport, name: str, value: str, codes: Sequence[str]) -> Fact:
    found = [finding for finding in report.findings if finding.code.startswith(tuple(codes))]
    return Fact(_mark(found), name, value)


def _device(report: ComputerReport, device: Device) -> Fact:
    parts = [] if device.name == "cpu" else [device.title]
    if device.capability:
        parts.append("compute capability {}.{}".format(*device.capability))
    if device.total and device.free is not None:
        parts.append(_of(device.free, device.total, "free"))
    parts.append("works" if device.works else "does not work")
    found = [finding for finding in report.findings if finding.where == device.name]
    return Fact(_mark(found), device.name, ", ".join(parts))


def _mark(findings: Sequence[Finding]) -> Mark:
    return findings[0].severity if findings else "right"


def _packages(report: ComputerReport) -> str:
    right = [f"{package.name} {package.installed}" for package in report.packages if package.state == "right"]
    wrong = [f"{package.name} {package.state}" for package in report.packages if package.state != "right"]
    return ", ".join([*wrong, *right]) or "none is needed"


def _torch(torch: TorchState, installed: bool) -> str:
    if torch.version is None:
        return "cannot be imported" if installed else "missing"
    if torch.hip_build:
        return f"{torch.version}, for ROCm {torch.hip_build}"
    if not torch.cuda_build:
        return f"{torch.version}, without CUDA"
    architectures = f", kernels for {', '.join(torch.architectures)}" if torch.architectures else ""
    return f"{torch.version}, for CUDA {torch.cuda_build}{architectures}"


def _of(part: int, whole: int, word: str) -> str:
    return f"{part / 2**30:.1f} of {gigabytes(whole)} {word}"
