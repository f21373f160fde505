"""Write a simulated scan and its truth to disk."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import write_json, write_nifti
from ..scans.fsl import write_fsl_gradients
from ..scans.scan import Scan
from ..tasks.maps import CROSSINGS, PEAKS, SEGMENTATION, save_crossings, save_peaks, save_segmentation
from .phantom import Phantom

if TYPE_CHECKING:
    from .artifacts.artifact import Artifact


def save_simulation(
    folder: Path, scan: Scan, phantom: Phantom, artifacts: "Mapping[str, Artifact] | None" = None
) -> Path:
    """Write ``dwi.nii.gz`` with its tables and mask, and the truth in ``truth/`` in the form of labels.

    Args:
        folder: is made if need be.
        scan: what was acquired of the phantom.
        phantom: the truth.
        artifacts: what corrupted the scan, by name; written to ``truth/artifacts.json``.

    Returns:
        The path of the scan.
    """
    path = folder / "dwi.nii.gz"
    write_nifti(path, scan.signal.astype(np.float32), scan.affine)
    write_fsl_gradients(folder / "dwi.bval", folder / "dwi.bvec", scan.gradients, scan.affine)
    write_nifti(folder / "dwi_mask.nii.gz", phantom.mask.astype(np.uint8), scan.affine)
    truth = folder / "truth"
    save_segmentation(truth / SEGMENTATION, phantom.segmentation, scan.affine)
    save_crossings(truth / CROSSINGS, phantom.crossings, scan.affine)
    save_peaks(truth / PEAKS, phantom.peaks, scan.affine)
    if artifacts:
        write_json(truth / "artifacts.json", {name: asdict(artifact) for name, artifact in artifacts.items()})
    else:
        (truth / "artifacts.json").unlink(missing_ok=True)  # of an earlier simulation
    return path
