"""Plots of benchmarks. Matplotlib, which the library does not need, is loaded when one is drawn."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import atomic_path

#: Colours that people with colour blindness can tell apart (Okabe and Ito 2008), then greys.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")


def can_plot() -> bool:
    """Whether Matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


@contextmanager
def figure(path: Path, columns: int, rows: int = 1, size: tuple[float, float] = (4.0, 3.4)) -> Iterator[Any]:
    """Axes to draw on; what was drawn is written as PNG, or nothing where drawing failed.

    Args:
        path: of the picture.
        columns: of axes.
        rows: of axes.
        size: of each of them in inches.

    Yields:
        (rows, columns) array of Matplotlib axes.

    Raises:
        UserError: if the picture cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained"))
    with rc_context({"axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8}):
        yield canvas.figure.subplots(rows, columns, squeeze=False)
    with atomic_path(path) as temporary:
        canvas.figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})
