import numpy as np
import pytest

from DMRIPretrainLib.inference.uncertainty import direction_spread, direction_subsets, normalised_entropy
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table


def test_entropy_is_one_for_no_idea_and_zero_for_certainty():
    shares = np.array([[0.25, 1.0, 0.5, 0.7], [0.25, 0, 0.5, 0.3], [0.25, 0, 0, 0], [0.25, 0, 0, 0]])
    entropy = normalised_entropy(shares[:, :, None, None])[:, 0, 0]
    some = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3)) / np.log(4)
    np.testing.assert_allclose(entropy, [1, 0, 0.5, some], atol=1e-5)
    assert entropy.dtype == np.float32


def test_entropy_stays_in_its_range():
    shares = np.random.default_rng(0).dirichlet([0.1] * 5, size=(4, 4, 4)).transpose(3, 0, 1, 2)
    entropy = normalised_entropy(shares)
    assert entropy.min() >= 0
    assert entropy.max() <= 1


def test_subsets_keep_all_b0s_and_four_fifths_of_every_shell():
    table = make_gradient_table([(1000, 30), (2000, 61), (3000, 6)], 5)
    subsets = direction_subsets(table, 6)
    assert len(subsets) == 6
    for subset in subsets:
        assert np.all(np.diff(subset) > 0)
        part = table.subset(subset)
        assert [np.sum(part.bvals == b) for b in (0, 1000, 2000, 3000)] == [5, 24, 49, 6]
    assert len({subset.tobytes() for subset in subsets}) == 6
    for first, second in zip(subsets, direction_subsets(table, 6), strict=True):
        assert np.array_equal(first, second)
    assert not np.array_equal(direction_subsets(table, 1, seed=1)[0], subsets[0])


def test_subsets_keep_six_distinct_directions():
    """Seven directions, three of them nine times: four fifths of the volumes may well show fewer than six."""
    once = make_gradient_table([(1000, 7)], 1).directions[1:]
    directions = np.vstack([np.zeros(3), np.repeat(once, (9, 9, 9, 1, 1, 1, 1), axis=0)])
    table = GradientTable(np.r_[0.0, np.full(31, 1000.0)], directions)
    for subset in direction_subsets(table, 30):
        assert len(np.unique(table.directions[subset[1:]].round(6), axis=0)) >= 6


def test_no_subsets_where_none_are_asked_for():
    assert direction_subsets(make_gradient_table([(1000, 7)], 1), 0) == []


def axis_at(angle: float) -> np.ndarray:
    """(1, 1, 1, 3, 3) one peak in the x-y plane, of no particular length."""
    peaks = np.zeros((1, 1, 1, 3, 3))
    peaks[..., 0, :2] = 0.4 * np.cos(np.radians(angle)), 0.4 * np.sin(np.radians(angle))
    return peaks


@pytest.mark.parametrize(
    ("members", "expected"),
    [([0], 0), ([10, -20], 15), ([180], 0), ([170, 10], 10), ([90], 90), ([10, None], 50), ([None, None], 90)],
)
def test_spread_is_the_mean_angle_to_the_members(members, expected):
    others = [np.zeros((1, 1, 1, 3, 3)) if angle is None else axis_at(angle) for angle in members]
    spread = direction_spread(axis_at(0), others)
    assert spread.shape == (1, 1, 1)
    assert spread.item() == pytest.approx(expected, abs=1e-4)


def test_no_spread_where_there_is_no_peak():
    assert direction_spread(np.zeros((1, 1, 1, 3, 3)), [axis_at(30), np.zeros((1, 1, 1, 3, 3))]).item() == 0
