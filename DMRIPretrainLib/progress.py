"""How long work tells what it is doing, without knowing who listens."""

from collections.abc import Callable

#: Called with what is being done and the fraction of it that is done, 0 to 1.
Progress = Callable[[str, float], None]


def silent(step: str, fraction: float) -> None:
    """A listener that ignores what it is told."""
