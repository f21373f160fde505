"""Find out whether the axes of a gradient table are flipped or swapped, from the scan itself.

Changes are expressed in the FSL frame of the stored image, the frame of the rows of its ``bvec`` file:
that is where mistakes happen, and a change reads as what to do with those rows.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import UserError
from .fibre_coherence import fibre_evidence, fit_fibres, tensor_volumes
from .frames import cube_symmetries, fsl_to_world, world_to_fsl
from .fsl import write_bvecs
from .gradient_table import GradientTable
from .nrrd_file import NRRD_SUFFIXES, write_nrrd_scan
from .scan import Scan

#: Standard errors by which the best change must beat every other one. In experiments on real scans with few
#: directions, thick slices, slabs, blur or added noise, both kinds of evidence never agreed on a wrong change;
#: in pure noise they did once, by one standard error.
MINIMUM_CONFIDENCE = 3.5
#: Angle in degrees by which the best change is turned to see whether that would be better still.
TURN = 30.0
#: Blocks of the brain that the standard error needs.
MINIMUM_BLOCKS = 12

Verdict = Literal["right", "wrong", "uncertain"]


@dataclass(frozen=True)
class AxisChange:
    """A reordering and flip of the rows of a ``bvec`` file (FSL frame of the stored image).

    Row ``i`` of the changed table is row ``order[i]`` of the given one, negated where ``signs[i]`` is -1.
    Directions have no sense, so that a change and its negative are the same.

    Attributes:
        order: a permutation of 0, 1, 2.
        signs: 1 or -1 for each row, at most one of them -1.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    signs: tuple[int, int, int] = (1, 1, 1)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) signed permutation ``P`` with ``changed = P @ given``."""
        matrix = np.zeros((3, 3))
        matrix[range(3), self.order] = self.signs
        return matrix

    @property
    def description(self) -> str:
        """Such as ``none``, ``flip x``, ``swap x and y`` or ``swap x and y, then flip z``."""
        moved = ["xyz"[row] for row in range(3) if self.order[row] != row]
        steps = []
        if len(moved) == 2:
            steps.append(f"swap {moved[0]} and {moved[1]}")
        elif moved:
            steps.append("reorder x, y, z to " + ", ".join("xyz"[row] for row in self.order))
        steps += [f"flip {axis}" for axis, sign in zip("xyz", self.signs, strict=True) if sign < 0]
        return ", then ".join(steps) or "none"


def axis_changes() -> list[AxisChange]:
    """The 24 distinct axis changes, the identity first: six orders, each without a flip or with one.

    Two flips are the negative of the third one, and three of none.
    """
    changes = []
    for matrix in cube_symmetries():
        x, y, z = np.abs(matrix).argmax(axis=1).tolist()
        signs = matrix.sum(axis=1).astype(int)
        if np.sum(signs < 0) <= 1:
            changes.append(AxisChange((x, y, z), (int(signs[0]), int(signs[1]), int(signs[2]))))
    return changes


@dataclass(frozen=True)
class GradientCheck:
    """What the scan says about the axes of its gradient table.

    Attributes:
        verdict: ``right``: the table as given is the best of the 24; ``wrong``: ``best`` repairs it;
            ``uncertain``: the scan cannot tell, and ``best`` must not be relied on.
        best: the change with the highest score.
        scores: all 24 changes with their scores, best first; in standard errors, about zero on average.
        margin: score of the best change less that of the runner-up.
        margin_over_given: score of the best change less that of the table as given.
        confidence: least number of standard errors by which the best change beats another one.
        reason: why the verdict is ``uncertain``, else empty.
    """

    verdict: Verdict
    best: AxisChange
    scores: tuple[tuple[AxisChange, float], ...]
    margin: float
    margin_over_given: float
    confidence: float
    reason: str = ""

    def summary(self) -> str:
        """One line for a person."""
        if self.verdict == "uncertain":
            return f"gradient orientation: cannot tell ({self.reason})"
        sure = f"best of {len(self.scores)} by {self.confidence:.1f} standard errors"
        if self.verdict == "right":
            return f"gradient orientation: right as given ({sure})"
        return f"gradient orientation: wrong; in the rows of the bvec file, {self.best.description} ({sure})"

    def to_json(self) -> dict[str, object]:
        """The check as plain JSON types."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "frame": "FSL",
            "best": self.best.description,
            "best_matrix": self.best.matrix.astype(int).tolist(),
            "margin": self.margin,
            "margin_over_given": self.margin_over_given,
            "confidence": self.confidence,
            "scores": [{"change": change.description, "score": score} for change, score in self.scores],
        }


