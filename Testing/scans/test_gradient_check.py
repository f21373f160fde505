"""The gradient orientation check against simulated bundles with known truth and against real scans."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.scans.frames import cube_symmetries, fsl_to_world, world_to_fsl
from DMRIPretrainLib.scans.gradient_check import AxisChange, axis_changes, check_gradients, corrected_table
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.scan import Scan

REAL_SCANS = ["toshiba", "prisma", "elition"]
OBLIQUE = Rotation.from_euler("xyz", [12, -8, 20], degrees=True).as_matrix()


def axis_order_affine(signed_permutation: np.ndarray, voxel_size: tuple[float, float, float]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE @ signed_permutation @ np.diag(voxel_size)
    return affine


def curved_bundles(affine: np.ndarray, shape: tuple[int, int, int], snr: float = 30.0) -> Scan:
    """Fourteen curved tubes of fibres through a world box of about 100 mm; the table is right."""
    generator = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    world = grid @ affine[:3, :3].T - middle
    time = np.linspace(-1, 1, 200)[:, None]
    fibre = np.zeros((len(world), 3))
    for _ in range(14):
        centre, slope, bend = generator.normal(size=(3, 3)) * np.array([[18], [1], [1]])
        slope, bend = 50 * slope / np.linalg.norm(slope), 25 * bend / np.linalg.norm(bend)
        points, tangents = centre + slope * time + bend * time**2, slope + 2 * bend * time
        distance, nearest = cKDTree(points).query(world)
        tube = distance < 7.0
        fibre[tube] = (tangents / np.linalg.norm(tangents, axis=1, keepdims=True))[nearest[tube]]

    directions = generator.normal(size=(32, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[:2] = 0
    bvals = np.where(np.arange(32) < 2, 0.0, 1000.0)
    across = np.where(fibre.any(axis=1), 0.3, 0.8)[:, None]
    signal = 1000 * np.exp(-bvals / 1000 * (across + 1.4 * (fibre @ directions.T) ** 2))
    noise = generator.normal(scale=1000 / snr, size=(2, *signal.shape))
    signal = np.hypot(signal + noise[0], noise[1]).astype(np.float32).reshape(*shape, 32)
    return Scan(signal, affine, GradientTable(bvals, directions), np.ones(shape, dtype=bool))


@pytest.fixture(scope="module")
def bundles() -> Scan:
    return curved_bundles(axis_order_affine(np.diag([1.0, 1.0, 1.0]), (2.5, 2.5, 2.5)), (40, 40, 40))


def with_rows_changed(scan: Scan, change: AxisChange) -> Scan:
    return replace(scan, gradients=corrected_table(scan, change))


def inverse(change: AxisChange) -> np.ndarray:
    return change.matrix.T


def same_axes(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether matrices or directions agree up to one overall sign."""
    return np.allclose(first, second, atol=1e-6) or np.allclose(first, -second, atol=1e-6)


def test_the_24_changes_are_all_symmetries_up_to_sign() -> None:
    matrices = [change.matrix for change in axis_changes()]
    for symmetry in cube_symmetries():
        assert sum(same_axes(symmetry, matrix) for matrix in matrices) == 1
    assert axis_changes()[0] == AxisChange()
    assert len({change.description for change in axis_changes()}) == 24


@pytest.mark.parametrize(
    ("change", "description"),
    [
        (AxisChange(), "none"),
        (AxisChange(signs=(-1, 1, 1)), "flip x"),
        (AxisChange(order=(1, 0, 2)), "swap x and y"),
        (AxisChange(order=(0, 2, 1), signs=(1, -1, 1)), "swap y and z, then flip y"),
        (AxisChange(order=(2, 0, 1), signs=(1, 1, -1)), "reorder x, y, z to z, x, y, then flip z"),
    ],
)
def test_descriptions_do_to_rows_what_the_matrix_does(change: AxisChange, description: str) -> None:
    assert change.description == description
    rows = {"x": 10.0, "y": 20.0, "z": 30.0}
    for step in description.split(", then "):
        if step.startswith("swap"):
            first, second = step[len("swap ") :].split(" and ")
            rows[first], rows[second] = rows[second], rows[first]
        elif step.startswith("reorder"):
            rows = dict(zip("xyz", [rows[name] for name in step.split(" to ")[1].split(", ")], strict=True))
        elif step.startswith("flip"):
            rows[step[-1]] *= -1
    np.testing.assert_array_equal(change.matrix @ [10.0, 20.0, 30.0], list(rows.values()))


def test_every_wrong_table_of_simulated_bundles_is_repaired(bundles: Scan) -> None:
    for mistake in axis_changes():
        check = check_gradients(with_rows_changed(bundles, mistake))
        assert check.verdict == ("right" if mistake == AxisChange() else "wrong"), mistake.description
        assert same_axes(check.best.matrix, inverse(mistake)), mistake.description
        assert check.scores[0][0] == check.best
        assert check.margin > 0
        repaired = corrected_table(with_rows_changed(bundles, mistake), check.best)
        assert same_axes(repaired.directions, bundles.gradients.directions)


@pytest.mark.parametrize("name", REAL_SCANS)
def test_right_on_real_scans_and_on_their_23_wrong_versions(name: str, shared_scan_path: Callable[[str], Path]) -> None:
    scan = load_scan(shared_scan_path(name))
    for mistake in axis_changes():
        check = check_gradients(with_rows_changed(scan, mistake))
        assert check.verdict == ("right" if mistake == AxisChange() else "wrong"), (
            mistake.description,
            check.summary(),
        )
        assert same_axes(check.best.matrix, inverse(mistake)), (mistake.description, check.summary())


