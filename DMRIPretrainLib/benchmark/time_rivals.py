"""Time and memory of others for peaks of a scan: ``python -m DMRIPretrainLib.benchmark.time_rivals dipy FOLDER``.

``dipy``: reading, response, a CSD fit of order 8 and ``peaks_from_model``; nothing is written. ``mrtrix``:
``dwi2response tournier``, ``dwi2fod csd`` and ``sh2peaks``. Prints a JSON object: ``memory`` in bytes, or what is
``missing``.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from .own_process import peak_memory

RIVALS = {"dipy": "CSD peaks (DIPY)", "mrtrix": "CSD peaks (MRtrix3)"}


def main() -> None:
    """Do the work and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rival", choices=RIVALS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.rival == "mrtrix" and not shutil.which("dwi2fod"):
        json.dump({"missing": "needs MRtrix3, which is not installed"}, sys.stdout)
        return
    (_mrtrix if options.rival == "mrtrix" else _dipy)(options.folder, options.threads)
    json.dump({"memory": peak_memory()}, sys.stdout)


def _mrtrix(folder: Path, threads: int) -> None:
    gradients = ("-fslgrad", "dwi.bvec", "dwi.bval", "-mask", "dwi_mask.nii.gz")
    options = ("-nthreads", str(threads), "-force", "-quiet")
    for command in (
        ("dwi2response", "tournier", "dwi.nii.gz", "response.txt", *gradients, "-scratch", "."),
        ("dwi2fod", "csd", "dwi.nii.gz", "response.txt", "fod.nii.gz", *gradients),
        ("sh2peaks", "fod.nii.gz", "peaks.nii.gz", "-mask", "dwi_mask.nii.gz"),
    ):
        subprocess.run([*command, *options], cwd=folder, check=True, capture_output=True)


def _dipy(folder: Path, processes: int) -> None:
    import numpy as np
    from dipy.core.gradients import gradient_table
    from dipy.data import get_sphere
    from dipy.direction import peaks_from_model
    from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel, auto_response_ssst

    from ..scans.load import load_scan

    scan = load_scan(folder / "dwi.nii.gz")
    table = gradient_table(scan.gradients.bvals, bvecs=scan.gradients.directions)
    data = np.asarray(scan.signal)
    response, _ = auto_response_ssst(table, data, roi_radii=10, fa_thr=0.6)
    peaks_from_model(
        ConstrainedSphericalDeconvModel(table, response, sh_order_max=8),
        data,
        get_sphere(name="repulsion724"),
        relative_peak_threshold=0.25,
        min_separation_angle=25,
        mask=scan.mask,
        npeaks=3,
        parallel=processes > 1,
        num_processes=processes,
    )


if __name__ == "__main__":
    main()
