"""How long the main thread was blocked: the longest time between two beats of a timer."""

import time
from collections.abc import Callable
from types import TracebackType

from PySide6 import QtCore

from Testing.Host.views import render_area

_INTERVAL_MS = 5


class Heartbeat:
    """``with Heartbeat() as beat: ...; assert beat.longest_work < 0.1``.

    Only time in which the event loop runs, or should, is measured: between entering and leaving.

    Attributes:
        longest: seconds between two beats. On a busy machine it holds the time in which others had the processor.
        longest_work: seconds of the processor that the main thread took between two beats, drawing of the views aside:
            what the module is answerable for, on a busy machine too. Waiting does not count.
        longest_drawing: seconds between two beats in which views were drawn.
        beats: how many there were.
        on_beat: called with the work since the last beat, after it was counted.
    """

    def __init__(self, on_beat: Callable[[float], None] | None = None) -> None:
        self.longest = self.longest_work = self.longest_drawing = 0.0
        self.beats = 0
        self.on_beat = on_beat
        self._last = (0.0, 0.0, 0.0, 0.0)
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        now = _clocks()
        wall, processor, drawing, drawing_processor = (a - b for a, b in zip(now, self._last, strict=True))
        work = processor - drawing_processor
        self.longest = max(self.longest, wall)
        self.longest_work = max(self.longest_work, work)
        self.longest_drawing = max(self.longest_drawing, drawing)
        self._last = now
        self.beats += 1
        if self.on_beat is not None:
            self.on_beat(work)

    def __enter__(self) -> "Heartbeat":
        self._last = _clocks()
        self._timer.start(_INTERVAL_MS)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._beat()
        self._timer.stop()


def _clocks() -> tuple[float, float, float, float]:
    """The clock, the processor time of this thread, and both of all drawing so far."""
    return time.perf_counter(), time.thread_time(), render_area.spent.wall, render_area.spent.processor
