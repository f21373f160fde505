"""How long the parts of a run take, without changing the run."""

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
        self._wait = wait
        self._within: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what is done within."""
        self._wait()
        begun = time.perf_counter()
        self._within.append(0.0)
        try:
            yield
        finally:
            self._wait()
            took = time.perf_counter() - begun
            inner = self._within.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + took - inner
            if self._within:
                self._within[-1] += took

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
