from pathlib import Path

import dipy.data
import numpy as np
import pytest

from DMRIPretrainLib.qspace.shells import fit_table
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.training.augmentation import (
    Augmentation,
    change_bvalue,
    draw_bvalue_factor,
    draw_symmetry,
    draw_volumes,
)

NOTHING = Augmentation(turn=0, drop_directions=0, fewest_directions=0, change_bvalue=0)
ALWAYS = Augmentation(turn=1, drop_directions=1, fewest_directions=0.01, change_bvalue=1)


def distinct_axes(directions: np.ndarray) -> int:
    """Number of axes, one by one (not as the library counts)."""
    axes: list[np.ndarray] = []
    for direction in directions:
        if all(abs(direction @ axis) < np.cos(np.radians(1)) for axis in axes):
            axes.append(direction)
    return len(axes)


def test_change_of_bvalue_is_exact_for_gaussian_diffusion():
    table = make_gradient_table([(1000, 12), (2000, 15)], 3)
    tensors = np.random.default_rng(1).uniform(0.2e-3, 2e-3, size=(3, 4, 5, 6))
    diffusivity = np.einsum("nk,kxyz->nxyz", table.directions**2, tensors)
    s0 = np.random.default_rng(2).uniform(200, 900, size=(4, 5, 6))
    b = table.bvals[:, None, None, None]
    for factor in (0.6, 1.3, 1.7):
        signal, changed = change_bvalue(s0 * np.exp(-b * diffusivity), table, factor)
        np.testing.assert_allclose(signal, s0 * np.exp(-factor * b * diffusivity), rtol=1e-9)
        np.testing.assert_allclose(changed.bvals, np.where(table.is_b0, 0, factor * table.bvals))
        np.testing.assert_array_equal(changed.directions, table.directions)


def test_change_of_bvalue_leaves_b0s_and_its_input_alone():
    table = make_gradient_table([(1000, 6)], 2)
    signal = np.random.default_rng(3).normal(500, 100, size=(8, 2, 2, 2)).astype(np.float32)
    signal[4] = -20
    before = signal.copy()
    changed, _ = change_bvalue(signal, table, 1.5)
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(signal, before)
    np.testing.assert_array_equal(changed[:2], signal[:2])
    np.testing.assert_array_equal(changed[4], 0)
    assert np.isfinite(changed).all()


@pytest.mark.parametrize("factor", [1.0, 0.15])
def test_bvalues_stay_where_a_shell_would_become_b0(factor):
    table = make_gradient_table([(500, 6), (2000, 6)], 1)
    signal = np.full((13, 1, 1, 1), 300.0)
    changed, same = change_bvalue(signal, table, factor)
    assert changed is signal
    assert same is table


def dsi_table() -> GradientTable:
    values = np.loadtxt(Path(dipy.data.__file__).parent / "files" / "dsi515_b_table.txt")
    lengths = np.linalg.norm(values[:, 1:], axis=1, keepdims=True)
    return GradientTable(values[:, 0], values[:, 1:] / np.maximum(lengths, 1e-9))


def repeated_table() -> GradientTable:
    """Seven directions, five times each: a random six of the 35 volumes are hardly ever six directions."""
    once = make_gradient_table([(1000, 7)], 1)
    return once.subset(np.r_[0, np.tile(np.arange(1, 8), 5)])


TABLES = {
    "one b0": make_gradient_table([(1000, 30)], 1),
    "six directions": make_gradient_table([(1000, 6)], 2),
    "shells": make_gradient_table([(700, 4), (1000, 12), (2000, 20), (3000, 64)], 6),
    "repeats": repeated_table(),
    "Cartesian": dsi_table(),
}


@pytest.mark.parametrize("name", TABLES)
def test_what_is_left_can_always_be_fitted(name):
    table = TABLES[name]
    rng = np.random.default_rng(4)
    sizes = set()
    for _ in range(40):
        volumes = draw_volumes(table, ALWAYS, rng)
        sizes.add(len(volumes))
        assert np.all(np.diff(volumes) > 0)
        part = table.subset(volumes)
        assert part.is_b0.any()
        for shell in part.shells():
            assert distinct_axes(part.directions[shell.indices]) >= 6
        assert fit_table(part)
    assert len(sizes) > 1 or name == "six directions"


def test_shells_are_thinned_and_left_out():
    table = TABLES["shells"]
    rng = np.random.default_rng(5)
    augmentation = Augmentation(drop_directions=1, fewest_directions=0.5)
    counts = np.zeros((200, 3), dtype=int)
    b0s = []
    for row in counts:
        part = table.subset(draw_volumes(table, augmentation, rng))
        b0s.append(part.is_b0.sum())
        row[:] = [np.sum(part.bvals == b) for b in (1000, 2000, 3000)]
        assert not np.any(part.bvals == 700)
    assert set(b0s) == {1, 2, 3, 4, 5, 6}
    for count, whole in zip(counts.T, (12, 20, 64), strict=True):
        assert 0 in count
        assert whole in count
        assert count[count > 0].min() == max(6, whole // 2)


def test_nothing_is_changed_where_nothing_is_asked_for():
    rng = np.random.default_rng(6)
    for _ in range(50):
        assert np.array_equal(draw_symmetry(NOTHING, rng), np.eye(3))
        assert np.array_equal(draw_volumes(TABLES["shells"], NOTHING, rng), np.arange(106))
        assert draw_bvalue_factor(NOTHING, rng) == 1


def test_all_symmetries_are_drawn_and_mirrors_most_often():
    rng = np.random.default_rng(7)
    drawn = {tuple(draw_symmetry(ALWAYS, rng).ravel()) for _ in range(600)}
    assert drawn == {tuple(matrix.ravel()) for matrix in cube_symmetries()}
    usual = [draw_symmetry(Augmentation(), rng) for _ in range(600)]
    mirrors = np.mean([np.array_equal(matrix, np.diag([-1, 1, 1])) for matrix in usual])
    same = np.mean([np.array_equal(matrix, np.eye(3)) for matrix in usual])
    assert 0.28 < mirrors < 0.43
    assert 0.28 < same < 0.43


def test_factors_lie_in_the_stated_range():
    factors = [draw_bvalue_factor(ALWAYS, np.random.default_rng(seed)) for seed in range(300)]
    assert 0.6 < min(factors) < 0.65
    assert 1.6 < max(factors) < 1.7
    some = [draw_bvalue_factor(Augmentation(), np.random.default_rng(seed)) for seed in range(300)]
    assert 0.4 < np.mean(np.array(some) == 1) < 0.6
