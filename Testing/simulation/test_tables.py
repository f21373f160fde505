import numpy as np
import pytest

from DMRIPretrainLib.simulation.tables import make_gradient_table


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
