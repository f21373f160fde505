"""Reading label maps, peak images and other maps that must lie on the grid of a scan."""

from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from ..errors import UserError
from .grid_difference import describe_difference
from .nifti import NIFTI_SUFFIXES, read_nifti_image
from .nrrd_file import NRRD_SUFFIXES, read_nrrd_image
from .scan import Scan

#: How far the corners of two grids may lie apart and still count as the same, in voxels.
MAX_CORNER_DISTANCE = 0.1


class GeometryError(UserError):
    """A map that does not lie on the grid of its scan."""


def read_map(path: Path, reference: Scan) -> np.ndarray:
    """Read an image that lies on the grid of a scan.

    An image that stores the same grid with other axis order or flips is brought to the axis order of the
    scan. Only voxels move: vectors in the world frame, such as peaks, stay right.

    Args:
        path: NIfTI or NRRD with three axes in space and any others.
        reference: the scan.

    Returns:
        (X, Y, Z, ...) array on the grid of the scan, in the type of the file, float32 where it scales values.

    Raises:
        UserError: if the file cannot be read.
        GeometryError: if a corner of its grid is more than 0.1 voxel (of the shortest edge) away from that of the
            scan; says in what they differ.
    """
    data, affine = _read_image(path)
    if data.ndim < 3:
        raise UserError(f"{path}: expected an image with three axes, found {data.ndim}; give another file")
    # Relative to the scan the axes are nearly permuted and flipped, however oblique both are.
    orientation = io_orientation(np.linalg.inv(reference.affine) @ affine)
    stored_shape, stored_affine = data.shape[:3], affine
    if not np.isnan(orientation).any():
        affine = affine @ inv_ornt_aff(orientation, data.shape[:3])
        data = apply_orientation(data, orientation)
        same = data.shape[:3] == reference.shape
        distance = _corner_distance(affine, reference.affine, reference.shape)
        if same and distance <= MAX_CORNER_DISTANCE * reference.voxel_size.min():
            return data
    difference = describe_difference(stored_shape, stored_affine, reference.shape, reference.affine)
    raise GeometryError(
        f"{path}: expected the geometry of the scan {reference.path or ''}, found {difference}; resample it to the scan"
    )


def _read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.name.endswith(NIFTI_SUFFIXES):
        return read_nifti_image(path)
    if path.name.endswith(NRRD_SUFFIXES):
        return read_nrrd_image(path)
    raise UserError(f"{path}: expected an image (.nii, .nii.gz, .nrrd, .nhdr); convert the file")


def _corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, int, int]) -> float:
    """Largest distance in mm between the same corner voxel of two grids."""
    corners = np.stack(np.meshgrid(*([0, size - 1] for size in shape), [1], indexing="ij"), axis=-1).reshape(-1, 4)
    return float(np.linalg.norm(corners @ (first - second).T, axis=1).max())
