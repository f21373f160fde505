"""How long the parts of a run take, without changing the run.

CPU time is that of all threads of the process: a busy computer changes it less than the time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock


class Stopwatch:
    """Seconds by stage; a stage within another one counts for itself alone.

    Args:
        wait: called before a clock is read, such as ``torch.cuda.synchronize``.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self._wait = wait
        self._within: list[list[float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what is done within."""
        self._wait()
        begun = _clocks()
        self._within.append([0.0, 0.0])
        try:
            yield
        finally:
            self._wait()
            took = [now - then for now, then in zip(_clocks(), begun, strict=True)]
            inner = self._within.pop()
            for index, times in enumerate((self.seconds, self.cpu_seconds)):
                times[name] = times.get(name, 0.0) + took[index] - inner[index]
                if self._within:
                    self._within[-1][index] += took[index]

    @contextmanager
    def watching(self, functions: dict[str, tuple[Any, str]]) -> Iterator[None]:
        """Measure calls of functions, given by stage as (owner, name)."""
        with ExitStack() as patches:
            for stage, (owner, name) in functions.items():
                patches.enter_context(mock.patch.object(owner, name, self._measured(stage, getattr(owner, name))))
            yield

    def _measured(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            with self.stage(stage):
                return function(*arguments, **named)

        return measured


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
