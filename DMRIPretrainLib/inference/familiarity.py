"""Whether a scan is like those that a model has seen.

A model file may say what scans its weights were trained on. Its ``limits`` are, each optional::

    {"bvalue": [500, 3200],         b-values of the shells, s/mm²
     "directions": [6, 90],         distinct directions of a shell
     "shells": [1, 3],              shells of a scan
     "voxel_size": [1.5, 3.2],      edges of the voxels, mm
     "reconstruction_error": {"median": 0.06, "p99": 0.09}}    of familiar scans, see reconstruction_error
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from ..networks.model import DiffusionModel
from ..qspace.features import unscaled_coefficients
from ..qspace.harmonics import coefficient_count
from ..qspace.prepare import PreparedScan
from ..qspace.shells import usable_shells
from ..scans.gradient_table import count_directions
from ..scans.noise import estimate_noise
from ..scans.scan import Scan
from .predictor import Predictor

Limits = Mapping[str, Any]

#: Nominal and real b-values and voxel sizes differ by about as much.
_TOLERANCE = 0.05
_VOXELS = 4000
_NAMES = {
    "bvalue": "b-value {:.0f} s/mm²",
    "directions": "a shell of {:.0f} directions",
    "shells": "{:.0f} shells",
    "voxel_size": "voxels of {:.3g} mm",
}


def limits_of(scans: Iterable[PreparedScan]) -> dict[str, list[float]]:
    """From the smallest to the largest value of each property of some scans."""
    seen: dict[str, list[float]] = {}
    for scan in scans:
        for name, values in _properties(scan).items():
            seen[name] = [min([*values, *seen.get(name, [])]), max([*values, *seen.get(name, [])])]
    return seen


def widened(limits: Limits, others: Limits) -> dict[str, list[float]]:
    """Limits that hold all that either knows; a property that one of them does not know is left out."""
    both = {name: (_interval(limits, name), _interval(others, name)) for name in _NAMES}
    return {
        name: [min(first[0], second[0]), max(first[1], second[1])]
        for name, (first, second) in both.items()
        if first and second
    }


def unfamiliar(scan: PreparedScan, limits: Limits, error: float | None = None) -> list[str]:
    """One line for each property of a scan that lies outside the limits.

    Args:
        scan: the scan.
        limits: of the model; what is missing or no limit says nothing.
        error: of the reconstruction, where it was measured.
    """
    lines = []
    for name, values in _properties(scan).items():
        if interval := _interval(limits, name):
            low, high = interval
            far = [v for v in values if not low * (1 - _TOLERANCE) <= v <= high * (1 + _TOLERANCE)]
            lines += [f"{_NAMES[name].format(value)}, seen {low:g} to {high:g}" for value in dict.fromkeys(far)]
    known = limits.get("reconstruction_error")
    highest = known.get("p99") if isinstance(known, Mapping) else None
    # A NaN is not familiar either.
    if error is not None and isinstance(highest, (int, float)) and not error <= highest:
        lines.append(f"a reconstruction error of {error:.3f}, of familiar scans at most {highest:.3f}")
    return lines


def sample_voxels(mask: np.ndarray) -> np.ndarray:
    """(V, 3) indices of an even sample of the voxels of a mask."""
    voxels = np.argwhere(mask)
    return voxels[:: max(1, len(voxels) // _VOXELS)]


def reconstruction_error(predictor: Predictor, scan: PreparedScan) -> float:
    """How far the signal is from what the model makes of it, beyond noise: 0.1 is a tenth of the b0 signal.

    In each voxel it is the difference between the spherical harmonics coefficients of E that were measured and those
    that the model reconstructs, as a root mean square over shells and directions, from which is subtracted what
    noise alone would cause: that of the signals passes through the fit, that of the mean b0 scales all coefficients.
    Coefficients above the order of the shell's fit do not count. So neither the noise nor the number of directions
    matters much, where directions and b0 volumes are enough to tell noise from anisotropy; with six directions and
    one b0 the noise is overestimated, and the error smaller. Of all voxels, the median.

    Args:
        predictor: a model with a reconstruction head.
        scan: the scan.

    Raises:
        ValueError: if the model has no such head.
    """
    voxels = sample_voxels(scan.mask)
    _, decoded = predictor.run(scan, decoded_in=voxels)
    return decoded_error(predictor.model, scan, voxels, decoded)


@torch.inference_mode()
def decoded_error(model: DiffusionModel, scan: PreparedScan, voxels: np.ndarray, decoded: torch.Tensor | None) -> float:
    """:func:`reconstruction_error` from decoder features.

    Args:
        model: has a reconstruction head.
        scan: the scan.
        voxels: (V, 3) indices of voxels.
        decoded: (1, D, V, 1, 1) decoder features there.

    Raises:
        ValueError: if the model has no such head, or there are no decoder features.
    """
    if model.reconstruction is None or decoded is None:
        raise ValueError("a reconstruction head and decoder features are needed")
    projection = scan.projection()
    signal = np.asarray(scan.signal[tuple(voxels.T)], dtype=np.float32).T
    block = torch.from_numpy(np.ascontiguousarray(signal))[:, :, None, None]
    features = projection(block, torch.ones(block.shape[1:], dtype=torch.bool), scan.b0_median)
    device = next(model.parameters()).device
    shells, _ = model.reconstruction(decoded.to(device), features.conditions[..., 0].to(device))
    measured = unscaled_coefficients(features.shells)[0, :, :, :, 0, 0]
    difference = measured - unscaled_coefficients(shells.float().cpu())[0, :, :, :, 0, 0]
    noise = _noise(scan) / (scan.b0_median * features.b0[0, 0, :, 0, 0].exp())
    excess = []
    for index, fit in enumerate(projection.fits):
        fitted = coefficient_count(fit.order)
        of_b0 = measured[index, :fitted].square().sum(dim=0) / len(projection.b0_indices)
        of_noise = noise.square() * (float(np.square(fit.fit).sum()) + of_b0)
        excess.append(difference[index, :fitted].square().sum(dim=0) - of_noise)
    # Parseval: the mean square over the sphere is the power over 4 pi.
    return float((torch.stack(excess).mean(dim=0).median() / (4 * np.pi)).clamp(min=0).sqrt())


def _noise(scan: PreparedScan) -> float:
    """Standard deviation of the noise of one volume, in the unit of the signal.

    The noise among the features is the residual of a fit that leaves next to no residual with six or fifteen
    directions.
    """
    sigma = estimate_noise(Scan(scan.signal, scan.affine, scan.table, scan.mask)).sigma
    return float(np.median(scan.noise)) * scan.b0_median if sigma is None else sigma


def _properties(scan: PreparedScan) -> dict[str, list[float]]:
    shells = usable_shells(scan.table)
    return {
        "bvalue": [shell.bvalue for shell in shells],
        "directions": [float(count_directions(scan.table.directions[shell.indices])) for shell in shells],
        "shells": [float(len(shells))],
        "voxel_size": np.linalg.norm(scan.affine[:3, :3], axis=0).tolist(),
    }


def _interval(limits: Limits, name: str) -> tuple[float, float] | None:
    """Lowest and highest value seen; None where a file says nothing sensible."""
    value = limits.get(name)
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value):
        return float(value[0]), float(value[1])
    return None
