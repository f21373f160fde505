"""Commands that look before anything is computed: ``doctor`` for the computer, ``check`` for a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import console
from .cli_options import JsonOption
from .files import to_json
from .findings import Finding

_STYLES = {"right": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


def doctor(
    folder: Annotated[Path | None, typer.Option(help="Folder for the results; by default the current one.")] = None,
    json: JsonOption = False,
) -> None:
    """Say whether this computer can do the work, what is missing, and how to mend it; takes some seconds.

    Example: dmri-pretrain doctor --folder results
    """
    from .computer.facts import facts, verdict
    from .computer.report import examine_computer

    with console.messages.status("looking at this computer"):
        report = examine_computer(folder)
    if json:
        print(to_json(report.to_json(), indent=2))  # noqa: T201
    else:
        table = Table.grid(padding=(0, 2))
        for fact in facts(report):
            table.add_row(_mark(fact.mark), Text(fact.name, "bold"), Text(fact.value))
        style = "bold green" if report.works else "bold red"
        console.output.print(Group(table, _list(report.findings), Text(f"\n{verdict(report)}", style)))
    if not report.works:
        raise typer.Exit(2)


def _list(findings: Sequence[Finding]) -> Group:
    """Findings as paragraphs: what, where, and what to do."""
    parts: list[Text | Padding] = []
    for finding in findings:
        where = Text(f" {finding.where}" if finding.where else "", "bold")
        parts.append(Text.assemble("\n", _mark(finding.severity), where, f" {finding.message}"))
        parts.append(Padding(Text(f"→ {finding.action}", "cyan"), (0, 0, 0, 2)))
    return Group(*parts)


def _mark(mark: str) -> Text:
    return Text(*_STYLES[mark])
