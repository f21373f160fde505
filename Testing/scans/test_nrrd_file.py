from pathlib import Path

import nrrd
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.nifti import read_nifti_scan
from DMRIPretrainLib.scans.nrrd_file import is_diffusion_nrrd, read_nrrd_image, read_nrrd_scan, write_nrrd_scan
from DMRIPretrainLib.scans.scan import Scan

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [10, 20, -30], degrees=True).as_matrix() * [-2.0, 2.5, 3.0]
OBLIQUE[:3, 3] = [10, -20, 30]


@pytest.fixture
def scan(make_dwi) -> Scan:
    return make_dwi((5, 6, 7), bvalues=(700, 2000), affine=OBLIQUE, snr=20)


def edited(path: Path, old: bytes, new: bytes) -> Path:
    """The file with one piece of its header replaced."""
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_round_trip(tmp_path: Path, scan: Scan, compressed: bool) -> None:
    write_nrrd_scan(tmp_path / "dwi.nrrd", scan, compressed=compressed)
    read = read_nrrd_scan(tmp_path / "dwi.nrrd")
    np.testing.assert_array_equal(read.signal, scan.signal)
    np.testing.assert_allclose(read.affine, scan.affine, atol=1e-10)
    np.testing.assert_allclose(read.gradients.directions, scan.gradients.directions, atol=1e-8)
    np.testing.assert_allclose(read.gradients.bvals, scan.gradients.bvals, atol=1e-3)
    assert isinstance(read.signal, np.memmap) is not compressed


def test_agrees_with_nifti_of_the_same_scan(tmp_path: Path, scan: Scan, save_dwi) -> None:
    nifti = read_nifti_scan(save_dwi(scan))
    write_nrrd_scan(tmp_path / "dwi.nrrd", nifti)
    read = read_nrrd_scan(tmp_path / "dwi.nrrd")
    np.testing.assert_allclose(read.gradients.directions, nifti.gradients.directions, atol=1e-7)
    np.testing.assert_allclose(read.affine, nifti.affine, atol=1e-6)
    np.testing.assert_array_equal(read.signal, nifti.signal)