@pytest.mark.parametrize("determinant", [1, -1])
@pytest.mark.parametrize("row_change", ["flip x", "flip z", "swap x and y", "swap y and z, then flip y"])
def test_the_change_is_what_to_do_with_the_rows_of_the_bvec_file(
    determinant: int, row_change: str, tmp_path: Path
) -> None:
    affine = axis_order_affine(np.diag([determinant, 1.0, 1.0]), (2.5, 2.5, 2.5))
    truth = curved_bundles(affine, (40, 40, 40))
    rows = world_to_fsl(truth.gradients.directions, affine).T
    changed = rows.copy()
    # These row changes are their own inverses, up to the sign of directions.
    if "swap x and y" in row_change:
        changed = changed[[1, 0, 2]]
    if "swap y and z" in row_change:
        changed = changed[[0, 2, 1]]
    if "flip" in row_change:
        changed["xyz".index(row_change[-1])] *= -1
    nib.save(nib.Nifti1Image(truth.signal, affine), tmp_path / "dwi.nii.gz")
    np.savetxt(tmp_path / "dwi.bval", truth.gradients.bvals[None], fmt="%g")
    np.savetxt(tmp_path / "dwi.bvec", changed, fmt="%.7f")

    scan = load_scan(tmp_path / "dwi.nii.gz", check=False)
    check = check_gradients(scan)
    assert check.verdict == "wrong"
    repair = check.best.matrix @ changed
    assert same_axes(repair, rows)
    if "then" not in row_change:
        assert check.best.description == row_change
    assert same_axes(corrected_table(scan, check.best).directions, truth.gradients.directions)


@pytest.mark.parametrize("symmetry", cube_symmetries()[::9])
def test_oblique_images_of_any_axis_order_and_anisotropic_voxels(symmetry: np.ndarray) -> None:
    affine = axis_order_affine(symmetry, (2.0, 2.5, 4.0))
    truth = curved_bundles(affine, (50, 40, 25))
    assert check_gradients(truth).verdict == "right"
    rows = world_to_fsl(truth.gradients.directions, affine) * [1, -1, 1]
    mistaken = replace(truth, gradients=replace(truth.gradients, directions=fsl_to_world(rows, affine)))
    check = check_gradients(mistaken)
    assert (check.verdict, check.best.description) == ("wrong", "flip y")


def test_reversing_the_stored_axes_changes_neither_verdict_nor_scores(bundles: Scan) -> None:
    affine = bundles.affine @ np.array([[-1, 0, 0, 39], [0, 0, -1, 39], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    # Voxel (i, j, k) of the new image is voxel (39 - i, 39 - k, j) of the old one.
    signal = bundles.signal[::-1, ::-1].transpose(0, 2, 1, 3)
    stored_otherwise = replace(bundles, signal=signal, affine=affine)
    first, second = check_gradients(bundles), check_gradients(stored_otherwise)
    assert second.verdict == first.verdict == "right"
    # Not exactly: a pair of neighbours counts for the block of the one that is stored first.
    assert second.confidence == pytest.approx(first.confidence, rel=0.02)
    assert second.margin == pytest.approx(first.margin, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_noise_cannot_tell(bundles: Scan, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(500, 60, bundles.signal.shape).astype(np.float32)
    check = check_gradients(replace(bundles, signal=noise))
    assert check.verdict == "uncertain"
    assert "cannot tell" in check.summary()


def test_tables_that_are_turned_or_shuffled_are_not_called_right(bundles: Scan) -> None:
    turn = Rotation.from_euler("xyz", [35, 30, 0], degrees=True).as_matrix()
    assert check_gradients(replace(bundles, gradients=bundles.gradients.transformed(turn))).verdict == "uncertain"
    table = bundles.gradients
    shuffled = np.concatenate([[0, 1], 2 + np.random.default_rng(0).permutation(30)])
    mixed = replace(table, directions=table.directions[shuffled])
    assert check_gradients(replace(bundles, gradients=mixed)).verdict != "right"


def test_too_few_directions_or_voxels_cannot_tell(bundles: Scan) -> None:
    assert check_gradients(bundles.subset(np.arange(7))).verdict == "uncertain"
    assert check_gradients(bundles.subset(np.arange(2, 32))).verdict == "uncertain"
    small = replace(bundles, signal=bundles.signal[:4, :4, :1], mask=np.ones((4, 4, 1), dtype=bool))
    assert check_gradients(small).verdict == "uncertain"
    assert check_gradients(replace(bundles, mask=np.zeros((40, 40, 40), dtype=bool))).verdict == "uncertain"


def test_one_line_summary_and_plain_json(bundles: Scan) -> None:
    flip = AxisChange(signs=(1, -1, 1))
    check = check_gradients(with_rows_changed(bundles, flip))
    assert "wrong" in check.summary()
    assert "flip y" in check.summary()
    assert "\n" not in check.summary()
    report = json.loads(json.dumps(check.to_json()))
    assert report["verdict"] == "wrong"
    assert report["best_matrix"] == [[1, 0, 0], [0, -1, 0], [0, 0, 1]]
    assert len(report["scores"]) == 24
    assert report["margin_over_given"] >= report["margin"] > 0
