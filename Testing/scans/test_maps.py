from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.maps import read_map
from DMRIPretrainLib.scans.scan import Scan

SHAPE = (4, 5, 6)


def oblique_affine(angles: tuple[float, float, float] = (10, 20, 30)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * [-2.0, 2.0, 3.0]
    affine[:3, 3] = [5, -6, 7]
    return affine


@pytest.fixture(params=[(10, 20, 30), (45, 0, 0), (0, 0, 45)], ids=str)
def scan(make_dwi, request: pytest.FixtureRequest) -> Scan:
    """At 45 degrees the nearest axis codes are a toss-up, which must not matter."""
    return make_dwi(SHAPE, affine=oblique_affine(request.param))


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def test_map_of_the_same_grid_comes_unchanged(tmp_path: Path, scan: Scan) -> None:
    labels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    data = read_map(save(tmp_path / "map.nii.gz", labels, scan.affine), scan)
    assert data.dtype == np.int16
    np.testing.assert_array_equal(data, labels)


@pytest.mark.parametrize("index", range(48))
def test_every_storage_order_of_the_same_grid_is_brought_back(tmp_path: Path, scan: Scan, index: int) -> None:
    """Peaks (9 values a voxel) whose values are vectors in the world frame: only voxels move."""
    peaks = np.random.default_rng(index).normal(size=(*SHAPE, 9)).astype(np.float32)
    symmetry = cube_symmetries()[index]
    orientation = np.array([[int(np.flatnonzero(column)[0]), column.sum()] for column in symmetry.T])
    stored = apply_orientation(peaks, orientation)
    affine = scan.affine @ inv_ornt_aff(orientation, SHAPE)
    np.testing.assert_array_equal(read_map(save(tmp_path / "peaks.nii", stored, affine), scan), peaks)


def test_nrrd_label_map_in_lps(tmp_path: Path, scan: Scan) -> None:
    labels = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE)
    to_lps = np.diag([-1, -1, 1])
    header = {
        "space": "LPS",
        "space directions": (to_lps @ scan.affine[:3, :3]).T,
        "space origin": to_lps @ scan.affine[:3, 3],
    }
    nrrd.write(str(tmp_path / "labels.nrrd"), labels, header)
    np.testing.assert_array_equal(read_map(tmp_path / "labels.nrrd", scan), labels)


def test_rounding_of_the_affine_is_tolerated(tmp_path: Path, scan: Scan) -> None:
    affine = scan.affine.copy()
    affine[:3, 3] += 0.05
    assert read_map(save(tmp_path / "map.nii", np.zeros(SHAPE, np.uint8), affine), scan).shape == SHAPE


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        ((4, 5, 7), np.eye(4)),
        ((5, 4, 6), np.eye(4)),
        (SHAPE, np.array([[1, 0, 0, 1.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
        (SHAPE, np.diag([1.05, 1, 1, 1])),
        (SHAPE, np.diag([-1.0, 1, 1, 1])),  # mirrored about voxel 0, not stored the other way round
    ],
    ids=["size", "axes", "shift", "zoom", "mirror"],
)
def test_other_geometry_is_refused(tmp_path: Path, scan: Scan, shape: tuple[int, ...], change: np.ndarray) -> None:
    path = save(tmp_path / "map.nii.gz", np.zeros(shape, np.uint8), scan.affine @ change)
    with pytest.raises(UserError, match=r"map\.nii\.gz: expected the geometry of the scan"):
        read_map(path, scan)


def test_other_kinds_of_files_are_refused(tmp_path: Path, scan: Scan) -> None:
    with pytest.raises(UserError, match=r"labels\.png"):
        read_map(tmp_path / "labels.png", scan)
    with pytest.raises(UserError, match=r"flat\.nii.*three axes"):
        read_map(save(tmp_path / "flat.nii", np.zeros((4, 5), np.uint8), scan.affine), scan)
