from pathlib import Path

import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.fsl import find_side_file, read_fsl_gradients, write_fsl_gradients
from DMRIPretrainLib.scans.gradient_table import GradientTable

LAS = np.diag([-2.0, 2.0, 2.0, 1.0])  # negative determinant: FSL vectors are along the axes as they are


def read(folder: Path, bvals: str, bvecs: str) -> GradientTable:
    (folder / "dwi.bval").write_text(bvals)
    (folder / "dwi.bvec").write_text(bvecs)
    return read_fsl_gradients(folder / "dwi.bval", folder / "dwi.bvec", LAS)


def in_grid(table: GradientTable) -> np.ndarray:
    return table.directions * [-1, 1, 1]


def test_three_rows(tmp_path: Path) -> None:
    table = read(tmp_path, "0 1000 1000 2000\n", "0 1 0 0.6\n0 0 1 0.8\n0 0 0 0\n")
    np.testing.assert_allclose(in_grid(table), [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]], atol=1e-12)
    np.testing.assert_array_equal(table.bvals, [0, 1000, 1000, 2000])


def test_three_columns(tmp_path: Path) -> None:
    table = read(tmp_path, "0\n1000\n1000\n2000\n", "0 0 0\n1 0 0\n0 1 0\n0.6 0.8 0\n\n")
    np.testing.assert_allclose(in_grid(table), [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]], atol=1e-12)


def test_three_volumes_in_rows_are_the_fsl_layout(tmp_path: Path) -> None:
    table = read(tmp_path, "1000 1000 1000", "1 0.6 0\n0 0.8 0\n0 0 1")
    np.testing.assert_allclose(in_grid(table), [[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], atol=1e-12)


def test_three_volumes_in_columns_are_recognised_by_their_length(tmp_path: Path) -> None:
    table = read(tmp_path, "0 1000 1000", "0 0 0\n0.6 0.8 0\n0 0.6 0.8")
    np.testing.assert_allclose(in_grid(table), [[0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]], atol=1e-12)


def test_separators_scientific_notation_byte_order_mark_and_nan_of_b0(tmp_path: Path) -> None:
    table = read(tmp_path, "\ufeff0.0e0,1.0e+03;1000\t2e3 ", "nan,1e0\t0 0.6\r\nNaN,0\t1;8.0e-1\r\nnan,0,0,0\r\n")
    np.testing.assert_allclose(in_grid(table), [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]], atol=1e-12)


def test_rounded_vectors_are_normalised_and_others_left_for_the_checks(tmp_path: Path) -> None:
    table = read(tmp_path, "0 1000 1000 1000", "0 0.99 0.7 0\n0 0 0 nan\n0 0 0 0\n")
    np.testing.assert_allclose(np.linalg.norm(table.directions, axis=1), [0, 1, 0.7, np.nan])


def test_direction_of_a_b0_is_kept_if_it_is_one(tmp_path: Path) -> None:
    table = read(tmp_path, "0 0.003 1000 1000", "0 0.6 1 0\n0 0.8 0 1\n0.1 0 0 0\n")
    np.testing.assert_allclose(in_grid(table)[:2], [[0, 0, 0], [0.6, 0.8, 0]], atol=1e-12)
    assert table.is_b0.tolist() == [True, True, False, False]


def test_round_trip_through_files(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0] * [2, 2.5, 3]
    written = GradientTable(generator.uniform(200, 3000, 20), directions)
    write_fsl_gradients(tmp_path / "a.bval", tmp_path / "a.bvec", written, affine)
    assert [len(line.split()) for line in (tmp_path / "a.bvec").read_text().splitlines()] == [20, 20, 20]
    table = read_fsl_gradients(tmp_path / "a.bval", tmp_path / "a.bvec", affine)
    np.testing.assert_allclose(table.directions, directions, atol=1e-7)
    np.testing.assert_allclose(table.bvals, written.bvals, rtol=1e-9)


@pytest.mark.parametrize(
    ("bvals", "bvecs", "culprit"),
    [
        ("0 1000", "0 1 0\n0 0 1\n0 0 0", "dwi.bvec"),
        ("0 1000 1000", "0 1 0\n0 0 1", "dwi.bvec"),
        ("0 1000 1000 9", "0 1 0 0\n0 0 1\n0 0 0 0", "dwi.bvec"),
        ("0 many", "0 1\n0 0\n0 0", "dwi.bval"),
        ("", "0 1\n0 0\n0 0", "dwi.bval"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, bvals: str, bvecs: str, culprit: str) -> None:
    with pytest.raises(UserError, match=culprit):
        read(tmp_path, bvals, bvecs)


def test_binary_file_instead_of_text(tmp_path: Path) -> None:
    (tmp_path / "dwi.bval").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match=r"dwi\.bval"):
        read_fsl_gradients(tmp_path / "dwi.bval", tmp_path / "dwi.bvec", LAS)


def side_files(image: Path) -> tuple[Path, Path]:
    return find_side_file(image, "bval"), find_side_file(image, "bvec")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize("image", ["dwi.nii", "dwi.nii.gz"])
def test_side_files_by_stem_come_first(tmp_path: Path, image: str) -> None:
    touch(tmp_path, image, "dwi.bval", "dwi.bvec", "bvals", "bvecs", "other.bval")
    assert side_files(tmp_path / image) == (tmp_path / "dwi.bval", tmp_path / "dwi.bvec")


def test_side_files_of_hcp(tmp_path: Path) -> None:
    touch(tmp_path, "data.nii.gz", "bvals", "bvecs")
    assert side_files(tmp_path / "data.nii.gz") == (tmp_path / "bvals", tmp_path / "bvecs")


def test_only_side_files_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "denoised.nii.gz", "raw.bval", "raw.bvec")
    assert side_files(tmp_path / "denoised.nii.gz") == (tmp_path / "raw.bval", tmp_path / "raw.bvec")


@pytest.mark.parametrize(
    "others",
    [
        ("a.bval", "a.bvec", "b.bval", "b.bvec"),  # ambiguous
        ("run1.nii.gz", "run1.bval", "run1.bvec"),  # they belong to another image
        ("dwi.bval",),
    ],
)
def test_missing_side_files_are_not_guessed(tmp_path: Path, others: tuple[str, ...]) -> None:
    touch(tmp_path, "dwi.nii.gz", *others)
    with pytest.raises(UserError, match=r"dwi\.nii\.gz.*--bv"):
        side_files(tmp_path / "dwi.nii.gz")
