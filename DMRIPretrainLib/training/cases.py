"""Which scans and labels to learn from: a CSV table, a BIDS folder, or one scan."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..scans.scan_files import SCAN_COLUMNS, ScanFiles, TableRow, read_scan_table
from ..tasks.maps import CROSSINGS, PEAKS, SEGMENTATION

#: File of each task in a folder that ``dmri-pretrain label`` wrote.
LABEL_FILES = {"segmentation": SEGMENTATION, "crossings": CROSSINGS, "orientation": PEAKS}
_LABEL_COLUMNS = {"segmentation": "segmentation", "crossings": "crossings", "peaks": "orientation"}
_COLUMNS = (*SCAN_COLUMNS, "labels", *_LABEL_COLUMNS, "subject", "split")
_SPLITS = ("", "training", "validation")


@dataclass(frozen=True)
class CaseFiles(ScanFiles):
    """One annotated scan on disk.

    Attributes:
        labels: label map of each task.
        subject: whom it shows; cases of one subject are never split between training and validation.
        split: ``training``, ``validation`` or empty to let the split be drawn.
    """

    labels: dict[str, Path] = field(default_factory=dict)
    subject: str = ""
    split: str = ""

    def paths(self) -> list[Path]:
        """All files that are read, label maps included."""
        return [*super().paths(), *self.labels.values()]


def find_cases(source: Path, tasks: tuple[str, ...], labels: Path | None = None) -> list[CaseFiles]:
    """All cases that a user names, each with a label map for every task.

    Args:
        source: a CSV table with the columns ``scan`` and ``labels`` (a folder that ``label`` wrote) or one
            column a label map (``segmentation``, ``crossings``, ``peaks``), optionally ``mask``, ``bval``,
            ``bvec``, ``subject`` and ``split`` (``training`` or ``validation``), with paths relative to the
            table; or a BIDS folder; or one scan.
        tasks: the tasks to learn.
        labels: for a BIDS folder, the folder with one label folder a scan; for one scan, its label folder; either may
            be the job of a labelling.

    Raises:
        UserError: if something is missing, unknown or not there.
    """
    problems: list[UserError] = []
    cases = list_cases(source, labels, problems)
    for case in cases:
        problems += missing_labels(case, tasks)
    if problems:
        raise problems[0]
    return cases


def list_cases(source: Path, labels: Path | None, problems: list[UserError]) -> list[CaseFiles]:
    """The same, without the demand that every label map be there.

    Args:
        source: see :func:`find_cases`.
        labels: likewise.
        problems: gets what is wrong with single cases, which are left out.

    Raises:
        UserError: if the source as a whole cannot be used, or has no cases.
    """
    if source.suffix.lower() == ".csv":
        cases = _collect((partial(_row_case, source, row) for row in read_scan_table(source, _COLUMNS)), problems)
    elif labels is None:
        raise UserError(
            f"{source}: expected --labels with the folder of its label maps, found none; make them with label"
        )
    elif source.is_dir() and any(source.glob("sub-*")):
        cases = _read_bids(source, _results_of(labels))
    else:
        cases = [CaseFiles(source.name, source, labels=_label_folder(_only_folder(_results_of(labels))))]
    if not cases and not problems:
        raise UserError(f"{source}: expected at least one scan, found none; check the folder")
    return cases


def missing_labels(case: CaseFiles, tasks: tuple[str, ...]) -> list[UserError]:
    """An error for each task whose label map is not there."""
    paths = {task: case.labels.get(task) for task in tasks}
    return [
        UserError(
            f"{case.scan}: expected the label map {path or LABEL_FILES[task]} to learn {task}, found none; make it "
            "with label"
        )
        for task, path in paths.items()
        if path is None or not path.is_file()
    ]


def _collect(makers: Iterable[Callable[[], CaseFiles]], problems: list[UserError]) -> list[CaseFiles]:
    cases = []
    for make in makers:
        try:
            cases.append(make())
        except UserError as error:
            problems.append(error)
    return cases


def split_cases(cases: list[CaseFiles], seed: int) -> tuple[list[CaseFiles], list[CaseFiles]]:
    """Training and validation cases: as the user said, else a fifth of the subjects (at least one).

    All cases of a subject go where one of them was put. With a single subject both lists hold its cases;
    part of the brain must then be held out.

    Raises:
        UserError: if a subject was put on both sides, or all of several subjects into training.
    """
    subjects = sorted({_subject(case) for case in cases})
    kept, held = ({_subject(case) for case in cases if case.split == side} for side in ("training", "validation"))
    if both := kept & held:
        raise UserError(
            f"expected each subject in training or validation, found subject {min(both)} in both; change the split"
        )
    if not held and len(subjects) == 1:
        return cases, cases
    if not held:
        free = [subject for subject in subjects if subject not in kept]
        if not free:
            raise UserError("expected a case for validation, found all marked training; mark one or leave some empty")
        drawn = np.random.default_rng(seed).permutation(free)[: max(1, round(len(subjects) / 5))]
        held = set(drawn.tolist())
    return [c for c in cases if _subject(c) not in held], [c for c in cases if _subject(c) in held]


def _subject(case: CaseFiles) -> str:
    return case.subject or case.name


def read_label_names(path: Path) -> dict[int, str]:
    """Names of label values from a table with the columns ``index`` and ``name`` (BIDS ``dseg.tsv``).

    Raises:
        UserError: if the table cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {int(row["index"]): row["name"].strip() for row in csv.DictReader(file, delimiter="\t")}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: expected a TSV with the columns index and name, found another file ({error})"
        ) from error


def _row_case(table: Path, row: TableRow) -> CaseFiles:
    split = row.values.get("split", "")
    if split not in _SPLITS:
        raise UserError(
            f"{table}: expected training, validation or nothing as split in line {row.line}, found {split!r}; mend it"
        )
    folder = row.path("labels")
    labels = _label_folder(folder) if folder else {}
    labels |= {task: path for column, task in _LABEL_COLUMNS.items() if (path := row.path(column))}
    files = row.scan_files()
    return CaseFiles(**vars(files), labels=labels, subject=row.values.get("subject", str(files.scan)), split=split)


def _read_bids(root: Path, labels: Path) -> list[CaseFiles]:
    from ..scans.bids import find_dwi

    scans = find_dwi(root)
    labelled = [found for found in scans if (labels / found.name).is_dir()]
    if scans and not labelled:
        raise UserError(f"{labels}: expected label folders such as {scans[0].name}, found none; make them with label")
    return [
        CaseFiles(
            name=found.name,
            scan=found.path,
            labels=_label_folder(labels / found.name),
            subject=found.subject,
            bval=found.bval,
            bvec=found.bvec,
        )
        for found in labelled
    ]


def _results_of(folder: Path) -> Path:
    """The results of a job that made labels, else the folder itself."""
    return folder / "result" if (folder / "job.json").is_file() else folder


def _only_folder(folder: Path) -> Path:
    """The folder of the one scan of a job, else the folder itself."""
    below = [path for path in folder.iterdir() if path.is_dir()] if folder.name == "result" and folder.is_dir() else []
    return below[0] if len(below) == 1 else folder


def _label_folder(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder with label maps, found none; make them with label")
    return {task: folder / name for task, name in LABEL_FILES.items() if (folder / name).is_file()}