def check_gradients(scan: Scan) -> GradientCheck:
    """Score the 24 axis changes of a scan's gradient table by fibre coherence.

    Two independent kinds of evidence (``fibre_coherence``) must agree on the best change, and their sum
    must put it ahead of every other one by ``MINIMUM_CONFIDENCE`` standard errors, from the scatter of the
    paired differences between blocks of the brain. A table for which a further turn would be better still
    has another fault than its axes. In all other cases the verdict is ``uncertain``.

    Args:
        scan: the scan; without a mask the brain is found by ``brain_mask``.

    Raises:
        UserError: if no brain is found.
    """
    changes = axis_changes()
    volumes = tensor_volumes(scan)
    if volumes is None:
        return _cannot_tell("too few directions or b0 volumes for a diffusion tensor")
    fibres = fit_fibres(_in_fsl_order(scan), volumes)
    matrices = np.stack([change.matrix for change in changes])
    evidence = fibre_evidence(fibres, matrices)
    if evidence.shape[1] < MINIMUM_BLOCKS:
        return _cannot_tell("too little white matter")

    # Each kind in units of its own standard error, so that both count alike.
    centred = evidence - evidence.mean(axis=2, keepdims=True)
    units = np.maximum(np.sqrt(np.mean(_standard_errors(centred) ** 2, axis=-1)), 1e-12)[:, None, None]
    combined = (centred / units).sum(axis=0)
    scores = combined.sum(axis=0)
    ranking = np.argsort(-scores, kind="stable")
    best, runner_up = int(ranking[0]), int(ranking[1])
    leads = combined[:, [best]] - np.delete(combined, best, axis=1)
    confidence = float(np.min(leads.sum(axis=0) / np.maximum(_standard_errors(leads), 1e-12)))

    turned = fibre_evidence(fibres, np.concatenate([matrices[[best]], _turns() @ matrices[best]])) / units
    turned_scores = turned.sum(axis=(0, 1))

    reason = ""
    if np.any(centred.sum(axis=1).argmax(axis=1) != best):
        reason = "alignment of neighbours and shape of bundles disagree"
    elif confidence < MINIMUM_CONFIDENCE:
        reason = f"best are the changes {changes[best].description} and {changes[runner_up].description}, too close"
    elif turned_scores.argmax() != 0:
        reason = "the table seems turned by other than right angles, or in another order than the volumes"
    verdict: Verdict = "uncertain" if reason else "right" if best == 0 else "wrong"
    return GradientCheck(
        verdict=verdict,
        best=changes[best],
        scores=tuple((changes[index], float(scores[index])) for index in ranking),
        margin=float(scores[best] - scores[runner_up]),
        margin_over_given=float(scores[best] - scores[0]),
        confidence=confidence,
        reason=reason,
    )


def _turns() -> np.ndarray:
    """(6, 3, 3) rotations by ``TURN`` either way about each axis."""
    axes = np.deg2rad(TURN) * np.eye(3)
    return Rotation.from_rotvec(np.concatenate([axes, -axes])).as_matrix()


def corrected_table(scan: Scan, change: AxisChange) -> GradientTable:
    """The scan's gradient table, in the world frame, after a change of the rows of its ``bvec`` file."""
    changed = world_to_fsl(scan.gradients.directions, scan.affine) @ change.matrix.T
    return replace(scan.gradients, directions=fsl_to_world(changed, scan.affine))


def write_corrected(path: Path, scan: Scan, change: AxisChange) -> None:
    """Write the corrected table: a b-vector file, or for a path that ends with ``.nrrd`` a whole NRRD scan.

    Raises:
        UserError: if the scan is an NRRD, whose table lies in its header, and the path is not one.
    """
    corrected = replace(scan, gradients=corrected_table(scan, change))
    if path.name.endswith(".nrrd"):
        write_nrrd_scan(path, corrected)
    elif scan.path is not None and scan.path.name.endswith(NRRD_SUFFIXES):
        raise UserError(f"{path}: expected the name of an NRRD, as the scan is one, found another; end it with .nrrd")
    else:
        write_bvecs(path, corrected.gradients, scan.affine)


def _cannot_tell(reason: str) -> GradientCheck:
    scores = tuple((change, 0.0) for change in axis_changes())
    return GradientCheck("uncertain", AxisChange(), scores, 0.0, 0.0, 0.0, reason)


def _in_fsl_order(scan: Scan) -> Scan:
    """The scan with its first axis stored so that the grid frame is the FSL frame (determinant negative)."""
    if np.linalg.det(scan.affine[:3, :3]) < 0:
        return scan
    affine = np.array(scan.affine, dtype=float)
    affine[:3, 3] += affine[:3, 0] * (scan.shape[0] - 1)
    affine[:3, 0] *= -1
    mask = None if scan.mask is None else scan.mask[::-1]
    return replace(scan, signal=scan.signal[::-1], affine=affine, mask=mask)


def _standard_errors(blocks: np.ndarray) -> np.ndarray:
    """Standard errors (..., C) of the sums over (..., B, C) blocks, the blocks taken as independent."""
    return np.sqrt(blocks.shape[-2]) * blocks.std(axis=-2, ddof=1)


def warn_of_wrong_gradients(scan: Scan) -> None:
    """Log a warning if the gradient table does not fit: directions from a flipped table look fine and are wrong."""
    result = check_gradients(scan)
    if result.verdict == "wrong":
        logging.warning("%s: %s; correct it with info --fix-gradients", scan.path, result.summary())
