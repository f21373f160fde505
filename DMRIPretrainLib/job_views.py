"""Jobs on the terminal: a table of many, and one of them live."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from . import console
from .errors import UserError
from .jobs.curves import Curves
from .jobs.folder import JobFolder
from .jobs.status import JobStatus, JobWatcher, read_status

_STYLES = {
    "queued": "cyan",
    "running": "green",
    "stopping": "yellow",
    "stopped": "yellow",
    "finished": "bold green",
    "failed": "bold red",
    "lost": "bold red",
}
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 48
#: Curves that are shown before the others.
_FIRST = ("score", "loss")
_MOST_CURVES = 8


def job_table(jobs: Sequence[JobFolder]) -> Table:
    """A line for each job."""
    table = Table("job", "kind", "state", "done", "left", "best", "what")
    for job in jobs:
        try:
            kind, status = str(job.specification().get("kind")), read_status(job)
        except UserError as error:
            table.add_row(str(job.path), "", Text("unusable", "bold red"), "", "", "", str(error))
            continue
        done = "" if status.fraction is None else f"{status.fraction:.0%}"
        table.add_row(
            str(job.path), kind, _state(status), done, _duration(status.seconds_left), _best(status), _what(status)
        )
    return table


def follow(watcher: JobWatcher, path: Path, seconds: float) -> None:
    """Show a job until it is over, looking as often as that."""
    curves = Curves()
    with Live(console=console.output, auto_refresh=False) as live:
        while True:
            curves.add(watcher.read())
            if watcher.behind:
                continue
            status = watcher.status()
            live.update(job_view(status, curves, path), refresh=True)
            if status.is_over:
                return
            time.sleep(seconds)


def job_view(status: JobStatus, curves: Curves, path: Path) -> RenderableType:
    """State, progress, curves and what to do next."""
    progress = status.latest.get("progress", {})
    parts: list[RenderableType] = [_line(status)]
    if status.fraction is not None:
        parts.append(Columns([ProgressBar(total=1.0, completed=status.fraction, width=_WIDTH)]))
    details = [f"best {_best(status)}" if "best" in status.latest else ""]
    memory = progress.get("gpu_memory_mb")
    details.append(f"GPU memory {memory} MB" if memory is not None else "")
    if any(details):
        parts.append(Text(", ".join(filter(None, details))))
    parts.append(_curve_table(curves))
    parts += [Text(f"warning: {warning}", "yellow") for warning in curves.warnings]
    if status.failure:
        parts.append(Text(f"next: {status.failure.action}"))
    if status.can_resume:
        parts.append(Text(f"go on: dmri-pretrain jobs resume {path}"))
    return Panel(Group(*parts), title=str(path), title_align="left")


def _line(status: JobStatus) -> Text:
    left = _duration(status.seconds_left)
    return Text.assemble(_state(status), "  ", _what(status), f"  {left} left" if left else "")


def _curve_table(curves: Curves) -> Table:
    table = Table.grid(padding=(0, 2))
    names = sorted(curves.by_name, key=lambda name: (name not in _FIRST, not name.endswith("score"), name))
    for name in names[:_MOST_CURVES]:
        values = [value for _, value in curves.by_name[name]]
        table.add_row(name, _sparkline(values), f"{values[-1]:.4g}")
    return table


def _sparkline(values: Sequence[float]) -> str:
    """A curve of one line; each character is a mean."""
    size = max(1, -(-len(values) // _WIDTH))
    means = [sum(part) / len(part) for part in (values[i : i + size] for i in range(0, len(values), size))]
    low, high = min(means), max(means)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / (high - low) * top) if high > low else 0] for value in means)


def _state(status: JobStatus) -> Text:
    state = status.state or "new"
    return Text(state, _STYLES.get(state, ""))


def _what(status: JobStatus) -> str:
    if status.failure:
        return status.failure.message
    return "" if status.is_over else str(status.latest.get("progress", {}).get("what", ""))


def _best(status: JobStatus) -> str:
    best = status.latest.get("best", {})
    score, step = best.get("score"), best.get("step")
    return f"{score:.4f} at step {step}" if isinstance(score, int | float) else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
