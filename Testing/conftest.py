"""Fixtures for all tests: real scans where they are at hand, and a synthetic scan with known truth."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib import cli
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.scan import Scan

REPOSITORY = Path(__file__).resolve().parents[1]


class Told(NamedTuple):
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real scans; tests that need it are skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real scans are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_scan_path(shared_data: Path) -> Callable[[str], Path]:
    """``shared_scan_path("toshiba")``: path of the ``dwi.nii.gz`` of the scan whose folder name begins so."""

    def find(name: str) -> Path:
        (folder,) = shared_data.glob(f"{name}*")
        return folder / "dwi.nii.gz"

    return find


@pytest.fixture(scope="session")
def small_64d() -> tuple[Path, Path, Path]:
    """Paths of image, b-values and b-vectors of the small 64-direction scan inside the DIPY package."""
    from dipy.data import get_fnames

    image, bval, bvec = get_fnames(name="small_64D")
    return Path(image), Path(bval), Path(bvec)


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """``run_command("info", scan)``: the command line in this process."""

    def run(*arguments: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["dmri-pretrain", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Told(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def make_dwi() -> Callable[..., Scan]:
    """Factory of synthetic scans, see ``simulate_dwi``."""
    return simulate_dwi


@pytest.fixture
def save_dwi(tmp_path: Path) -> Callable[..., Path]:
    """``save_dwi(scan, "dwi.nii.gz")`` writes image, ``.bval`` and ``.bvec`` into ``tmp_path``; returns the image."""

    def save(scan: Scan, name: str = "dwi.nii.gz", folder: Path = tmp_path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(scan.signal, scan.affine), path)
        stem = path.name.removesuffix(".gz").removesuffix(".nii")
        np.savetxt(path.with_name(f"{stem}.bval"), scan.gradients.bvals[None], fmt="%g")
        np.savetxt(path.with_name(f"{stem}.bvec"), fsl_vectors(scan).T, fmt="%.8f")
        return path

    return save


def fsl_vectors(scan: Scan) -> np.ndarray:
    """(N, 3) b-vectors by the FSL rule, written apart from the library (affines without shear only)."""
    linear = scan.affine[:3, :3]
    vectors = scan.gradients.directions @ (linear / np.linalg.norm(linear, axis=0))
    if np.linalg.det(linear) > 0:
        vectors[:, 0] *= -1
    return vectors


def half_sphere(count: int) -> np.ndarray:
    """(count, 3) evenly spread unit vectors with z > 0 (Fibonacci spiral)."""
    z = (np.arange(count) + 0.5) / count
    angle = np.pi * (1 + 5**0.5) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def simulate_dwi(
    shape: tuple[int, int, int] = (12, 12, 12),
    *,
    bvalues: Sequence[float] = (1000.0,),
    directions: int = 30,
    b0s: int = 3,
    affine: np.ndarray | None = None,
    fibre: np.ndarray | Sequence[float] = (1.0, 0.0, 0.0),
    snr: float = np.inf,
    seed: int = 0,
) -> Scan:
    """A skull-stripped "brain" (an ellipsoid that fills the grid) of one diffusion tensor per voxel.

    Args:
        shape: grid in voxels.
        bvalues: one shell each, s/mm².
        directions: number of directions of every shell.
        b0s: number of b0 volumes, which come first.
        affine: (4, 4) to RAS mm; by default 2 mm voxels in RAS order.
        fibre: (3,) or (X, Y, Z, 3) unit fibre directions in the world frame.
        snr: of the b0 signal (1000 inside the brain); the noise is Rician.
        seed: of the noise.

    Returns:
        Float32 scan with its mask; diffusivities 1.7e-3 along and 0.3e-3 mm²/s across the fibre.
    """
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else np.asarray(affine, dtype=float)
    vectors = np.concatenate([np.zeros((b0s, 3))] + [half_sphere(directions)] * len(bvalues))
    bvals = np.concatenate([np.zeros(b0s), np.repeat(np.asarray(bvalues, dtype=float), directions)])
    cosine = np.asarray(fibre, dtype=float) @ vectors.T
    clean = 1000.0 * np.exp(-bvals * (0.3e-3 * np.linalg.norm(vectors, axis=1) + 1.4e-3 * cosine**2))

    offsets = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    mask = np.linalg.norm(offsets, axis=-1) <= 1.0
    generator = np.random.default_rng(seed)
    signal = np.broadcast_to(clean, (*shape, len(bvals)))
    if np.isfinite(snr):
        noise = generator.normal(scale=1000.0 / snr, size=(2, *signal.shape))
        signal = np.hypot(signal + noise[0], noise[1])
    signal = np.where(mask[..., None], signal, 0.0).astype(np.float32)
    return Scan(signal, affine, GradientTable(bvals, vectors), mask)
