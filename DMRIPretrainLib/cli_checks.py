"""Commands that look before anything is computed: ``doctor`` for the computer, ``check`` for a dataset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import console
from .cli_options import (
    B0Option,
    BvalOption,
    BvecOption,
    JsonOption,
    MaskOption,
    TaskOption,
    chosen_tasks,
)
from .errors import UserError
from .files import to_json
from .findings import Finding

if TYPE_CHECKING:
    from .training.dataset_check import DatasetReport
    from .training.settings import FinetuneSettings

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


def check(
    cases: Annotated[Path, typer.Argument(help="CSV table of cases, BIDS folder, or one scan (see README).")],
    task: TaskOption = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label folder of the scan, or of the BIDS folder's scans.")
    ] = None,
    label_names: Annotated[
        Path | None, typer.Option(help="TSV with the columns index and name (BIDS dseg.tsv).")
    ] = None,
    gradients: Annotated[
        bool, typer.Option(help="Check the axes of the gradient tables; takes some seconds a scan.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, as in finetune.")] = 0,
    mask: MaskOption = None,
    bval: BvalOption = None,
    bvec: BvecOption = None,
    b0_threshold: B0Option = 100.0,
    json: JsonOption = False,
) -> None:
    """Check all scans and labels of a dataset before finetune learns from it: every finding in one report.

    Errors make the exit code 2; with warnings alone it is 0.

    Example: dmri-pretrain check cases.csv --task segmentation
    """
    from .training.cases import read_label_names
    from .training.dataset_check import check_dataset

    names = read_label_names(label_names) if label_names else None
    with console.progress_bar("check") as progress:
        report = check_dataset(
            cases,
            chosen_tasks(task),
            labels,
            label_names=names,
            mask=mask,
            bval=bval,
            bvec=bvec,
            b0_threshold=b0_threshold,
            seed=seed,
            gradients=gradients,
            progress=progress,
        )
    if json:
        print(to_json(report.to_json(), indent=2))  # noqa: T201
    else:
        console.output.print(_dataset(report))
    if not report.works:
        raise typer.Exit(2)


def rehearse(settings: "FinetuneSettings", *, as_json: bool) -> None:
    """Tell all that is wrong with the data of a training, and if nothing is how much time and memory it will take."""
    from .training.finetune import check_data, estimate_finetune

    estimate = None
    with console.progress_bar("dry run") as progress:
        report = check_data(settings, progress)
        if report.works:
            try:
                estimate = estimate_finetune(settings, progress)
            except UserError as error:
                report = replace(report, findings=(Finding.from_line("error", "run", str(error)), *report.findings))
    if as_json:
        content = report.to_json() | {"estimate": estimate and estimate.to_json()}
        print(to_json(content, indent=2))  # noqa: T201
    else:
        console.output.print(_dataset(report), Text(estimate.summary() if estimate else ""))
    if not report.works:
        raise typer.Exit(2)


def _dataset(report: "DatasetReport") -> Group:
    cases = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for heading in ("", "case", "for", "voxels", "mm", "volumes", "b-values", "gradients"):
        cases.add_column(heading, overflow="fold")
    for case in report.cases:
        severities = {finding.severity for finding in case.findings}
        mark = "error" if "error" in severities else "warning" if severities else "right"
        cases.add_row(
            _mark(mark),
            Text(case.name),
            case.side,
            _times(case.shape),
            _times(case.voxel_size),
            str(case.volumes or ""),
            ", ".join(f"{bvalue:g}" for bvalue in case.shells),
            Text(case.gradients, {"right": "green", "wrong": "bold red"}.get(case.gradients, "yellow")),
        )
    labels = Table("label", "name", "share", "training", "validation", "cases", box=None, header_style="bold")
    for label in report.labels:
        share = f"{100 * label.share:.2g} %"
        counts = (f"{label.training:,}", f"{label.validation:,}", str(label.cases))
        labels.add_row(f"{label.task} {label.value}", Text(label.name), share, *counts)
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    verdict = f"\n{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    style = "bold red" if errors else "bold yellow" if warnings else "bold green"
    tables: list[Table | Text] = [cases, Text(""), labels] if report.cases else []
    return Group(*tables, _list(report.findings), Text(verdict, style))


def _times(values: Sequence[float] | None) -> str:
    return "" if values is None else "x".join(f"{value:.3g}" for value in values)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _list(findings: Sequence[Finding]) -> Group:
    """Findings as paragraphs: what, where, and what to do."""
    parts: list[Text | Padding] = []
    for finding in findings:
        where = Text(f" {finding.where}" if finding.where else "", "bold")
        line = Text.assemble("\n", _mark(finding.severity), where, f" {finding.message}")
        parts.append(line)
        if finding.action:
            parts.append(Padding(Text(f"→ {finding.action}", "cyan"), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _mark(mark: str) -> Text:
    return Text(*_STYLES[mark])
