from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.nifti import read_nifti_image, read_nifti_scan


def test_plain_nifti_is_memory_mapped(make_dwi, save_dwi) -> None:
    scan = make_dwi()
    read = read_nifti_scan(save_dwi(scan, "dwi.nii"))
    assert isinstance(read.signal, np.memmap)
    np.testing.assert_array_equal(read.signal, scan.signal)


def test_compressed_nifti_is_read_as_float32(make_dwi, save_dwi) -> None:
    scan = make_dwi()
    read = read_nifti_scan(save_dwi(scan, "dwi.nii.gz"))
    assert read.signal.dtype == np.float32
    np.testing.assert_array_equal(read.signal, scan.signal)


@pytest.mark.parametrize("name", ["dwi.nii", "dwi.nii.gz"])
def test_scaled_integers_come_out_in_true_units(make_dwi, save_dwi, name: str) -> None:
    path = save_dwi(make_dwi(), name)
    image = nib.Nifti1Image(np.arange(12 * 12 * 12 * 33, dtype=np.int16).reshape(12, 12, 12, 33), np.eye(4))
    stored = image.get_fdata().copy()
    image.header.set_slope_inter(0.5, 10.0)
    # Scale as nibabel would, but with factors that are known.
    image = nib.Nifti1Image(stored * 0.5 + 10.0, np.eye(4), image.header)
    image.header.set_data_dtype(np.int16)
    nib.save(image, path)
    assert nib.load(path).dataobj.slope != 1.0
    signal = read_nifti_scan(path).signal
    assert signal.dtype == np.float32
    assert not isinstance(signal, np.memmap)
    np.testing.assert_allclose(signal, stored * 0.5 + 10.0, atol=0.3)


def test_sform_is_preferred_over_qform(make_dwi, save_dwi) -> None:
    path = save_dwi(make_dwi(), "dwi.nii")
    image = nib.load(path)
    sform = np.diag([3.0, 3.0, 3.0, 1.0])
    image.set_sform(sform, code=1)
    image.set_qform(np.diag([-2.0, 2.0, 2.0, 1.0]), code=1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path.with_name("both.nii"))
    scan = read_nifti_scan(path.with_name("both.nii"), path.with_suffix(".bval"), path.with_suffix(".bvec"))
    np.testing.assert_array_equal(scan.affine, sform)


def test_small_64d_scan_of_dipy(small_64d: tuple[Path, Path, Path]) -> None:
    scan = read_nifti_scan(*small_64d)
    assert scan.signal.shape == (10, 10, 10, 65)
    assert scan.gradients.describe() == "1 b0 + 64 x 994"
    np.testing.assert_allclose(np.linalg.norm(scan.gradients.directions, axis=1), [0] + [1] * 64)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("toshiba", "5 b0 + 60 x 1500"),
        ("prisma", "1 b0 + 20 x 2500"),
        ("elition", "5 b0 + 12 x 1000"),
    ],
)
def test_real_scans(shared_scan_path, name: str, table: str) -> None:
    path = shared_scan_path(name)
    scan = read_nifti_scan(path)
    image = nib.load(path)
    assert scan.gradients.describe() == table
    np.testing.assert_array_equal(scan.affine, image.affine)
    np.testing.assert_array_equal(scan.signal[..., -1], np.asarray(image.dataobj)[..., -1])


def test_label_image_keeps_its_integers(tmp_path: Path) -> None:
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "labels.nii.gz")
    data, _ = read_nifti_image(tmp_path / "labels.nii.gz")
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data, labels)


def test_complex_image_is_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), dtype=np.complex64), np.eye(4)), tmp_path / "phase.nii")
    with pytest.raises(UserError, match=r"phase\.nii.*complex"):
        read_nifti_image(tmp_path / "phase.nii")


def test_singular_affine_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), dtype=np.float32), None)
    image.header.set_sform(np.diag([2.0, 2.0, 0.0, 1.0]), code=1)
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), dtype=np.float32), None, image.header), tmp_path / "flat.nii")
    with pytest.raises(UserError, match=r"flat\.nii.*singular"):
        read_nifti_image(tmp_path / "flat.nii")


def test_reading_a_compressed_image_takes_little_more_memory_than_its_values(tmp_path):
    import subprocess
    import sys

    path, shape = tmp_path / "dwi.nii.gz", (80, 80, 80, 60)
    values = np.zeros(shape, dtype=np.float32)
    values[..., 7] = 7
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    program = (
        "import sys; from pathlib import Path; from DMRIPretrainLib.scans.nifti import open_nifti, _read_data\n"
        "from DMRIPretrainLib.benchmark.own_process import peak_memory\n"
        "path = Path(sys.argv[1]); before = peak_memory(); data = _read_data(open_nifti(path), path)\n"
        "assert data[3, 4, 5].tolist() == [7.0 * (v == 7) for v in range(60)]; print(peak_memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert values.nbytes <= int(done.stdout) + 1e7
    assert int(done.stdout) < 1.5 * values.nbytes
