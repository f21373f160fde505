"""Write a simulated scan and its truth to disk."""

from pathlib import Path

import numpy as np

from ..files import write_nifti
from ..scans.fsl import write_fsl_gradients
from ..scans.scan import Scan
from ..tasks.maps import CROSSINGS, PEAKS, SEGMENTATION, save_crossings, save_peaks, save_segmentation
from .phantom import Phantom


def save_simulation(folder: Path, scan: Scan, phantom: Phantom) -> Path:
    """Write ``dwi.nii.gz`` with its tables and mask, and the truth in ``truth/`` in the form of labels.

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
    return path
