"""Result maps on disk: labels, predictions and truth are written and read here, all alike.

Every map is a NIfTI with the voxel order and affine of its scan. Directions are in the world frame and
fODFs in the basis of MRtrix3, so that ``mrview`` opens peaks and fODFs as they are
(https://mrtrix.readthedocs.io/en/latest/concepts/spherical_harmonics.html).
"""

import colorsys
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import write_nifti

SEGMENTATION = "segmentation.nii.gz"
CROSSINGS = "crossings.nii.gz"
PEAKS = "peaks.nii.gz"
FOD = "fod.nii.gz"
SEGMENTATION_PROBABILITIES = "segmentation_probabilities.nii.gz"
CROSSINGS_PROBABILITIES = "crossings_probabilities.nii.gz"
SEGMENTATION_UNCERTAINTY = "segmentation_uncertainty.nii.gz"
CROSSINGS_UNCERTAINTY = "crossings_uncertainty.nii.gz"
ORIENTATION_UNCERTAINTY = "orientation_uncertainty.nii.gz"
#: Numbers beside the maps of a prediction, see ``inference.predict``.
REPORT = "report.json"

Colour = tuple[int, int, int]

#: Names of the tissue labels, by value.
TISSUES: tuple[str, ...] = ("background", "CSF", "GM", "WM")
#: Colours of the tissue labels, told apart by colour-blind readers too (Okabe and Ito 2008).
TISSUE_COLOURS: tuple[Colour, ...] = ((0, 0, 0), (0, 114, 178), (213, 94, 0), (240, 228, 66))
#: Names of the numbers of fibre populations, by value.
CROSSING_LABELS: tuple[str, ...] = ("none", "one", "two", "three")
#: Colours of the numbers of fibre populations, from the ordered map viridis.
CROSSING_COLOURS: tuple[Colour, ...] = ((0, 0, 0), (72, 62, 142), (34, 168, 132), (253, 231, 37))


def distinct_colours(count: int) -> list[Colour]:
    """Colours for labels without any of their own: golden-ratio steps around the wheel keep neighbours apart."""
    wheel = (colorsys.hsv_to_rgb(0.618034 * index % 1, 0.75, 0.95) for index in range(1, count + 1))
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]


def save_segmentation(path: Path, segmentation: np.ndarray, affine: np.ndarray) -> None:
    """Write (X, Y, Z) labels; 0 is background."""
    write_nifti(path, _smallest_integers(segmentation), affine)


def save_crossings(path: Path, crossings: np.ndarray, affine: np.ndarray) -> None:
    """Write the (X, Y, Z) number of fibre populations, 0 to 3."""
    write_nifti(path, crossings.astype(np.uint8), affine)


def save_peaks(path: Path, peaks: np.ndarray, affine: np.ndarray) -> None:
    """Write (X, Y, Z, K, 3) peaks, unit vector times amplitude in the world frame, as 3 K volumes x1 y1 z1 x2 ..."""
    write_nifti(path, peaks.reshape(*peaks.shape[:3], -1).astype(np.float32), affine)


def save_fod(path: Path, coefficients: np.ndarray, affine: np.ndarray) -> None:
    """Write (X, Y, Z, K) fODF coefficients in the world frame and the library's basis, which is that of MRtrix3."""
    write_nifti(path, coefficients.astype(np.float32, copy=False), affine)


def save_probabilities(path: Path, probabilities: np.ndarray, affine: np.ndarray) -> None:
    """Write (X, Y, Z, C) probabilities of the classes 0 to C - 1."""
    write_nifti(path, probabilities.astype(np.float32, copy=False), affine)


def load_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z) int64 labels of a segmentation or crossings map, and its (4, 4) affine.

    Raises:
        UserError: if the file cannot be read, is not 3D, or holds something else than whole numbers from 0 on.
    """
    values, affine = _load(path, dimensions=3)
    labels = np.rint(values).astype(np.int64)
    if not np.allclose(labels, values, atol=1e-3) or labels.min(initial=0) < 0:
        raise UserError(f"{path}: expected whole-number labels from 0 on, found other values; save it as a label map")
    return labels, affine


def load_peaks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, K, 3) float32 peaks in the world frame and the (4, 4) affine; NaN, as MRtrix writes, becomes zero.

    Raises:
        UserError: if the file cannot be read or its number of volumes is not a multiple of three.
    """
    values, affine = _load(path, dimensions=4)
    if values.shape[3] % 3:
        raise UserError(f"{path}: expected three volumes a peak, found {values.shape[3]} volumes; give a peaks image")
    return np.nan_to_num(values).reshape(*values.shape[:3], -1, 3), affine


def load_fod(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, K) float32 fODF coefficients in the world frame and the (4, 4) affine.

    Raises:
        UserError: if the file cannot be read or its number of volumes is not that of an even order.
    """
    values, affine = _load(path, dimensions=4)
    if values.shape[3] not in {(order + 1) * (order + 2) // 2 for order in range(0, 21, 2)}:
        raise UserError(f"{path}: expected 1, 6, 15, 28, 45, ... volumes, found {values.shape[3]}; give an fODF image")
    return np.nan_to_num(values), affine


def load_probabilities(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, C) float32 probabilities and the (4, 4) affine.

    Raises:
        UserError: if the file cannot be read or is not 4D.
    """
    return _load(path, dimensions=4)


def load_scalars(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z) float32 values of a map of uncertainty, and the (4, 4) affine; NaN becomes zero.

    Raises:
        UserError: if the file cannot be read or is not 3D.
    """
    values, affine = _load(path, dimensions=3)
    return np.nan_to_num(values), affine


def _load(path: Path, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    from ..scans.nifti import read_nifti_image

    values, affine = read_nifti_image(path)
    if values.ndim != dimensions:
        raise UserError(f"{path}: expected {dimensions}D, found the shape {values.shape}; choose another file")
    return np.asarray(values, dtype=np.float32), affine


def _smallest_integers(labels: np.ndarray) -> np.ndarray:
    return labels.astype(np.uint8 if labels.max(initial=0) <= 255 else np.int32)
