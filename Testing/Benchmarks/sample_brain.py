"""Make the sample that comes with the module: a simulated brain with two shells, and its tissue.

``python Testing/Benchmarks/sample_brain.py`` writes both to where the module looks for them. Small numbers keep the
files small: the noise of a scan cannot be compressed.
"""

import argparse
from pathlib import Path

import nrrd
import numpy as np

from DMRIPretrainLib.scans.nrrd_file import write_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.phantom import Phantom, shape_around_brain, simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table

FOLDER = Path(__file__).resolve().parents[2] / "DMRIPretrain" / "Resources" / "SampleData"
VOXEL_SIZE = 3.0
SHELLS = ((1000.0, 12), (2000.0, 20))
SNR = 20.0
#: Of the mean b0 in white matter.
_WHITE_MATTER = 150


def make_brain(seed: int) -> tuple[Scan, Phantom]:
    """A scan of int16 whose background is zero, and the phantom that it is of."""
    phantom = simulate_brain(shape_around_brain(VOXEL_SIZE), seed=seed, voxel_size=VOXEL_SIZE)
    scan = simulate_signal(phantom, make_gradient_table(SHELLS, 2, seed=seed), snr=SNR, seed=seed)
    white = phantom.segmentation.cpu().numpy() == 3
    scale = _WHITE_MATTER / scan.signal[white][:, 0].mean()
    signal = np.round(scan.signal * scale * scan.mask[..., None]).astype(np.int16)
    return Scan(signal, scan.affine, scan.gradients), phantom


def write_label_map(path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """Write (X, Y, Z) labels as NRRD; the affine is RAS, the file LPS as those of Slicer."""
    to_lps = np.diag([-1.0, -1.0, 1.0])
    header = {
        "space": "left-posterior-superior",
        "space directions": (to_lps @ affine[:3, :3]).T,
        "space origin": to_lps @ affine[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
    }
    nrrd.write(str(path), labels.astype(np.uint8), header)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the brain")
    options = parser.parse_args()
    scan, phantom = make_brain(options.seed)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_nrrd_scan(FOLDER / "brain.nrrd", scan)
    write_label_map(FOLDER / "brain_tissue.nrrd", phantom.segmentation.cpu().numpy(), scan.affine)


if __name__ == "__main__":
    main()
