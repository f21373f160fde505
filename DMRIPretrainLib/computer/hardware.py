"""Processors, main memory and disks, on Linux, macOS and Windows, without other packages."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .control_groups import core_limit, memory_limits


@dataclass(frozen=True)
class MainMemory:
    """Main memory that this process may use, in bytes.

    Attributes:
        total: of the computer, or of the container or batch job that this process is in.
        available: what can be taken without pushing others out.
    """

    total: int
    available: int


@dataclass(frozen=True)
class Disk:
    """Where a folder is, or would be.

    Attributes:
        folder: the folder.
        total: size of its file system in bytes.
        free: what is free there for this user, in bytes.
        writable: whether the folder can be made and written to.
    """

    folder: str
    total: int
    free: int
    writable: bool


def main_memory(root: Path = Path("/")) -> MainMemory | None:
    """Main memory; None on a system that does not tell.

    Args:
        root: of the file system, on Linux.
    """
    readers = {"linux": lambda: _linux_memory(root), "darwin": _mac_memory, "win32": _windows_memory}
    try:
        return readers[sys.platform]()
    except (KeyError, OSError, ValueError, StopIteration, subprocess.SubprocessError):
        return None


def usable_cores(root: Path = Path("/")) -> int:
    """Processor cores that this process may use: not more than its affinity and its control group allow."""
    allowed = getattr(os, "sched_getaffinity", None)  # macOS and Windows lack it
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return min(cores, core_limit(root) or cores)


def disk_of(folder: Path) -> Disk:
    """The disk that a folder is on; of one that does not exist yet, that of the folder above."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    usage = shutil.disk_usage(existing)
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return Disk(str(folder.absolute()), usage.total, usage.free, writable)


def _linux_memory(root: Path) -> MainMemory:
    lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    stated = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if line.endswith("kB")}
    total = stated.get("MemTotal", 0)
    # Kernels before 3.14 have no estimate of their own.
    available = stated.get("MemAvailable", stated.get("MemFree", 0) + stated.get("Cached", 0))
    for group in memory_limits(root):
        total = min(total, group.limit)
        available = min(available, max(0, group.limit - group.used))
    return MainMemory(total, available)


def _mac_memory() -> MainMemory:
    total = int(_output("sysctl", "-n", "hw.memsize"))
    return MainMemory(total, min(total, free_pages(_output("vm_stat"))))


def free_pages(vm_stat: str) -> int:
    """Bytes that macOS can give away, from what its command ``vm_stat`` prints."""
    heading, *lines = vm_stat.splitlines()
    page = int(heading.partition("page size of ")[2].split()[0])
    counts = {name: int(value.strip(" .")) for name, _, value in (line.partition(":") for line in lines) if value}
    kinds = ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable")
    return page * sum(counts.get(kind, 0) for kind in kinds)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout


class _MemoryStatus(ctypes.Structure):
    """``MEMORYSTATUSEX`` of the Windows API."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("total", "available", "b", "c", "d", "e", "f")),
    ]


def _windows_memory() -> MainMemory:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        raise OSError("GlobalMemoryStatusEx")
    return MainMemory(int(status.total), int(status.available))
