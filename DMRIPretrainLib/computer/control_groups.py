"""The limits that Linux control groups set: containers, batch systems and services have less than the machine.

Version 1 and 2 alike (https://docs.kernel.org/admin-guide/cgroup-v2.html). A limit holds for a group and for all
below it, so that groups are looked at from that of this process up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Version 1 says "no limit" by a number near the largest one.
_UNLIMITED = 2**60


@dataclass(frozen=True)
class MemoryLimit:
    """Memory of a control group.

    Attributes:
        limit: most that the group may hold, in bytes.
        used: what it holds, in bytes, without files that the system can forget.
    """

    limit: int
    used: int


def memory_limits(root: Path = Path("/")) -> list[MemoryLimit]:
    """The limits that hold for this process; empty where there are none, or no control groups.

    Args:
        root: of the file system.
    """
    found = []
    for folder, version in _groups(root, "memory"):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_number(folder / name) for name in names)
        if limit is not None and limit < _UNLIMITED:
            found.append(MemoryLimit(int(limit), int(max(0.0, (used or 0.0) - _forgettable(folder)))))
    return found


def core_limit(root: Path = Path("/")) -> int | None:
    """Number of cores that this process may keep busy, rounded up; None where there is no limit."""
    limits = []
    for folder, version in _groups(root, "cpu"):
        if version == 2:
            words = _words(folder / "cpu.max")
            quota, period = (_as_number(word) for word in words) if len(words) == 2 else (None, None)
        else:
            quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota is not None and period and quota > 0:
            limits.append(max(1, math.ceil(quota / period)))
    return min(limits, default=None)


def _groups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Folders of the groups of this process, the innermost first, and the version that they are of."""
    paths = _paths_in_hierarchies(root)
    for mount_root, mount_point, version, controllers in _mounts(root):
        key = "" if version == 2 else controller
        if key not in paths or (version == 1 and controller not in controllers):
            continue
        top = root / mount_point.lstrip("/")
        # Inside a container the path may be one that only the host knows.
        relative = paths[key].removeprefix(mount_root.rstrip("/")).strip("/")
        folder = top / relative if (top / relative).is_dir() else top
        while True:
            yield folder, version
            if folder == top:
                break
            folder = folder.parent


def _paths_in_hierarchies(root: Path) -> dict[str, str]:
    """Path of the group of this process by controller; of version 2 by the empty name."""
    paths: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", maxsplit=2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _mounts(root: Path) -> Iterator[tuple[str, str, int, list[str]]]:
    """Root, mount point, version and options of each mounted hierarchy."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, options = after.split(" ")[0], after.split(" ")[-1]
        if kind in ("cgroup", "cgroup2"):
            fields = before.split(" ")
            yield fields[3], fields[4], 2 if kind == "cgroup2" else 1, options.split(",")


def _forgettable(folder: Path) -> float:
    """Bytes of files that were read long ago, which the system gives away when memory is short."""
    stated = dict(words for line in _lines(folder / "memory.stat") if len(words := line.split()) == 2)
    return _as_number(stated.get("total_inactive_file", stated.get("inactive_file", "0"))) or 0.0


def _number(path: Path) -> float | None:
    words = _words(path)
    return _as_number(words[0]) if words else None


def _as_number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:  # "max"
        return None


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
