"""What the command line looks like: progress bars, trees, one-line errors."""

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text
from rich.tree import Tree

from .jobs.folder import is_first_process
from .progress import Progress, duration, silent

#: Results go here...
output = Console()
#: ...and everything else here, so that a program can read the results.
messages = Console(stderr=True)
#: Seconds between lines that tell progress where there is no terminal.
_BETWEEN_LINES = 60.0


def fail(message: str) -> None:
    """Say in one line why nothing came of it."""
    print(f"dmri-pretrain: {message}", file=sys.stderr)  # noqa: T201


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A bar with the step, the time gone and the time left; where there is no terminal, a line now and then."""
    if not messages.is_terminal:
        yield _lines(title) if is_first_process() else silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=messages, transient=True) as bars:
        bar = bars.add_task(title, total=1.0)

        def progress(step: str, fraction: float) -> None:
            bars.update(bar, completed=fraction, description=f"{title}: {step}")

        yield progress


def _lines(title: str) -> Progress:
    """Tells the log of a cluster's job how far it is; short work says nothing."""
    begun = told = time.monotonic()
    first: float | None = None

    def progress(step: str, fraction: float) -> None:
        nonlocal told, first
        # What an earlier run had done says nothing of the speed of this one.
        first = fraction if first is None else first
        now = time.monotonic()
        if now - told < _BETWEEN_LINES:
            return
        told, done = now, fraction - first
        left = f", about {duration((now - begun) * (1 - fraction) / done)} left" if done > 0 else ""
        print(f"{title}: {fraction:.0%}, {step}{left}", file=sys.stderr, flush=True)  # noqa: T201

    return progress


def tree(title: str, content: dict[str, Any]) -> Tree:
    """Nested values as a tree; short lists on one line."""
    root = Tree(Text(title), highlight=False)
    _grow(root, content)
    return root


def _grow(node: Tree, content: Any) -> None:
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in items:
        nested = isinstance(value, dict) or (isinstance(value, (list, tuple)) and any(map(_is_nested, value)))
        if nested and value:
            _grow(node.add(Text(str(name))), value)
        else:
            text = ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)
            node.add(Text(f"{name}: {text or 'none'}"))


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple))


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def quieten_libraries() -> None:
    """Keep hints that only concern developers of other libraries from the user's screen."""
    for module in ("lightning", "torch", "monai", "dipy", "nibabel"):
        warnings.filterwarnings("ignore", module=rf"{module}\b.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
