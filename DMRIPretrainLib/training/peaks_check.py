"""What can be wrong with a map of peaks, and how it shows."""

from dataclasses import dataclass

import numpy as np

from ..findings import Finding
from ..scans.fibre_coherence import main_directions
from ..scans.frames import fsl_to_world, grid_to_world_rotation
from ..scans.gradient_check import axis_changes
from ..scans.scan import Scan

#: Main peaks of most voxels have amplitudes between these: a lone fibre that fills its voxel has 1.
PLAUSIBLE_AMPLITUDES = (0.05, 3.0)
#: Voxels that are compared with the tensor, those of highest FA of an even sample.
_SAMPLE = 6000
_COMPARED = 1500
#: Fewer voxels than these say nothing.
_FEWEST = 100
#: FA from which on a tensor has one direction to speak of.
_ONE_FIBRE = 0.4
#: Degrees between peaks and tensors that are no cause to look for flips.
_CLOSE = 20.0
#: The best flip must bring the angle down to this share.
_MUCH_BETTER = 0.6


@dataclass(frozen=True)
class PeaksFit:
    """How peaks agree with the tensors of their scan.

    Attributes:
        angle: median angle in degrees between main peaks and tensors, as given.
        best: the change of frame that brings them nearest, such as ``after flip x``; empty where it is none.
        best_angle: the angle then.
    """

    angle: float
    best: str
    best_angle: float

    @property
    def is_flipped(self) -> bool:
        """Whether a change of frame fits so much better that the peaks must be in another frame."""
        return bool(self.best) and self.angle > _CLOSE and self.best_angle < _MUCH_BETTER * self.angle


def check_peaks(raw: np.ndarray, peaks: np.ndarray, mask: np.ndarray, scan: Scan | None) -> list[Finding]:
    """Everything that is wrong with a map of peaks.

    Args:
        raw: the map as it is in the file.
        peaks: (X, Y, Z, 3, 3) what was made of it, strongest first, in the world frame.
        mask: (X, Y, Z) bool, the brain.
        scan: the scan that it belongs to, to compare directions with; None where it cannot be used.
    """
    if np.isinf(raw).any():
        message = "expected finite peaks, found infinity"
        return [Finding("error", "peaks-infinite", message, "make the map again")]
    amplitude = np.linalg.norm(peaks[..., 0, :], axis=-1)
    inside = mask & (amplitude > 0)
    if not inside.any():
        where = "in the brain" if (amplitude > 0).any() else "anywhere"
        nan = ", only NaN" if np.isnan(raw[mask]).all() else ""
        message = f"expected peaks in the brain, found none {where}{nan}"
        return [Finding("error", "peaks-empty", message, "check that the map belongs to this scan, or make it again")]
    findings = []
    usual, (low, high) = float(np.median(amplitude[inside])), PLAUSIBLE_AMPLITUDES
    if not low <= usual <= high:
        message = f"expected peaks of amplitude about 1 where one fibre fills a voxel, found a median of {usual:.3g}"
        action = "divide all peaks by the amplitude of a lone fibre"
        findings.append(Finding("warning", "peaks-amplitude", message, action))
    fit = None if scan is None else compare_with_tensors(peaks, inside, scan)
    if fit and fit.is_flipped:
        message = (
            f"expected peaks in the world frame (RAS), found them {fit.angle:.0f} degrees from the scan's tensors, "
            f"and {fit.best_angle:.0f} {fit.best}"
        )
        findings.append(Finding("warning", "peaks-flipped", message, "look at them on the scan, and bring them to RAS"))
    return findings


def compare_with_tensors(peaks: np.ndarray, inside: np.ndarray, scan: Scan) -> PeaksFit | None:
    """Angles between main peaks and the main directions of tensors, as given and in other frames.

    Only voxels whose tensors are elongated count: there both must agree.

    Args:
        peaks: (X, Y, Z, 3, 3) strongest first, world frame.
        inside: (X, Y, Z) bool, voxels of the brain with peaks.
        scan: the scan.

    Returns:
        The comparison; None where the scan has too few directions for tensors, or too few such voxels.
    """
    voxels = np.argwhere(inside)
    voxels = voxels[:: max(1, len(voxels) // _SAMPLE)]
    tensors = main_directions(scan, voxels)
    if tensors is None:
        return None
    anisotropy, directions = tensors
    chosen = np.argsort(-anisotropy)[: min(_COMPARED, int((anisotropy > _ONE_FIBRE).sum()))]
    if len(chosen) < _FEWEST:
        return None
    main = peaks[tuple(voxels[chosen].T)][:, 0]
    main = main / np.linalg.norm(main, axis=1, keepdims=True)
    angles = {name: _median_angle(main @ matrix.T, directions[chosen]) for name, matrix in _changes(scan).items()}
    as_given = angles.pop("")
    best = min(angles, key=lambda name: angles[name])
    if angles[best] >= as_given:
        return PeaksFit(as_given, "", as_given)
    return PeaksFit(as_given, best, angles[best])


def _changes(scan: Scan) -> dict[str, np.ndarray]:
    """(3, 3) matrices that bring vectors of frames that are mistaken for the world frame to it, the likeliest first."""
    changes = {"": np.eye(3)}
    changes["if they are taken along the voxel axes"] = grid_to_world_rotation(scan.affine)
    changes["if they are taken in the frame of FSL"] = fsl_to_world(np.eye(3), scan.affine).T
    for change in axis_changes():
        if change.description != "none":
            changes[f"after {change.description}"] = change.matrix
    return changes


def _median_angle(first: np.ndarray, second: np.ndarray) -> float:
    cosines = np.abs(np.einsum("vc,vc->v", first, second))
    return float(np.degrees(np.median(np.arccos(np.clip(cosines, 0.0, 1.0)))))