def test_header_is_that_of_slicer(tmp_path: Path, scan: Scan) -> None:
    write_nrrd_scan(tmp_path / "dwi.nrrd", scan)
    header = nrrd.read_header(str(tmp_path / "dwi.nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert header["kinds"] == ["space", "space", "space", "list"]
    assert header["modality"] == "DWMRI"
    assert header["DWMRI_gradient_0000"] == "0 0 0"
    assert "DWMRI_gradient_0062" in header
    np.testing.assert_allclose(header["space origin"], [-10, 20, 30])


def test_shells_of_lower_b_are_shorter_vectors(tmp_path: Path, scan: Scan) -> None:
    write_nrrd_scan(tmp_path / "dwi.nrrd", scan)
    header = nrrd.read_header(str(tmp_path / "dwi.nrrd"))
    low = np.array(header["DWMRI_gradient_0003"].split(), dtype=float)
    assert np.sum(low**2) == pytest.approx(700 / 2000)


def test_lengths_count_relative_to_the_longest(tmp_path: Path) -> None:
    """The nominal b-value is that of the longest vector, whatever its length."""
    header = {
        "space": "RAS",
        "space directions": np.vstack([np.eye(3), np.full(3, np.nan)]),
        "DWMRI_b-value": "3000",
        "DWMRI_gradient_0000": "0 0 0",
        "DWMRI_gradient_0001": "2 0 0",
        "DWMRI_gradient_0002": "0 1 0",
    }
    nrrd.write(str(tmp_path / "dwi.nrrd"), np.ones((2, 2, 2, 3), dtype=np.int16), header)
    gradients = read_nrrd_scan(tmp_path / "dwi.nrrd").gradients
    np.testing.assert_allclose(gradients.bvals, [0, 3000, 750])
    np.testing.assert_allclose(gradients.directions, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_detached_header_with_interleaved_big_endian_volumes(tmp_path: Path, scan: Scan, encoding: str) -> None:
    header = {
        "space": "RAS",
        "space directions": np.vstack([np.full(3, np.nan), scan.affine[:3, :3].T]),
        "space origin": scan.affine[:3, 3],
        "encoding": encoding,
        "DWMRI_b-value": "2000",
    }
    lengths = np.sqrt(scan.gradients.bvals / 2000)[:, None]
    for index, vector in enumerate(scan.gradients.directions * lengths):
        header[f"DWMRI_gradient_{index:04d}"] = " ".join(map(str, vector))
    nrrd.write(str(tmp_path / "dwi.nhdr"), np.moveaxis(scan.signal, -1, 0).astype(">f4"), header)
    read = read_nrrd_scan(tmp_path / "dwi.nhdr")
    assert read.signal.shape == scan.signal.shape
    np.testing.assert_array_equal(read.signal, scan.signal)
    np.testing.assert_allclose(read.gradients.directions, scan.gradients.directions, atol=1e-9)
    assert isinstance(read.signal, np.memmap) is (encoding == "raw")


def test_volume_without_list_axis_is_a_map(tmp_path: Path) -> None:
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    nrrd.write(str(tmp_path / "label.nrrd"), labels, {"space": "LPS", "space directions": np.eye(3) * 2})
    data, affine = read_nrrd_image(tmp_path / "label.nrrd")
    np.testing.assert_array_equal(data, labels)
    np.testing.assert_array_equal(np.diag(affine), [-2, -2, 2, 1])
    assert not is_diffusion_nrrd(tmp_path / "label.nrrd")


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        (b"left-posterior-superior", b"scanner-xyz-coordinates", "space"),
        (b"DWMRI_gradient_0002", b"DWMRI_NEX_0001", "DWMRI_NEX_"),
        (b"DWMRI_gradient_0002", b"DWMRI_gradient_9999", "DWMRI_gradient_0000"),
        (b"DWMRI_b-value:=2000", b"DWMRI_b-value:=high", "DWMRI"),
        (b"DWMRI_gradient_0000:=0 0 0", b"DWMRI_gradient_0000:=0 0", "three numbers|DWMRI"),
        (b"(1,0,0) (0,1,0) (0,0,1)", b"(1,0,0) (1,0,0) (0,0,1)", "measurement frame"),
        (b"NRRD0005", b"NOTNRRD!", "header"),
    ],
)
def test_broken_headers_are_answered(tmp_path: Path, scan: Scan, old: bytes, new: bytes, answer: str) -> None:
    path = tmp_path / "dwi.nrrd"
    write_nrrd_scan(path, scan)
    with pytest.raises(UserError, match=rf"dwi\.nrrd.*({answer})"):
        read_nrrd_scan(edited(path, old, new))


@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_data(tmp_path: Path, scan: Scan, compressed: bool) -> None:
    path = tmp_path / "dwi.nrrd"
    write_nrrd_scan(path, scan, compressed=compressed)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UserError, match=r"dwi\.nrrd.*truncated"):
        read_nrrd_scan(path)


def test_missing_data_file(tmp_path: Path) -> None:
    header = {"space": "LPS", "space directions": np.eye(3), "encoding": "raw"}
    nrrd.write(str(tmp_path / "label.nhdr"), np.ones((2, 2, 2), dtype=np.uint8), header)
    (tmp_path / "label.raw").unlink()
    with pytest.raises(UserError, match=r"label\.nhdr.*label\.raw.*missing"):
        read_nrrd_image(tmp_path / "label.nhdr")


def test_write_refuses_other_endings_and_leaves_nothing(tmp_path: Path, scan: Scan) -> None:
    with pytest.raises(UserError, match=r"\.nrrd"):
        write_nrrd_scan(tmp_path / "dwi.nhdr", scan)
    assert list(tmp_path.iterdir()) == []
