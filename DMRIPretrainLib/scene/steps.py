"""Work in the scene, step by step: for those who keep a window alive between the steps, and for scripts at once.

Such work is a generator. It yields None where others may have their turn, and a function where something takes long
that touches neither the scene nor a window, and so may run in a thread: it is sent what the function has returned, or
raised in it what that has raised. What it returns at the end is the result.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import slicer

from ..errors import UserError

T = TypeVar("T")
Steps = Generator[Callable[[], Any] | None, Any, T]


def run_at_once(steps: Steps[T]) -> T:
    """Run all steps, one after the other, and return the result."""
    sent = None
    while True:
        try:
            function = steps.send(sent)
        except StopIteration as end:
            return end.value
        sent = function() if function is not None else None


def require_in_scene(node: slicer.vtkMRMLNode) -> None:
    """Stop where a node was taken away between two steps.

    Raises:
        UserError: if it is in no scene.
    """
    if node.GetScene() is None:
        raise UserError(f"{node.GetName()}: expected it to stay in the scene, found it removed; load it again")
