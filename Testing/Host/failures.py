"""What goes wrong without raising: exceptions in slots and observers, and errors that VTK prints."""

import contextlib
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator
from types import TracebackType

from PySide6 import QtCore

#: Lines of VTK and Python's Qt binding that tell of an error.
_ERROR = re.compile(r"\bERR\|| ERROR: |^ERROR:|Error calling Python override")

#: Errors that Slicer prints too and that mean nothing. Each with its reason.
_HARMLESS = (
    "Bad table range",  # a model with direct RGB scalars in a slice view; the picture is right
)


class HiddenFailure(AssertionError):
    """Something failed where nobody could catch it."""


class Exceptions:
    """Collects exceptions that ended in ``sys.excepthook``: those of slots, timers and VTK observers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def install(self) -> None:
        """Collect from now on."""
        sys.excepthook = self._take

    def uninstall(self) -> None:
        """As before."""
        sys.excepthook = sys.__excepthook__

    def _take(self, kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        self.seen.append("".join(traceback.format_exception(kind, error, where)))
        sys.__excepthook__(kind, error, where)

    def take(self) -> list[str]:
        """What was seen since the last call."""
        seen, self.seen = self.seen, []
        return seen


@contextlib.contextmanager
def fail_on_hidden(exceptions: Exceptions) -> Iterator[None]:
    """Raise ``HiddenFailure`` at the end if a slot raised, or VTK printed an error, in between."""
    exceptions.take()
    with tempfile.TemporaryFile() as file, _stderr_into(file.fileno()):
        yield
        sys.stderr.flush()
        file.seek(0)
        text = file.read().decode(errors="replace")
    sys.stderr.write(text)
    problems = exceptions.take() + errors_in(text)
    if problems:
        raise HiddenFailure("\n".join(problems))


def errors_in(text: str) -> list[str]:
    """Lines of a log that tell of an error of VTK or of a Python override that Qt called."""
    lines = [line for line in text.splitlines() if _ERROR.search(line)]
    return [line for line in lines if not any(harmless in line for harmless in _HARMLESS)]


@contextlib.contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """C++ writes to the file descriptor, not to ``sys.stderr``."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def quiet_qt() -> None:
    """Pass on Qt's messages but for those of the off-screen platform."""

    def handle(kind: QtCore.QtMsgType, _context: QtCore.QMessageLogContext, text: str) -> None:
        if "propagateSizeHints" not in text:
            sys.stderr.write(f"{kind.name}: {text}\n")

    QtCore.qInstallMessageHandler(handle)
