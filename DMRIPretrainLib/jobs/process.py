"""Which process works on a job, and whether it still does.

A number alone does not name a process: numbers are used again. The number, the time at which the process began, and
the machine do.
"""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessIdentity:
    """Names one process for ever.

    Attributes:
        host: name of the machine.
        boot: what tells one start of the machine, and one container on it, from others.
        pid: number of the process.
        started: when it began, in words of the system; comparable on one machine only.
    """

    host: str
    boot: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The process that has this number now, on this machine."""
        return cls(platform.node(), _boot(), pid, _started(pid) or "")

    @classmethod
    def from_json(cls, content: Any) -> "ProcessIdentity | None":
        """Rebuild from :meth:`to_json`; None from anything else."""
        try:
            return cls(str(content["host"]), str(content["boot"]), int(content["pid"]), str(content["started"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    def is_here(self) -> bool:
        """Whether it runs, or ran, where this process can see it."""
        return (self.host, self.boot) == (platform.node(), _boot())

    def is_alive(self) -> bool:
        """Whether it runs; only to be asked where :meth:`is_here`."""
        return bool(self.started) and _started(self.pid) == self.started

    def describe(self) -> str:
        """For a message."""
        return f"process {self.pid} on {self.host}"


def end_with_parent() -> None:
    """End this process soon after the one that started it, however that ends."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG in prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _boot() -> str:
    if sys.platform == "linux":
        try:
            # Processes of another container have numbers of their own.
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
        except OSError:
            return ""
    return ""


def _started(pid: int) -> str | None:
    """When the process of a number began; None if there is none, or only the remains of one."""
    if sys.platform == "linux":
        return _started_on_linux(pid)
    if sys.platform == "win32":
        return _started_on_windows(pid)
    command = ["ps", "-o", "lstart=,stat=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    when, _, status = told.rpartition(" ")
    return when.strip() if when and not status.startswith("Z") else None


def _started_on_linux(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the name in brackets, which may hold anything (proc(5)).
    fields = text.rpartition(")")[2].split()
    status, began = fields[0], fields[19]
    return None if status in "ZXx" else began


def _started_on_windows(pid: int) -> str | None:
    import ctypes
    from ctypes import wintypes

    limited_information, still_active = 0x1000, 259
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(limited_information, False, pid)
    if not handle:
        return None
    try:
        times = [wintypes.FILETIME() for _ in range(4)]
        code = wintypes.DWORD()
        known = kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        running = kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
        if not known or not running or code.value != still_active:
            return None
        return f"{times[0].dwHighDateTime:x}{times[0].dwLowDateTime:08x}"
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))
