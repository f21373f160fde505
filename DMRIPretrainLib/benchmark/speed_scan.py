"""Scans of any size to measure time and memory with; what is in them matters little."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..files import atomic_path, write_nifti
from ..scans.fsl import write_fsl_gradients

#: Grid of the brain that is enlarged.
_SMALL = 48
_SNR = 20.0
_HEAD = 180.0


def make_speed_scan(
    folder: Path, shape: tuple[int, int, int], shells: tuple[tuple[int, int], ...], b0s: int, seed: int = 0
) -> int:
    """Write a simulated brain, enlarged to a shape voxel by voxel, with noise, as ``dwi.nii.gz``.

    One volume at a time is made, so that a large scan takes no more memory than one volume.

    Args:
        folder: where to.
        shape: of the grid.
        shells: (b-value in s/mm², number of directions) of each.
        b0s: volumes without diffusion weighting.
        seed: of the noise.

    Returns:
        Voxels of the mask.
    """
    from ..simulation.phantom import simulate_brain
    from ..simulation.signal import simulate_signal
    from ..simulation.tables import make_gradient_table

    phantom = simulate_brain((_SMALL,) * 3, seed=0, voxel_size=_HEAD / _SMALL)
    table = make_gradient_table(shells, b0s, seed)
    small = simulate_signal(phantom, table, None)
    # The middle of the brain where the grid is too flat for all of it.
    size = _HEAD / max(shape)
    where = np.ix_(*(_places(count, size) for count in shape))
    affine = np.diag([size, size, size, 1.0])
    mask = np.asarray(small.mask)[where]
    rng, level = np.random.default_rng(seed), 1000.0 / float(small.mean_b0()[small.mask].mean())
    with atomic_path(folder / "dwi.nii.gz") as temporary:
        _write_volumes(temporary, affine, (*shape, len(table)), _noisy(small.signal, where, level, rng))
    write_fsl_gradients(folder / "dwi.bval", folder / "dwi.bvec", table, affine)
    write_nifti(folder / "dwi_mask.nii.gz", mask.astype(np.uint8), affine)
    return int(mask.sum())


def _places(count: int, size: float) -> np.ndarray:
    """Voxels of the small brain along an axis of ``count`` voxels of ``size`` mm around its middle."""
    middle = (np.arange(count) - (count - 1) / 2) * size * _SMALL / _HEAD
    return np.clip(np.rint(middle + (_SMALL - 1) / 2), 0, _SMALL - 1).astype(int)


def _noisy(
    signal: np.ndarray, where: tuple[np.ndarray, ...], level: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Volume by volume: Rician noise, rounded as scanners do."""
    for volume in range(signal.shape[3]):
        clean = level * signal[..., volume][where]
        noise = rng.standard_normal((2, *clean.shape), dtype=np.float32) * np.float32(1000.0 / _SNR)
        yield np.rint(np.hypot(clean + noise[0], noise[1])).astype(np.float32)


def _write_volumes(path: Path, affine: np.ndarray, shape: tuple[int, ...], volumes: Iterable[np.ndarray]) -> None:
    """A compressed NIfTI image, written volume by volume."""
    import gzip

    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    header.set_xyzt_units("mm")
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for volume in volumes:
            file.write(volume.tobytes(order="F"))
