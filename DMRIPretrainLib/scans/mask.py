"""The brain mask of a scan: given, found beside it, or computed."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import UserError
from .fsl import stem
from .maps import read_map
from .scan import Scan

#: Share of zero voxels in the mean b0 from which on a scan may be skull-stripped.
_MIN_ZERO_SHARE = 0.2

#: In a stripped scan few of the other voxels are dark; where only the corners of the image are zero, many are.
_MAX_DARK_SHARE = 0.1

#: Ratio of the weighted signal outside to that inside of the mask above which the outside is no air, but brain.
_MAX_AIR_SIGNAL = 0.6


def brain_mask(scan: Scan) -> np.ndarray:
    """Compute the brain mask from the mean b0.

    A skull-stripped scan shows its mask as its non-zero voxels. Otherwise DIPY's ``median_otsu`` finds it, with a
    median filter of 5 x 5 x 5 voxels applied twice (with DIPY's default of 9 x 9 x 9, four times, the mask loses
    10 to 25 % of brains of 2-3 mm voxels). Either way the largest component is kept and its holes are filled. A
    crop that shows no air is brain throughout.

    Args:
        scan: the scan; without b0 volumes the mean of all volumes is used.

    Returns:
        (X, Y, Z) bool array, True in the brain.

    Raises:
        UserError: if there is no signal at all.
    """
    is_b0 = scan.gradients.is_b0
    image = np.nan_to_num(scan.mean_b0() if is_b0.any() else _mean(scan, ~is_b0), posinf=0.0, neginf=0.0)
    positive = image > 0
    if not positive.any():
        raise UserError(f"{scan.path or 'scan'}: expected signal in the b0 volumes, found none; give another scan")
    if _is_skull_stripped(image[positive], float(np.mean(positive))):
        return _largest_component(positive)
    from dipy.segment.mask import median_otsu

    mask = np.asarray(median_otsu(image, median_radius=2, numpass=2)[1], dtype=bool)
    return _largest_component(mask) if _shows_air(scan, mask) else positive


def read_mask(path: Path, scan: Scan) -> np.ndarray:
    """Read a brain mask that lies on the grid of the scan.

    Returns:
        (X, Y, Z) bool array in the axis order of the scan: True where the file is above 0.5.

    Raises:
        UserError: if the file cannot be read, has another geometry (see ``read_map``) or is empty.
    """
    data = read_map(path, scan)
    if data.ndim > 3 and data.size == np.prod(scan.shape):
        data = data.reshape(scan.shape)
    if data.ndim != 3:
        raise UserError(f"{path}: expected a 3D mask, found {data.ndim} dimensions; give another file")
    mask = data > 0.5
    if not mask.any():
        raise UserError(f"{path}: expected a mask with voxels above 0.5, found none; give another file")
    return mask


def find_mask(image: Path) -> Path | None:
    """The mask that lies beside a scan, or None.

    For ``sub-1_desc-preproc_dwi.nii.gz`` the names ``sub-1_desc-preproc_dwi_mask``, ``sub-1_desc-preproc_mask``,
    ``sub-1_desc-brain_mask`` (BIDS derivatives), ``nodif_brain_mask`` (FSL, HCP) and ``mask`` are tried, with
    ``.nii.gz`` and ``.nii``.
    """
    own = stem(image)
    series = own.removesuffix("_dwi")
    subject = "_".join(part for part in series.split("_") if not part.startswith("desc-"))
    names = (f"{own}_mask", f"{series}_mask", f"{subject}_desc-brain_mask", "nodif_brain_mask", "mask")
    for name in names:
        for suffix in (".nii.gz", ".nii"):
            path = image.with_name(name + suffix)
            if path.is_file():
                return path
    return None


def choose_mask(scan: Scan, given: Path | None = None) -> tuple[np.ndarray, str]:
    """The mask to use for a scan, and where it comes from.

    Args:
        scan: the scan; a mask that it has already is kept if no other is given.
        given: file of a mask; by default the one beside the scan, else it is computed.

    Returns:
        (X, Y, Z) bool mask, and the path of its file, ``in memory`` or ``computed``.

    Raises:
        UserError: see ``read_mask`` and ``brain_mask``.
    """
    if given is None and scan.mask is not None:
        return scan.mask, "in memory"
    path = given or (find_mask(scan.path) if scan.path else None)
    if path is not None:
        return read_mask(path, scan), str(path)
    return brain_mask(scan), "computed"


def _is_skull_stripped(values: np.ndarray, share: float) -> bool:
    """Whether ``values``, the positive ones of the image and this share of it, are those of a bare brain."""
    dark = np.mean(values < 0.1 * np.percentile(values, 95))
    return 1.0 - share >= _MIN_ZERO_SHARE and bool(dark <= _MAX_DARK_SHARE)


def _shows_air(scan: Scan, mask: np.ndarray) -> bool:
    """Whether the voxels outside of the mask are air rather than darker tissue.

    Asked of the lowest shell: in a b0, tissue beside cerebrospinal fluid is as dark as air beside tissue.
    """
    if mask.all() or not mask.any():
        return False
    shells = scan.gradients.shells()
    image = _mean(scan, shells[0].indices) if shells else scan.mean_b0()
    return bool(np.median(image[~mask]) <= _MAX_AIR_SIGNAL * np.median(image[mask]))


def _mean(scan: Scan, volumes: np.ndarray) -> np.ndarray:
    """(X, Y, Z) mean of some volumes, given by indices or flags."""
    return np.asarray(np.mean(scan.signal[..., volumes], axis=-1, dtype=np.float32))


def _largest_component(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)
