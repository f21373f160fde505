"""Scans on disk whose truth is known: a slab of a simulated brain, or unlike voxels side by side."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import atomic_path, write_nifti
from ..scans.load import load_scan
from ..scans.scan import Scan
from .protocols import Protocol

BRAIN, VOXELS = "brain", "voxels"
SCAN, ASKED, TRUTH = "dwi.nii.gz", "asked.nii.gz", "truth.npz"
#: Brains of training, of the shipped model and of the other benchmarks have lower seeds.
FIRST_SEED = 100_000
_B0_COUNT = 6
_VOXEL_SIZE = 3.0
_WINDOW = 32
_WHITE_MATTER = 3


@dataclass(frozen=True)
class Size:
    """How large the test scans are.

    Attributes:
        brain: grid of the slab in voxels of 3 mm.
        voxels: how many single voxels are asked; they lie in a volume as large as a network's window.
    """

    brain: tuple[int, int, int] = (36, 40, 12)
    voxels: int = 1500


@dataclass(frozen=True)
class Truth:
    """What is known of the V voxels that are asked, in C order.

    Attributes:
        counts: (V,) number of fibre populations.
        peaks: (V, 3, 3) unit vector times share, world frame.
        scored: (V,) bool, where fibres are compared.
        tissue: (V,) 1 CSF, 2 GM, 3 WM; None where there is no tissue to tell.
    """

    counts: np.ndarray
    peaks: np.ndarray
    scored: np.ndarray
    tissue: np.ndarray | None


def make_known_scan(folder: Path, kind: str, protocol: Protocol, seed: int, size: Size) -> None:
    """Write a scan, its mask, where to ask, and the truth.

    ``brain`` is a slab of a simulated brain, scored in its white matter. ``voxels`` are those of
    ``dipy.sims.voxel.multi_tensor``, another simulator than that of training, scattered, scored where there are fibres.

    Args:
        folder: is made if need be.
        kind: ``brain`` or ``voxels``.
        protocol: how they are acquired.
        seed: of all that is random; equal seeds give equal brains and voxels under every protocol.
        size: of the scans.

    Raises:
        UserError: if the folder cannot be written to.
    """
    from ..simulation.export import save_scan

    scan, asked, truth = (_brain if kind == BRAIN else _voxels)(protocol, seed, size)
    save_scan(folder / SCAN, scan)
    write_nifti(folder / ASKED, asked.astype(np.uint8), scan.affine)
    with atomic_path(folder / TRUTH) as temporary:
        content = {name: value for name, value in vars(truth).items() if value is not None}
        np.savez_compressed(temporary, **content)


def read_question(folder: Path) -> tuple[Scan, np.ndarray]:
    """The scan and (X, Y, Z) bool where to ask."""
    import nibabel as nib

    scan = load_scan(folder / SCAN)
    return scan, np.asarray(nib.load(folder / ASKED).dataobj) > 0


def read_truth(folder: Path) -> Truth:
    """What :func:`make_known_scan` wrote."""
    with np.load(folder / TRUTH, allow_pickle=False) as file:
        return Truth(file["counts"], file["peaks"], file["scored"], file.get("tissue"))


def _brain(protocol: Protocol, seed: int, size: Size) -> tuple[Scan, np.ndarray, Truth]:
    from dataclasses import replace

    from ..simulation.microstructure import DEFAULT_MICROSTRUCTURE
    from ..simulation.phantom import simulate_brain
    from ..simulation.signal import simulate_signal
    from ..simulation.tables import make_gradient_table

    phantom = simulate_brain(size.brain, seed, voxel_size=_VOXEL_SIZE)
    table = make_gradient_table(protocol.shells, _B0_COUNT, seed)
    scan = simulate_signal(phantom, table, protocol.snr, seed, replace(DEFAULT_MICROSTRUCTURE, dispersion=0.08))
    mask = np.asarray(scan.mask)
    tissue = phantom.segmentation.numpy()[mask]
    counts, peaks = phantom.crossings.numpy()[mask].astype(int), phantom.peaks.numpy()[mask]
    return scan, mask, Truth(counts, peaks, tissue == _WHITE_MATTER, tissue)


def _voxels(protocol: Protocol, seed: int, size: Size) -> tuple[Scan, np.ndarray, Truth]:
    from ..simulation.tables import make_gradient_table
    from .voxels.simulated import other_voxels
    from .voxels.volume import arrange

    table = make_gradient_table(protocol.shells, _B0_COUNT, seed)
    voxels = other_voxels(table, size.voxels, seed)
    volume = arrange(voxels, protocol.snr, 1, _WINDOW, seed)
    # Each voxel is there once before any comes again.
    first = np.sort(np.ravel_multi_index(tuple(volume.places[: size.voxels].T), volume.scan.shape))
    asked = np.zeros(volume.scan.shape, dtype=bool)
    asked.flat[first] = True
    sources = np.zeros(volume.scan.shape, dtype=int)
    sources[tuple(volume.places.T)] = volume.sources
    truth = voxels.subset(sources[asked])
    return volume.scan, asked, Truth(truth.counts, truth.peaks, truth.counts > 0, None)
