import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import grid_to_world_rotation
from DMRIPretrainLib.training.cases import CaseFiles
from DMRIPretrainLib.training.loaded_case import hold_out_slab, load_case, read_label

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_rotvec([0.2, -0.15, 0.25]).as_matrix() @ np.diag([-2.0, 2.0, 2.5])
OBLIQUE[:3, 3] = [20, -15, -9]


@pytest.fixture
def scan(make_dwi):
    return make_dwi((8, 9, 10), affine=OBLIQUE, b0s=1, directions=6)


def write(path, data, affine=OBLIQUE):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), affine), path)
    return path


def test_labels_come_in_the_order_and_frame_of_the_prepared_scan(tmp_path, save_dwi, scan):
    """Labels in LAS storage order, directions in the world frame on disk, along the voxel axes in memory."""
    path = save_dwi(scan)
    rng = np.random.default_rng(0)
    classes = rng.integers(4, size=scan.shape)
    peaks = rng.normal(size=(*scan.shape, 3, 3))
    peaks *= np.array([0.9, 0.5, 0.2])[:, None] / np.linalg.norm(peaks, axis=-1, keepdims=True)
    files = CaseFiles(
        "case",
        path,
        labels={
            "segmentation": write(tmp_path / "seg.nii.gz", classes),
            "orientation": write(tmp_path / "peaks.nii.gz", peaks.reshape(*scan.shape, 9)),
        },
        mask=write(tmp_path / "brain.nii.gz", scan.mask),
    )
    case = load_case(files, ("segmentation", "orientation"))
    assert np.array_equal(case.region, scan.mask[::-1])  # the first axis points left on disk
    assert np.array_equal(case.labels["segmentation"], classes[::-1])
    world = case.labels["orientation"] @ grid_to_world_rotation(case.scan.affine).T
    np.testing.assert_allclose(world, peaks[::-1], atol=1e-5)
    # A grid direction times the axes of the voxels is the world direction.
    columns = case.scan.affine[:3, :3] / np.linalg.norm(case.scan.affine[:3, :3], axis=0)
    np.testing.assert_allclose(case.labels["orientation"] @ columns.T, peaks[::-1], atol=1e-5)


def test_labels_of_the_same_grid_in_another_order_are_turned(tmp_path, scan):
    classes = np.random.default_rng(1).integers(4, size=scan.shape)
    flipped = OBLIQUE.copy()
    flipped[:3, 3] += OBLIQUE[:3, 1] * 8
    flipped[:3, 1] *= -1
    path = write(tmp_path / "seg.nii.gz", classes[:, ::-1], flipped)
    assert np.array_equal(read_label(path, "segmentation", scan), classes)


def test_peaks_are_sorted_padded_and_freed_of_nan(tmp_path, scan):
    peaks = np.zeros((*scan.shape, 2, 3))
    peaks[..., 0, :] = [0.0, 0.3, 0.0]
    peaks[..., 1, :] = [0.5, 0.0, 0.0]
    peaks[0] = np.nan  # as MRtrix writes where there is no peak
    label = read_label(write(tmp_path / "peaks.nii.gz", peaks.reshape(*scan.shape, 6)), "orientation", scan)
    assert label.shape == (*scan.shape, 3, 3)
    assert np.all(label[0] == 0)
    np.testing.assert_allclose(label[1:, ..., 0, :], np.broadcast_to([0.5, 0, 0], (7, 9, 10, 3)))
    np.testing.assert_allclose(label[1:, ..., 1, :], np.broadcast_to([0, 0.3, 0], (7, 9, 10, 3)), rtol=1e-6)
    assert np.all(label[..., 2, :] == 0)


@pytest.mark.parametrize(
    ("task", "shape", "value", "message"),
    [
        ("segmentation", (8, 9, 10), 1.5, "whole numbers"),
        ("segmentation", (8, 9, 10), -1, "whole numbers"),
        ("segmentation", (8, 9, 10, 2), 1, "3D map"),
        ("segmentation", (8, 9, 10), np.nan, "whole numbers"),
        ("crossings", (8, 9, 10), 17, "numbers of fibres"),
        ("orientation", (8, 9, 10), 1, "3, 6 or 9 volumes"),
        ("orientation", (8, 9, 10, 45), 1, "3, 6 or 9 volumes"),
        ("segmentation", (8, 9, 11), 1, "geometry of the scan"),
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path, scan, task, shape, value, message):
    path = write(tmp_path / "label.nii.gz", np.full(shape, value))
    with pytest.raises(UserError, match=message) as caught:
        read_label(path, task, scan)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_map_of_another_place_is_refused(tmp_path, scan):
    moved = OBLIQUE.copy()
    moved[0, 3] += 3
    with pytest.raises(UserError, match="mm away"):
        read_label(write(tmp_path / "label.nii.gz", np.zeros(scan.shape), moved), "segmentation", scan)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_slab_is_a_coronal_share_of_the_brain(make_dwi, share):
    mask = make_dwi((24, 30, 20), directions=6).mask
    slab = hold_out_slab(mask, share)
    assert not np.any(slab & ~mask)
    assert np.sum(slab) / np.sum(mask) == pytest.approx(share, abs=0.06)
    slices = np.flatnonzero(slab.any(axis=(0, 2)))
    assert np.array_equal(slices, np.arange(slices[0], slices[-1] + 1))
    assert np.array_equal(slab[:, slices], mask[:, slices])
    assert abs(slices.mean() - 14.5) < 2


def test_slab_of_a_thin_mask_is_not_empty():
    mask = np.zeros((4, 5, 4), dtype=bool)
    mask[:, 2] = True
    assert hold_out_slab(mask).any()
