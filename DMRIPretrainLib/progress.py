"""How long work tells what it is doing, without knowing who listens."""

from collections.abc import Callable

#: Called with what is being done and the fraction of it that is done, 0 to 1.
Progress = Callable[[str, float], None]


def silent(step: str, fraction: float) -> None:
    """A listener that ignores what it is told."""


def duration(seconds: float) -> str:
    """Such as ``0.8 s``, ``12 s``, ``5 min`` or ``3.5 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
