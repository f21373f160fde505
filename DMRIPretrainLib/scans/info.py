"""What a scan is, as a dictionary that can be printed or written as JSON."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from .checks import check_scan, count_directions, raise_errors
from .gradient_table import DEFAULT_B0_THRESHOLD
from .grid import axis_codes
from .load import read_scan
from .mask import choose_mask
from .noise import estimate_noise
from .nrrd_file import NRRD_SUFFIXES
from .scan import Scan


def scan_info(
    scan: Scan | Path,
    *,
    bval: Path | None = None,
    bvec: Path | None = None,
    mask: Path | None = None,
    b0_threshold: float = DEFAULT_B0_THRESHOLD,
) -> dict[str, Any]:
    """Describe a scan: geometry, gradient table, mask, noise and what is wrong with it.

    Args:
        scan: the scan, or the path of one (see ``load_scan`` for this and for the other arguments).
        bval: b-values of a NIfTI scan.
        bvec: b-vectors of a NIfTI scan.
        mask: brain mask.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.

    Returns:
        Plain values alone: lengths in mm, b-values in s/mm², volumes in ml, noise in units of the signal.

    Raises:
        UserError: if the scan cannot be read or has errors.
    """
    if not isinstance(scan, Scan):
        scan = read_scan(scan, bval=bval, bvec=bvec, b0_threshold=b0_threshold)
    findings = check_scan(scan)
    raise_errors(findings, scan.path)
    brain, source = choose_mask(scan, mask)
    gradients = scan.gradients
    return {
        "path": str(scan.path) if scan.path else None,
        "format": _format(scan.path),
        "shape": list(scan.signal.shape),
        "voxel_size": [round(float(size), 4) for size in scan.voxel_size],
        "axis_codes": axis_codes(scan.affine),
        "affine": scan.affine.tolist(),
        "table": gradients.describe(),
        "b0_count": int(gradients.is_b0.sum()),
        "shells": [
            {
                "bvalue": round(shell.bvalue, 1),
                "directions": len(shell.indices),
                "distinct_directions": count_directions(gradients.directions[shell.indices]),
            }
            for shell in gradients.shells()
        ],
        "mask": {"source": source, "volume_ml": round(_volume_ml(brain, scan.affine), 1)},
        "noise": asdict(estimate_noise(replace(scan, mask=brain))),
        "findings": [finding.to_json() for finding in findings],
    }


def _format(path: Path | None) -> str:
    if path is None:
        return "in memory"
    return "NRRD" if path.name.endswith(NRRD_SUFFIXES) else "NIfTI"


def _volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000.0)
