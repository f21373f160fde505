"""Which scans and labels to learn from: a CSV table, a BIDS folder, or one scan."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..tasks.maps import CROSSINGS, PEAKS, SEGMENTATION

#: File of each task in a folder that ``dmri-pretrain label`` wrote.
LABEL_FILES = {"segmentation": SEGMENTATION, "crossings": CROSSINGS, "orientation": PEAKS}
_LABEL_COLUMNS = {"segmentation": "segmentation", "crossings": "crossings", "peaks": "orientation"}
_PATH_COLUMNS = ("scan", "mask", "bval", "bvec", "labels", *_LABEL_COLUMNS)
_COLUMNS = (*_PATH_COLUMNS, "subject", "split")
_SPLITS = ("", "training", "validation")


@dataclass(frozen=True)
class CaseFiles:
    """One annotated scan on disk.

    Attributes:
        name: for messages.
        scan: DWI file or folder.
        labels: label map of each task.
        subject: whom it shows; cases of one subject are never split between training and validation.
        split: ``training``, ``validation`` or empty to let the split be drawn.
        mask: brain mask; None to find or compute one.
        bval: b-value file; None to find it beside the scan.
        bvec: b-vector file; None to find it beside the scan.
    """

    name: str
    scan: Path
    labels: dict[str, Path] = field(default_factory=dict)
    subject: str = ""
    split: str = ""
    mask: Path | None = None
    bval: Path | None = None
    bvec: Path | None = None


def find_cases(source: Path, tasks: tuple[str, ...], labels: Path | None = None) -> list[CaseFiles]:
    """All cases that a user names, each with a label map for every task.

    Args:
        source: a CSV table with the columns ``scan`` and ``labels`` (a folder that ``label`` wrote) or one
            column a label map (``segmentation``, ``crossings``, ``peaks``), optionally ``mask``, ``bval``,
            ``bvec``, ``subject`` and ``split`` (``training`` or ``validation``), with paths relative to the
            table; or a BIDS folder; or one scan.
        tasks: the tasks to learn.
        labels: for a BIDS folder, the folder with one label folder a scan; for one scan, its label folder.

    Raises:
        UserError: if something is missing, unknown or not there.
    """
    if source.suffix.lower() == ".csv":
        cases = _read_table(source)
    elif labels is None:
        raise UserError(
            f"{source}: expected --labels with the folder of its label maps, found none; make them with label"
        )
    elif source.is_dir() and any(source.glob("sub-*")):
        cases = _read_bids(source, labels)
    else:
        cases = [CaseFiles(source.name, source, _label_folder(labels))]
    if not cases:
        raise UserError(f"{source}: expected at least one scan, found none; check the folder")
    for case in cases:
        _check(case, tasks)
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


def _read_table(path: Path) -> list[CaseFiles]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: expected a CSV table of cases, found none that can be read ({error})") from error
    unknown = [column for column in columns if column not in _COLUMNS]
    if "scan" not in columns or unknown:
        found = f"unknown columns {', '.join(unknown)}" if unknown else f"columns {', '.join(columns) or 'none'}"
        raise UserError(
            f"{path}: expected the column scan, and of the others only {', '.join(_COLUMNS[1:])}; found {found}"
        )
    return [_row_case(path, row, number) for number, row in enumerate(rows, start=2)]


def _row_case(table: Path, row: dict[str, str | None], line: int) -> CaseFiles:
    if None in row:
        raise UserError(f"{table}: expected as many cells as columns in line {line}, found more; quote commas")
    values = {key: (value or "").strip() for key, value in row.items()}
    paths = {key: table.parent / values[key] for key in _PATH_COLUMNS if values.get(key)}
    if "scan" not in paths:
        raise UserError(f"{table}: expected a scan in line {line}, found none; fill it in or delete the line")
    split = values.get("split", "")
    if split not in _SPLITS:
        raise UserError(f"{table}: expected training, validation or nothing as split in line {line}, found {split!r}")
    labels = _label_folder(paths["labels"]) if "labels" in paths else {}
    labels |= {task: paths[column] for column, task in _LABEL_COLUMNS.items() if column in paths}
    return CaseFiles(
        name=f"{paths['scan'].parent.name}/{paths['scan'].name}",
        scan=paths["scan"],
        labels=labels,
        subject=values.get("subject", "") or str(paths["scan"]),
        split=split,
        mask=paths.get("mask"),
        bval=paths.get("bval"),
        bvec=paths.get("bvec"),
    )


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


def _label_folder(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder with label maps, found none; make them with label")
    return {task: folder / name for task, name in LABEL_FILES.items() if (folder / name).is_file()}


def _check(case: CaseFiles, tasks: tuple[str, ...]) -> None:
    for task in tasks:
        path = case.labels.get(task)
        if path is None or not path.is_file():
            expected = path or LABEL_FILES[task]
            raise UserError(
                f"{case.scan}: expected the label map {expected} to learn {task}, found none; make it with label"
            )
