"""Reading diffusion scans, label maps and masks from NIfTI files."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from ..errors import UserError
from .checks import check_count, check_dimensions, raise_errors
from .fsl import find_side_file, read_fsl_gradients
from .gradient_table import DEFAULT_B0_THRESHOLD
from .scan import Scan

NIFTI_SUFFIXES = (".nii", ".nii.gz")
#: Bytes that are unpacked at once.
_PIECE = 1 << 24


def read_nifti_scan(
    path: Path, bval: Path | None = None, bvec: Path | None = None, b0_threshold: float = DEFAULT_B0_THRESHOLD
) -> Scan:
    """Read a diffusion scan from NIfTI with FSL gradient files.

    The affine is the sform, else the qform. The signal is memory-mapped if the file is neither
    compressed nor scaled; else it is float32.

    Args:
        path: ``.nii`` or ``.nii.gz`` with 4 dimensions.
        bval: file of the b-values; by default found by the name of the image.
        bvec: file of the b-vectors, likewise.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.

    Returns:
        The scan without a mask.

    Raises:
        UserError: if a file is missing, damaged or not what it should be, or the counts differ.
    """
    image = open_nifti(path)
    raise_errors(check_dimensions(image.shape), path)
    bval, bvec = bval or find_side_file(path, "bval"), bvec or find_side_file(path, "bvec")
    gradients = read_fsl_gradients(bval, bvec, image.affine, b0_threshold)
    raise_errors(check_count(image.shape[3], len(gradients)), path)
    signal = _read_data(image, path)
    if not isinstance(signal, np.memmap):
        signal = np.asarray(signal, dtype=np.float32)
    return Scan(signal, image.affine, gradients, path=path)


def read_nifti_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read any NIfTI image.

    Returns:
        (X, Y, Z, ...) array in the type of the file, float32 where the file scales its values, and the
        (4, 4) affine from voxel indices to RAS mm.

    Raises:
        UserError: if the file is missing, damaged or not an image.
    """
    image = open_nifti(path)
    return _read_data(image, path), image.affine


def open_nifti(path: Path) -> Any:
    """Open a NIfTI file and read its header alone.

    Returns:
        The nibabel image.

    Raises:
        UserError: if the file is missing, has no readable header, or its affine is singular.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    try:
        image: Any = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{path}: expected a NIfTI image, the header cannot be read ({error}); copy or convert the file again"
        ) from error
    if image.get_data_dtype().kind not in "iuf":
        raise UserError(f"{path}: expected real numbers, found {image.get_data_dtype()}; convert the image")
    if not np.all(np.isfinite(image.affine)) or abs(np.linalg.det(image.affine[:3, :3])) < 1e-12:
        raise UserError(f"{path}: expected an affine that can be inverted, found a singular one; repair the header")
    return image


def _read_data(image: Any, path: Path) -> np.ndarray:
    try:
        return _read_compressed(image, path) if path.name.endswith(".gz") else _read_values(image)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{path}: the file is truncated or damaged ({error}); copy, download or convert it again"
        ) from error


def _read_compressed(image: Any, path: Path) -> np.ndarray:
    with _GzipFile(path) as stream:
        data = _read_values(type(image).from_stream(stream))
        while stream.read(1 << 20):  # to the end, where gzip checks the sum of what was read
            pass
    return data


class _GzipFile(gzip.GzipFile):
    """Fills a buffer piece by piece; Python's own reads all of it beside the buffer first, which doubles the memory."""

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes; the number of bytes."""
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view):
            piece = self.read(min(_PIECE, len(view) - done))
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done


def _read_values(image: Any) -> np.ndarray:
    if (image.dataobj.slope, image.dataobj.inter) == (1.0, 0.0):
        return np.asanyarray(image.dataobj.get_unscaled())
    return image.get_fdata(dtype=np.float32, caching="unchanged")
