"""Everything that is wrong with one annotated scan, and what the checks between scans need to know of it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..errors import UserError
from ..findings import Finding
from ..scans.checks import check_scan
from ..scans.gradient_check import check_gradients
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from ..scans.grid import GridOrientation
from ..scans.load import read_scan
from ..scans.maps import GeometryError, read_map
from ..scans.mask import choose_mask
from ..scans.scan import Scan
from .cases import CaseFiles, missing_labels
from .loaded_case import as_labels, as_peaks, hold_out_slab
from .peaks_check import check_peaks

Side = Literal["training", "validation", "both"]
#: Share of the labelled voxels that may lie outside of the mask.
_OUTSIDE = 0.1


@dataclass(frozen=True)
class CaseState:
    """What was found out about a case.

    Attributes:
        name: of the case.
        subject: whom it shows.
        side: where it goes; ``both`` where part of a single brain is held out.
        shape: (X, Y, Z) in voxels; None where the scan cannot be read, and so on.
        voxel_size: edges of a voxel in mm.
        volumes: number of volumes.
        shells: b-values of its shells in s/mm².
        fingerprint: the same for two scans with the same signal.
        gradients: ``right``, ``uncertain`` or ``wrong`` orientation of the gradient table; empty if not checked.
        training: voxels of each label value in the brain that are learned from, for each task with labels.
        validation: voxels of each that are validated on.
        findings: what is wrong.
    """

    name: str
    subject: str
    side: Side
    shape: tuple[int, int, int] | None = None
    voxel_size: tuple[float, float, float] | None = None
    volumes: int | None = None
    shells: tuple[float, ...] = ()
    fingerprint: str = ""
    gradients: str = ""
    training: dict[str, dict[int, int]] = field(default_factory=dict)
    validation: dict[str, dict[int, int]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without the findings."""
        return {name: value for name, value in vars(self).items() if name != "findings"}


def check_case(
    files: CaseFiles,
    tasks: tuple[str, ...],
    side: Side,
    *,
    b0_threshold: float = DEFAULT_B0_THRESHOLD,
    gradients: bool = True,
) -> CaseState:
    """Check scan, mask, gradient table and label maps of a case; nothing is raised, all is told.

    Args:
        files: the case.
        tasks: what shall be learned.
        side: where the case goes.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        gradients: whether to check the axes of the gradient table, which takes seconds.
    """
    return _CaseCheck(files, tasks, side, b0_threshold).run(gradients)


