"""Everything that is wrong with the scans and labels of a fine-tuning run, before it begins, in one report."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..findings import Finding, errors_first, has_errors
from ..progress import Progress, silent
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..tasks.maps import CROSSING_LABELS, TISSUES
from .case_check import CaseState, Side, check_case
from .cases import CaseFiles, list_cases, split_cases

#: Share of the training voxels below which a label is hardly learned.
_RARE = 5e-4
_BIDS_SUBJECT = re.compile(r"(?:^|[/\\_])(sub-[A-Za-z0-9]+)")


@dataclass(frozen=True)
class LabelBalance:
    """How often a label occurs in the brains of a dataset.

    Attributes:
        task: whose label it is.
        value: in the label maps.
        name: of the label; empty where it has none.
        share: of the voxels that are learned from, 0 to 1.
        training: its voxels that are learned from.
        validation: its voxels that are validated on.
        cases: number of cases that have it.
    """

    task: str
    value: int
    name: str
    share: float
    training: int
    validation: int
    cases: int


@dataclass(frozen=True)
class DatasetReport:
    """The state of a dataset.

    Attributes:
        cases: what was found out about each case.
        labels: how often each label occurs.
        findings: what is wrong with single cases and between them, errors first; ``where`` is the case.
    """

    cases: tuple[CaseState, ...]
    labels: tuple[LabelBalance, ...]
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether there is no error."""
        return not has_errors(self.findings)

    def rows(self) -> list[dict[str, str]]:
        """The findings as rows of a table: ``case``, ``severity``, ``code``, ``message``, ``action``."""
        return [
            {"case": f.where, "severity": f.severity, "code": f.code, "message": f.message, "action": f.action}
            for f in self.findings
        ]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "works": self.works,
            "cases": [case.to_json() for case in self.cases],
            "labels": [vars(label) for label in self.labels],
            "findings": self.rows(),
        }


class DataError(UserError):
    """Scans or labels that cannot be learned from."""

    code = "data"
    action = "mend them and start again; dmri-pretrain check says all that is wrong"


def raise_data_errors(report: DatasetReport, source: Path) -> None:
    """Refuse a dataset with errors.

    Args:
        report: what was found.
        source: where the dataset is.

    Raises:
        DataError: one line with the first error, and how many more there are.
    """
    errors = [finding for finding in report.findings if finding.severity == "error"]
    if not errors:
        return
    more = f" (and {len(errors) - 1} more errors: dmri-pretrain check {source} says which)" if errors[1:] else ""
    where = f"{errors[0].where}: " if errors[0].where and errors[0].where not in errors[0].text else ""
    raise DataError(f"{where}{errors[0].text}{more}")


def check_dataset(
    source: Path,
    tasks: tuple[str, ...],
    labels: Path | None = None,
    *,
    label_names: Mapping[int, str] | None = None,
    mask: Path | None = None,
    bval: Path | None = None,
    bvec: Path | None = None,
    b0_threshold: float = DEFAULT_B0_THRESHOLD,
    seed: int = 0,
    gradients: bool = True,
    progress: Progress = silent,
) -> DatasetReport:
    """Check all that fine-tuning would read; no case hides another, and nothing is raised.

    Args:
        source: table of cases, BIDS folder or scan, as for ``find_cases``.
        tasks: what shall be learned.
        labels: folder of label maps where the source is no table.
        label_names: names of the values of a segmentation.
        mask: brain mask of a single scan.
        bval: b-values of a single scan.
        bvec: b-vectors of a single scan.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        seed: of the split, where it is drawn.
        gradients: whether to check the axes of the gradient tables, which takes seconds a scan.
        progress: told how far it is.
    """
    findings: list[Finding] = []
    problems: list[UserError] = []
    try:
        files = list_cases(source, labels, problems)
    except UserError as error:
        return DatasetReport((), (), (Finding.from_line("error", "cases", str(error)),))
    findings += [Finding.from_line("error", "case", str(error)) for error in problems]
    findings += _unlabelled(source, files)
    own: dict[str, Any] = {name: path for name, path in (("mask", mask), ("bval", bval), ("bvec", bvec)) if path}
    if own and (len(files) > 1 or source.suffix.lower() == ".csv"):
        message = f"expected a single scan with --{', --'.join(own)}, found a study"
        findings.append(Finding("error", "options", message, "name these files in the columns of a table"))
    else:
        files = [replace(case, **own) for case in files]
    files = _distinct_names(files)
    sides, of_split = _sides(files, seed)
    states = []
    for number, (case, side) in enumerate(zip(files, sides, strict=True)):
        progress(f"checking {case.name}", number / len(files))
        states.append(check_case(case, tasks, side, b0_threshold=b0_threshold, gradients=gradients))
    findings += [finding for state in states for finding in state.findings]
    findings += of_split
    findings += _same_subject(files, sides)
    findings += _same_scan(states)
    balance = []
    for task in tasks:
        if any(task in state.training for state in states):
            names = _names(task, states, label_names)
            balance += _balance(task, states, names)
    findings += label_findings(balance, states, label_names)
    progress("checked", 1.0)
    return DatasetReport(tuple(states), tuple(balance), tuple(errors_first(findings)))


