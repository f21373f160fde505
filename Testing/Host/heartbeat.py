"""How long the main thread was blocked: the longest time between two beats of a timer."""

import time
from types import TracebackType

from PySide6 import QtCore

_INTERVAL_MS = 5


class Heartbeat:
    """``with Heartbeat() as beat: ...; assert beat.longest < 0.1``.

    Only time in which the event loop runs, or should, is measured: between entering and leaving.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.beats = 0
        self._last = 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self.beats += 1

    def __enter__(self) -> "Heartbeat":
        self._last = time.perf_counter()
        self._timer.start(_INTERVAL_MS)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._beat()
        self._timer.stop()