class _CaseCheck:
    """A check that collects what it finds."""

    def __init__(self, files: CaseFiles, tasks: tuple[str, ...], side: Side, b0_threshold: float) -> None:
        self.files, self.tasks, self.b0_threshold = files, tasks, b0_threshold
        self.state = CaseState(files.name, files.subject or files.name, side)
        self.findings: list[Finding] = []

    def run(self, gradients: bool) -> CaseState:
        self.findings += [self._said("label-missing", error) for error in missing_labels(self.files, self.tasks)]
        scan = self._try("scan-unreadable", self._read_scan)
        if scan is not None:
            sound = self._check_scan(scan)
            scan = replace(scan, mask=self._mask(scan) if sound else None)
            if gradients and scan.mask is not None:
                self._try("gradients", lambda: self._check_gradients(scan))
            for task in self.tasks:
                path = self.files.labels.get(task)
                if path is not None and path.is_file():
                    self._try("label-unreadable", lambda task=task: self._check_label(task, scan))  # type: ignore[misc]
        return replace(self.state, findings=tuple(self.findings))

    def _try(self, code: str, step: Callable[[], Any]) -> Any:
        """What a step returns; None, and a finding, if it fails, so that the other steps go on."""
        try:
            return step()
        except UserError as error:
            self.findings.append(self._said(code, error))
        except Exception as error:  # one broken file must not hide the others
            message = f"expected files that can be used, found an error: {type(error).__name__}: {error}"
            self.findings.append(Finding("error", code, message, "look at the files of this case", self.files.name))
        return None

    def _said(self, code: str, error: UserError) -> Finding:
        return Finding.from_line("error", code, str(error), self.files.name)

    def _read_scan(self) -> Scan:
        files = self.files
        scan = read_scan(files.scan, bval=files.bval, bvec=files.bvec, b0_threshold=self.b0_threshold)
        x, y, z = (round(float(size), 4) for size in scan.voxel_size)
        self.state = replace(
            self.state,
            shape=scan.shape,
            voxel_size=(x, y, z),
            volumes=scan.signal.shape[3],
            fingerprint=_fingerprint(scan),
        )
        return scan

    def _check_scan(self, scan: Scan) -> bool:
        """Whether the scan has no errors."""
        findings = [replace(finding, where=self.files.name) for finding in check_scan(scan)]
        self.findings += findings
        if any(finding.severity == "error" for finding in findings):
            return False
        shells = tuple(round(shell.bvalue, 1) for shell in scan.gradients.shells())
        self.state = replace(self.state, shells=shells)
        return True

    def _mask(self, scan: Scan) -> np.ndarray | None:
        found = self._try("mask", lambda: choose_mask(scan, self.files.mask)[0])
        return None if found is None else np.asarray(found, dtype=bool)

    def _check_gradients(self, scan: Scan) -> None:
        result = check_gradients(scan)
        self.state = replace(self.state, gradients=result.verdict)
        if result.verdict == "wrong":
            message = f"expected a gradient table that fits the image, found: {result.summary()}"
            action = f"correct it: dmri-pretrain info {self.files.scan} --fix-gradients corrected.bvec"
            self.findings.append(Finding("error", "gradients-wrong", message, action, self.files.name))

    def _check_label(self, task: str, scan: Scan) -> None:
        path = self.files.labels[task]
        try:
            values = read_map(path, scan)
        except GeometryError as error:
            self.findings.append(self._said("label-geometry", error))
            return
        mask = np.ones(scan.shape, dtype=bool) if scan.mask is None else scan.mask
        if task == "orientation":
            peaks = as_peaks(values, path)
            # With a wrong gradient table the tensors are wrong, not the peaks.
            comparable = scan.mask is not None and self.state.gradients != "wrong"
            found = check_peaks(values, peaks, mask, scan if comparable else None)
        else:
            try:
                labels = as_labels(values, task, path)
            except UserError as error:
                self.findings.append(self._said("label-values", error))
                return
            found = check_labels(labels, mask)
            self._count(task, labels, mask, scan)
        told = (replace(f, message=f"{path}: {f.message}", where=self.files.name) for f in found)
        self.findings += told

    def _count(self, task: str, labels: np.ndarray, mask: np.ndarray, scan: Scan) -> None:
        if task == "crossings":
            labels = np.minimum(labels, 3)  # as they are learned
        training, validation = _regions(mask, scan, self.state.side)
        self.state.training[task] = _counts(labels[training])
        self.state.validation[task] = _counts(labels[validation])


def check_labels(labels: np.ndarray, mask: np.ndarray) -> list[Finding]:
    """What is wrong with a label map by itself.

    Args:
        labels: (X, Y, Z) whole numbers, 0 is background.
        mask: (X, Y, Z) bool, the brain.
    """
    labelled = labels > 0
    if not labelled.any():
        message = "expected labels other than 0, found none"
        return [Finding("error", "label-empty", message, "draw them, or choose another file")]
    inside = int((labelled & mask).sum())
    if not inside:
        message = "expected labels within the brain mask, found all of them outside"
        action = "check that the map belongs to this scan, or give another mask"
        return [Finding("error", "label-outside-mask", message, action)]
    share = 1 - inside / labelled.sum()
    if share <= _OUTSIDE:
        return []
    message = f"expected labels within the brain mask, found {share:.0%} of their voxels outside, which are not used"
    return [Finding("warning", "label-partly-outside", message, "give a larger mask if they matter")]


def _regions(mask: np.ndarray, scan: Scan, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z) bool: the voxels to learn from, and those to validate on."""
    nothing = np.zeros_like(mask)
    if side == "training":
        return mask, nothing
    if side == "validation" or not mask.any():
        return nothing, mask
    orientation = GridOrientation(np.asarray(scan.affine, dtype=float), scan.shape)
    slab = orientation.undo(hold_out_slab(orientation.apply(mask)))
    return mask & ~slab, slab


def _counts(labels: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def _fingerprint(scan: Scan) -> str:
    """Of the signal alone: the file may have been compressed or converted anew."""
    digest = hashlib.blake2b(str(scan.signal.shape).encode(), digest_size=16)
    for index in range(scan.signal.shape[3]):
        digest.update(np.ascontiguousarray(scan.signal[..., index], dtype=np.float32).data)
    return digest.hexdigest()