def _unlabelled(source: Path, files: Sequence[CaseFiles]) -> list[Finding]:
    """Scans of a BIDS folder without labels: fine-tuning passes over them without a word."""
    if not source.is_dir() or not any(source.glob("sub-*")):
        return []
    from ..scans.bids import find_dwi

    known = {case.scan for case in files}
    message = "expected a label folder with the name of the scan, found none: it is not used"
    return [
        Finding("warning", "unlabelled", message, "make labels for it with label, or take no notice", found.name)
        for found in find_dwi(source)
        if found.path not in known
    ]


def _distinct_names(files: Sequence[CaseFiles]) -> list[CaseFiles]:
    """The same cases; those that share a name are numbered."""
    counts, seen = Counter(case.name for case in files), Counter[str]()
    named = []
    for case in files:
        seen[case.name] += 1
        numbered = f"{case.name} ({seen[case.name]})" if counts[case.name] > 1 else case.name
        # Who has no subject is one by the name, which must not change the split.
        named.append(replace(case, name=numbered, subject=case.subject or case.name))
    return named


def _sides(files: Sequence[CaseFiles], seed: int) -> tuple[list[Side], list[Finding]]:
    """Where each case goes, and what is wrong with the split."""
    try:
        training, validation = split_cases(list(files), seed)
    except UserError as error:
        marked: list[Side] = ["validation" if case.split == "validation" else "training" for case in files]
        return marked, [Finding.from_line("error", "split", str(error))]
    if training is validation:
        message = "expected several subjects, found one: the middle quarter of the brain is held out to validate"
        action = "add another subject for a validation that tells more"
        return ["both"] * len(files), [Finding("warning", "single-subject", message, action)]
    sides: list[Side] = ["validation" if case in validation else "training" for case in files]
    if not training:
        message = "expected at least one case for training, found validation cases only"
        return sides, [Finding("error", "split", message, "mark some as training, or leave the column empty")]
    return sides, []


def _same_subject(files: Sequence[CaseFiles], sides: Sequence[Side]) -> list[Finding]:
    """Subjects by the BIDS names of their files that are on both sides."""
    where: dict[str, dict[str, str]] = defaultdict(dict)
    for case, side in zip(files, sides, strict=True):
        if match := _BIDS_SUBJECT.search(str(case.scan)):
            where[match[1]].setdefault(side, case.name)
    return [
        Finding(
            "error",
            "leak-subject",
            f"expected each subject in training or validation, found {subject} in both: {found['training']} and "
            f"{found['validation']}",
            "name the subject of each scan in the column subject, or change the column split",
            found["validation"],
        )
        for subject, found in where.items()
        if {"training", "validation"} <= set(found)
    ]


def _same_scan(states: Iterable[CaseState]) -> list[Finding]:
    """Scans that are there twice, whatever their files are called."""
    groups: dict[str, list[CaseState]] = defaultdict(list)
    for state in states:
        if state.fingerprint:
            groups[state.fingerprint].append(state)
    return [_repeated(group) for group in groups.values() if len(group) > 1]


