"""The curves of a job, in constant memory however long it runs."""

import math
from collections import deque
from collections.abc import Iterable

from .events import Event

#: Points of a curve; when there are more, every other one is dropped and from then on fewer are kept.
_MOST_POINTS = 2000
#: Names of curves; a job of ours has about twenty.
_MOST_CURVES = 200
_MOST_WARNINGS = 5


class Curves:
    """Values by step of every metric of a job, and its last warnings."""

    def __init__(self) -> None:
        self._points: dict[str, list[tuple[int, float]]] = {}
        self._stride: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._last: dict[str, tuple[int, float]] = {}
        self.warnings: deque[str] = deque(maxlen=_MOST_WARNINGS)

    @property
    def by_name(self) -> dict[str, list[tuple[int, float]]]:
        """(step, value) of each metric in order; the last point is always there."""
        return {
            name: points if points[-1] == self._last[name] else [*points, self._last[name]]
            for name, points in self._points.items()
        }

    def add(self, events: Iterable[Event]) -> None:
        """Take in further events."""
        for event in events:
            if event["kind"] == "warning":
                self.warnings.append(str(event.get("message")))
            elif event["kind"] == "metric":
                self._add_metric(event)

    def _add_metric(self, event: Event) -> None:
        name, step, value = event.get("name"), event.get("step"), event.get("value")
        if not isinstance(name, str) or not isinstance(step, int) or not isinstance(value, int | float):
            return
        if not math.isfinite(value) or (name not in self._points and len(self._points) >= _MOST_CURVES):
            return
        self._last[name] = (step, float(value))
        seen, stride = self._seen.get(name, 0), self._stride.get(name, 1)
        self._seen[name] = seen + 1
        points = self._points.setdefault(name, [])
        if seen % stride:
            return
        if points and points[-1][0] >= step:
            # The run went back to a checkpoint and does these steps again.
            points[:] = [point for point in points if point[0] < step]
        points.append(self._last[name])
        if len(points) > _MOST_POINTS:
            points[:] = points[::2]
            self._stride[name] = 2 * stride
