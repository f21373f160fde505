import nibabel as nib
import numpy as np
import pytest
from scipy.special import sph_harm_y

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.tasks import maps

AFFINE = np.array([[-2.0, 0.3, 0, 10], [0.2, 2.0, 0.1, -5], [0, 0, 2.5, 3], [0, 0, 0, 1]])


def test_peaks_are_nine_volumes_and_come_back(tmp_path):
    peaks = np.random.default_rng(0).standard_normal((3, 4, 5, 3, 3)).astype(np.float32)
    maps.save_peaks(tmp_path / maps.PEAKS, peaks, AFFINE)
    image = nib.load(tmp_path / maps.PEAKS)
    assert image.shape == (3, 4, 5, 9)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    np.testing.assert_array_equal(image.get_fdata()[1, 2, 3, 3:6], peaks[1, 2, 3, 1])
    loaded, affine = maps.load_peaks(tmp_path / maps.PEAKS)
    np.testing.assert_array_equal(loaded, peaks)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-5)


def test_absent_peaks_of_mrtrix_become_zero(tmp_path):
    values = np.full((2, 2, 2, 6), np.nan, dtype=np.float32)
    values[0, 0, 0, :3] = [0, 0.6, 0.8]
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "peaks.nii")
    peaks, _ = maps.load_peaks(tmp_path / "peaks.nii")
    assert peaks.shape == (2, 2, 2, 2, 3)
    assert np.count_nonzero(peaks) == 2


def test_labels_keep_large_values(tmp_path):
    labels = np.array([[[0, 3, 2035]]])
    maps.save_segmentation(tmp_path / "labels.nii.gz", labels, AFFINE)
    np.testing.assert_array_equal(maps.load_labels(tmp_path / "labels.nii.gz")[0], labels)
    maps.save_segmentation(tmp_path / "few.nii.gz", np.minimum(labels, 3), AFFINE)
    assert nib.load(tmp_path / "few.nii.gz").get_data_dtype() == np.uint8


@pytest.mark.parametrize(
    ("load", "values", "message"),
    [
        (maps.load_labels, np.full((2, 2, 2), 0.5), "whole-number"),
        (maps.load_labels, np.full((2, 2, 2), -1.0), "whole-number"),
        (maps.load_labels, np.zeros((2, 2, 2, 3)), "expected 3D"),
        (maps.load_peaks, np.zeros((2, 2, 2, 4)), "three volumes a peak"),
        (maps.load_peaks, np.zeros((2, 2, 2)), "expected 4D"),
        (maps.load_fod, np.zeros((2, 2, 2, 9)), "45"),
    ],
)
def test_wrong_maps_are_refused(tmp_path, load, values, message):
    path = tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(values.astype(np.float32), np.eye(4)), path)
    with pytest.raises(UserError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


def test_unreadable_maps_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        maps.load_labels(tmp_path / "absent.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(UserError, match="cannot be read"):
        maps.load_labels(tmp_path / "broken.nii.gz")
    damaged = tmp_path / "damaged.nii.gz"
    maps.save_segmentation(damaged, np.random.default_rng(0).integers(0, 9, (20, 20, 20)), AFFINE)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    damaged.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        maps.load_labels(damaged)


def test_fod_basis_is_that_of_mrtrix():
    """MRtrix3: sqrt(2) Im Y(l, |m|) for m < 0, Y(l, 0), sqrt(2) Re Y(l, m) for m > 0, with Condon-Shortley phase."""
    from DMRIPretrainLib.qspace.harmonics import evaluation_matrix

    direction = np.array([[0.36, 0.48, 0.8]])
    polar, azimuth = np.arccos(0.8), np.arctan2(0.48, 0.36)
    expected = []
    for degree in range(0, 9, 2):
        for m in range(-degree, degree + 1):
            # Both scipy and MRtrix (core/math/legendre.h) have the phase (-1)^m in the Legendre functions.
            value = sph_harm_y(degree, abs(m), polar, azimuth)
            expected.append(value.real if m == 0 else np.sqrt(2) * (value.imag if m < 0 else value.real))
    np.testing.assert_allclose(evaluation_matrix(direction, 8)[0], expected, atol=1e-10)
