"""World directions and positions after reading, for every axis orientation, oblique grids, NIfTI and NRRD.

The files are written here from a truth in the world frame, without the library.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.nifti import read_nifti_scan
from DMRIPretrainLib.scans.nrrd_file import read_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan

SHAPE = (3, 4, 5)
SIGNS_TO_RAS = {
    "left-posterior-superior": (-1, -1, 1),
    "LPS": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "RAS": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "LAS": (-1, 1, 1),
}


class Truth:
    """A scan whose signal tells where each voxel lies in the world."""

    def __init__(self, symmetry: np.ndarray, seed: int, *, oblique: bool = True) -> None:
        generator = np.random.default_rng(seed)
        rotation = Rotation.random(random_state=seed).as_matrix() if oblique else np.eye(3)
        self.affine = np.eye(4)
        self.affine[:3, :3] = rotation @ symmetry @ np.diag(generator.uniform(0.8, 3.0, 3))
        self.affine[:3, 3] = generator.uniform(-100, 100, 3)
        self.bvals = np.array([0.0, *[1000.0] * 6, *[2500.0] * 6])
        self.directions = generator.normal(size=(13, 3))
        self.directions /= np.linalg.norm(self.directions, axis=1, keepdims=True)
        self.directions[0] = 0
        voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
        self.world = voxels @ self.affine[:3, :3].T + self.affine[:3, 3]
        self.signal = (self.world @ [1.0, 20.0, 300.0])[..., None] + 1e5 * np.arange(13)

    def assert_same(self, scan: Scan) -> None:
        error = np.linalg.norm(scan.gradients.directions - self.directions, axis=1)
        assert np.rad2deg(error.max()) < 0.01
        np.testing.assert_allclose(scan.gradients.bvals, self.bvals, rtol=1e-4)
        np.testing.assert_allclose(scan.affine, self.affine, atol=1e-4)
        np.testing.assert_allclose(scan.signal, self.signal, atol=0.1)


def write_nifti(truth: Truth, path: Path) -> None:
    nib.save(nib.Nifti1Image(truth.signal, truth.affine), path)
    axes = truth.affine[:3, :3] / np.linalg.norm(truth.affine[:3, :3], axis=0)
    along_axes = truth.directions @ axes
    if np.linalg.det(axes) > 0:  # FSL: the first component is negated in neurological order
        along_axes[:, 0] *= -1
    np.savetxt(path.with_suffix(".bvec"), along_axes.T, fmt="%.6f")
    np.savetxt(path.with_suffix(".bval"), truth.bvals[None], fmt="%d")


def write_nrrd(truth: Truth, path: Path, space: str, list_axis: int, frame: np.ndarray | None) -> None:
    """Attached raw NRRD, its header written as text.

    ``frame`` (3, 3) maps measurement coordinates (columns) to the space of the file; the header lists its columns.
    """
    to_space = np.diag(SIGNS_TO_RAS[space]).astype(float)  # its own inverse
    vectors = truth.directions @ to_space @ (np.eye(3) if frame is None else np.linalg.inv(frame).T)
    vectors *= np.sqrt(truth.bvals / truth.bvals.max())[:, None]
    axes = [f"({','.join(f'{value:.12f}' for value in column)})" for column in (to_space @ truth.affine[:3, :3]).T]
    axes.insert(list_axis, "none")
    data = np.moveaxis(truth.signal, -1, list_axis)
    origin = ",".join(f"{value:.12f}" for value in to_space @ truth.affine[:3, 3])
    lines = ["NRRD0005", "type: double", "dimension: 4", f"space: {space}", "encoding: raw", "endian: little"]
    lines += [f"sizes: {' '.join(map(str, data.shape))}", f"space directions: {' '.join(axes)}"]
    lines += [f"space origin: ({origin})"]
    if frame is not None:
        lines += ["measurement frame: " + " ".join(f"({x:.12f},{y:.12f},{z:.12f})" for x, y, z in frame.T)]
    lines += ["modality:=DWMRI", f"DWMRI_b-value:={truth.bvals.max()}"]
    lines += [f"DWMRI_gradient_{index:04d}:={x:.9f}   {y:.9f} {z:.9f}" for index, (x, y, z) in enumerate(vectors)]
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + data.astype("<f8").tobytes(order="F"))


@pytest.mark.parametrize("index", range(48))
def test_nifti_agrees_with_world_truth(tmp_path: Path, index: int) -> None:
    for oblique in (False, True):
        truth = Truth(cube_symmetries()[index], seed=index, oblique=oblique)
        write_nifti(truth, tmp_path / "dwi.nii")
        truth.assert_same(read_nifti_scan(tmp_path / "dwi.nii"))


@pytest.mark.parametrize("index", range(48))
def test_nrrd_agrees_with_world_truth(tmp_path: Path, index: int) -> None:
    """Spaces, list axes and measurement frames (none, rotations, mirrored ones) change from case to case."""
    for turn, oblique in enumerate((False, True)):
        truth = Truth(cube_symmetries()[index], seed=index, oblique=oblique)
        frame = Rotation.random(random_state=1000 + index).as_matrix() * (-1 if index % 3 == 2 else 1)
        space = list(SIGNS_TO_RAS)[(index + turn) % 6]
        write_nrrd(truth, tmp_path / "dwi.nrrd", space, (index // 2) % 4, None if index % 3 == 0 else frame)
        truth.assert_same(read_nrrd_scan(tmp_path / "dwi.nrrd"))


def test_one_bvec_file_serves_an_image_and_its_mirror_copy(tmp_path: Path) -> None:
    """FSL's rule exists so that the first axis may be flipped in storage without touching the b-vectors."""
    truth = Truth(np.diag([-1.0, 1.0, 1.0]), seed=5)
    write_nifti(truth, tmp_path / "dwi.nii")
    image = nib.load(tmp_path / "dwi.nii")
    mirrored = image.slicer[::-1]
    assert np.linalg.det(mirrored.affine) * np.linalg.det(image.affine) < 0
    nib.save(mirrored, tmp_path / "mirrored.nii")
    scan = read_nifti_scan(tmp_path / "mirrored.nii", tmp_path / "dwi.bval", tmp_path / "dwi.bvec")
    np.testing.assert_allclose(scan.gradients.directions, truth.directions, atol=1e-4)


@pytest.mark.parametrize("handedness", [-1.0, 1.0])
def test_tensor_fitted_in_the_world_frame_points_along_the_fibre(make_dwi, save_dwi, handedness: float) -> None:
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    fibre = np.array([2.0, -1.0, 0.5]) / np.linalg.norm([2.0, -1.0, 0.5])
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() * [2 * handedness, 2.0, 3.0]
    scan = read_nifti_scan(save_dwi(make_dwi((4, 4, 4), affine=affine, fibre=fibre, b0s=1)))
    table = gradient_table(scan.gradients.bvals, bvecs=scan.gradients.directions, b0_threshold=100)
    direction = TensorModel(table).fit(scan.signal[2, 2, 2]).evecs[:, 0]
    assert np.rad2deg(np.arccos(min(1.0, abs(direction @ fibre)))) < 0.1
