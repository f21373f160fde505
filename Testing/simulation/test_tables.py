import numpy as np
import pytest

from DMRIPretrainLib.pretext.directions import can_be_fitted
from DMRIPretrainLib.qspace.shells import usable_shells
from DMRIPretrainLib.scans.gradient_table import GradientTable, count_directions
from DMRIPretrainLib.simulation.tables import (
    BVALUE_RANGE,
    DIRECTION_RANGE,
    draw_gradient_table,
    make_gradient_table,
    spread_directions,
)


@pytest.fixture(scope="module")
def drawn() -> list[GradientTable]:
    return [draw_gradient_table(np.random.default_rng(seed)) for seed in range(300)]


def test_table_has_the_shells_asked_for():
    table = make_gradient_table([(1000, 20), (3000, 33)], b0_count=3)
    assert table.describe() == "3 b0 + 20 x 1000 + 33 x 3000"
    assert table.is_b0[:3].all()


@pytest.mark.parametrize(("count", "smallest_angle"), [(6, 55), (30, 24), (64, 16)])
def test_directions_are_spread_over_the_sphere(count, smallest_angle):
    directions = make_gradient_table([(1000, count)], seed=4).directions[1:]
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    cosine = np.abs(directions @ directions.T) - 2 * np.eye(count)
    assert np.degrees(np.arccos(cosine.max())) > smallest_angle
    assert (directions @ directions[0] < -0.1).any()  # both hemispheres
    # Evenly spread directions have an isotropic second moment.
    np.testing.assert_allclose(directions.T @ directions / count, np.eye(3) / 3, atol=0.02)


def test_seeds_rotate_the_table():
    first, again, other = (make_gradient_table([(1000, 12)], seed=seed).directions for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(np.abs(first @ other.T).max(axis=1)[1:], 1, atol=0.01)


def test_one_direction_is_one():
    assert spread_directions(1, np.random.default_rng(0)).shape == (1, 3)


def test_drawn_tables_can_always_be_fitted(drawn):
    for table in drawn:
        assert can_be_fitted(table)
        shells = table.shells()
        assert len(usable_shells(table)) == len(shells)
        assert 1 <= len(shells) <= 3
        for shell in shells:
            directions = table.directions[shell.indices]
            fewest, most = DIRECTION_RANGE
            assert fewest <= count_directions(directions) == len(directions) <= most


def test_drawn_volumes_are_bounded_and_begin_with_the_b0s(drawn):
    for table in drawn:
        b0s = int(table.is_b0.sum())
        assert 1 <= b0s <= 8
        assert table.is_b0[:b0s].all()
        assert (table.bvals[:b0s] == 0).all()
        assert len(table) - b0s <= 128
        weighted = table.bvals[~table.is_b0]
        assert BVALUE_RANGE[0] <= weighted.min()
        assert weighted.max() <= BVALUE_RANGE[1]
        np.testing.assert_allclose(np.linalg.norm(table.directions, axis=1), ~table.is_b0)


def test_drawn_shells_stay_apart(drawn):
    between = np.concatenate([np.diff([shell.bvalue for shell in table.shells()]) for table in drawn])
    assert between.min() > 250


def test_drawn_protocols_are_as_different_as_real_ones(drawn):
    shells = np.bincount([len(table.shells()) for table in drawn], minlength=4) / len(drawn)
    np.testing.assert_allclose(shells, [0, 0.7, 0.2, 0.1], atol=0.08)
    directions = np.array([len(shell.indices) for table in drawn for shell in table.shells()])
    assert np.mean(directions < 15) > 0.15
    assert np.mean(directions > 40) > 0.15
    bvalues = np.array([shell.bvalue for table in drawn for shell in table.shells()])
    assert np.mean(bvalues < 1300) > 0.2
    assert np.mean(bvalues > 2000) > 0.2
    assert len({int(table.is_b0.sum()) for table in drawn}) == 8


def test_some_drawn_shells_have_gaps(drawn):
    """Evenly spread directions have an isotropic second moment."""
    uneven = []
    for table in drawn:
        for shell in table.shells():
            if len(shell.indices) >= 12:
                directions = table.directions[shell.indices]
                uneven.append(np.ptp(np.linalg.eigvalsh(directions.T @ directions / len(directions))) > 0.03)
    assert 0.05 < np.mean(uneven) < 0.4


def test_equal_states_draw_equal_tables(drawn):
    again = draw_gradient_table(np.random.default_rng(5))
    assert np.array_equal(again.bvals, drawn[5].bvals)
    assert np.array_equal(again.directions, drawn[5].directions)
    assert drawn[5].describe() != drawn[6].describe()
