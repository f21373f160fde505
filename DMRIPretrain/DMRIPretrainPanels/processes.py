"""Ends a process that does not answer, with those that it has started."""

import os
import signal
import subprocess
import sys
from contextlib import suppress


def endTree(identity):
    """End a worker of a job and its children at once; do nothing if it is gone or elsewhere.

    ``PythonSlicer`` is a launcher: ending it alone leaves the Python that it started at work. A job has a session of
    its own, so that all of it can be named.
    """
    if not (identity.is_here() and identity.is_alive()):
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/PID", str(identity.pid), "/T", "/F"], capture_output=True, check=False)
        return
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(identity.pid)
        if group == os.getpgid(0):
            os.kill(identity.pid, signal.SIGKILL)
        else:
            os.killpg(group, signal.SIGKILL)