def _repeated(group: Sequence[CaseState]) -> Finding:
    first, *others = group
    listed = ", ".join(state.name for state in others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    message = f"expected every scan once, found its signal again in {listed}"
    sides = {state.side for state in group}
    if {"training", "validation"} <= sides:
        message += ", some to learn from and some to validate on"
        return Finding("error", "leak-scan", message, "keep one of them", first.name)
    return Finding("warning", "duplicate", message, "keep one of them, unless its labels differ on purpose", first.name)


def _names(task: str, states: Iterable[CaseState], label_names: Mapping[int, str] | None) -> dict[int, str]:
    if task == "crossings":
        return dict(enumerate(CROSSING_LABELS))
    if label_names:
        return {0: "background", **label_names}
    values = set().union(*(state.training.get(task, {}) for state in states))
    return dict(enumerate(TISSUES)) if values <= set(range(len(TISSUES))) else {0: "background"}


def _balance(task: str, states: Sequence[CaseState], names: Mapping[int, str]) -> list[LabelBalance]:
    training: Counter[int] = Counter()
    validation: Counter[int] = Counter()
    cases: Counter[int] = Counter()
    for state in states:
        own, held = state.training.get(task, {}), state.validation.get(task, {})
        training.update(own)
        validation.update(held)
        cases.update(own.keys() | held.keys())
    total = max(1, training.total())
    return [
        LabelBalance(task, value, names.get(value, ""), training[value] / total, training[value], validation[value], n)
        for value, n in sorted(cases.items())
    ]


def label_findings(
    balance: Sequence[LabelBalance], states: Sequence[CaseState], label_names: Mapping[int, str] | None = None
) -> list[Finding]:
    """What is wrong with the labels of all cases together.

    Args:
        balance: how often each occurs.
        states: the cases.
        label_names: names that the user gave to values of the segmentation.
    """
    findings = []
    for task, group in itertools.groupby(balance, key=lambda label: label.task):  # they come task by task
        labels = list(group)
        present = [label for label in labels if label.training]
        if len(present) == 1:
            message = f"expected two labels or more to tell apart, found {_called(present[0])} alone in training"
            findings.append(Finding("error", "one-label", message, "add cases with other labels", task))
            continue
        for label in labels:
            findings += _of_label(label, states)
        if task == "segmentation" and label_names:
            findings += _of_names({label.value for label in labels}, label_names)
    return findings


def _of_label(label: LabelBalance, states: Sequence[CaseState]) -> list[Finding]:
    task, called = label.task, _called(label)
    having = [state.name for state in states if label.value in _values(state, task)]
    listed = ", ".join(having[:3]) + (", ..." if len(having) > 3 else "")
    counted = sum(bool(_values(state, task)) for state in states)
    if not label.value:  # background need not be anywhere
        return []
    if not label.training:
        message = f"expected every label in training, found {called} in validation alone ({listed})"
        action = "move a case with it to training, or correct the label"
        return [Finding("warning", "label-not-trained", message, action, task)]
    findings = []
    if counted > 2 and len(having) == 1:
        message = f"expected every label in several cases, found {called} in one of {counted} alone"
        findings.append(Finding("warning", "label-in-one-case", message, "check that it is no slip", having[0]))
    elif not label.validation:
        message = f"expected every label in validation, found {called} in training alone ({listed})"
        action = "move a case with it to validation, or nothing will be known about it"
        findings.append(Finding("warning", "label-not-validated", message, action, task))
    if label.share < _RARE:
        share = f"{100 * label.share:.2g} %"
        message = f"expected labels that fill 0.05 % of the brain or more, found {called} in {share} of it"
        findings.append(Finding("warning", "label-rare", message, "add cases with it, or join it with another", task))
    return findings


def _of_names(values: set[int], label_names: Mapping[int, str]) -> list[Finding]:
    nameless = sorted(values - label_names.keys() - {0})
    unused = sorted(label_names.keys() - values - {0})
    findings = []
    if nameless:
        message = f"expected a name for every label value, found none for {', '.join(map(str, nameless))}"
        action = "add them to the table of label names, or correct the labels"
        findings.append(Finding("warning", "label-nameless", message, action, "segmentation"))
    if unused:
        listed = ", ".join(f"{value} ({label_names[value]})" for value in unused[:5])
        message = f"expected every name in the label maps, found no voxel of {listed}"
        action = "add cases with it, or take no notice"
        findings.append(Finding("warning", "label-unused", message, action, "segmentation"))
    return findings


def _values(state: CaseState, task: str) -> set[int]:
    return state.training.get(task, {}).keys() | state.validation.get(task, {}).keys()


def _called(label: LabelBalance) -> str:
    return f"label {label.value} ({label.name})" if label.name else f"label {label.value}"
