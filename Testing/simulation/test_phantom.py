import numpy as np
import pytest

from DMRIPretrainLib.simulation.bundles import Bundle, fibre_populations
from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain


@pytest.fixture(scope="module")
def brain() -> Phantom:
    return simulate_brain((40, 48, 40), seed=2)


def test_tissue_volumes_are_those_of_a_brain(brain):
    millilitres = np.bincount(brain.segmentation.ravel(), minlength=4)[1:] * abs(np.linalg.det(brain.affine)) / 1000
    assert 1000 < millilitres.sum() < 2000
    assert 80 < millilitres[0] < 500
    assert 350 < millilitres[1] < 1000
    assert 350 < millilitres[2] < 1000


def test_fractions_and_directions_are_normalised(brain):
    np.testing.assert_allclose(brain.fractions.sum(axis=-1), brain.mask, atol=1e-5)
    assert brain.fractions.min() >= 0
    white = brain.fractions[..., 2] > 0
    np.testing.assert_allclose(brain.fibre_fractions.sum(axis=-1), white, atol=1e-5)
    assert np.all(np.diff(brain.fibre_fractions, axis=-1) <= 0)
    lengths = np.linalg.norm(brain.directions, axis=-1)
    np.testing.assert_allclose(lengths, brain.fibre_fractions > 0, atol=1e-5)


def test_truth_follows_the_stated_rule(brain):
    shares = np.linalg.norm(brain.peaks, axis=-1)
    assert shares[shares > 0].min() >= 0.15 - 1e-6
    assert np.array_equal((shares > 0).sum(axis=-1), brain.crossings)
    assert np.all(brain.crossings[~brain.mask] == 0)
    two = brain.crossings >= 2
    cosine = np.abs(np.sum(brain.directions[two][:, 0] * brain.directions[two][:, 1], axis=-1))
    assert np.degrees(np.arccos(cosine.max())) >= 25 - 1e-3
    counts = np.bincount(brain.crossings[brain.segmentation == 3], minlength=4)
    assert np.all(counts[1:] > 0.01 * counts.sum())


def test_anatomy_is_in_world_coordinates(brain):
    """The callosum crosses the midline from left to right; the brainstem is below, a lateral ventricle on each side."""

    def at(x: float, y: float, z: float) -> tuple[int, ...]:
        return tuple(np.round(np.linalg.inv(brain.affine) @ [x, y, z, 1]).astype(int)[:3])

    assert np.abs(brain.directions[at(0, 0, 27)][0]) @ [1, 0, 0] > 0.9
    assert brain.mask[at(0, -20, -66)]
    assert not brain.mask[at(0, 60, -60)]
    for x in (-10, 10):
        i, j, k = at(x, 0, 20)
        assert brain.fractions[i - 2 : i + 3, j, k - 2 : k + 3, 0].max() > 0.8


def test_seed_decides(brain):
    assert np.array_equal(simulate_brain((40, 48, 40), seed=2).fractions, brain.fractions)
    assert not np.array_equal(simulate_brain((40, 48, 40), seed=3).fractions, brain.fractions)


def test_close_populations_merge_into_the_larger():
    def along(degrees: float, radius: float) -> Bundle:
        direction = [np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0]
        return Bundle(np.zeros((1, 3)), np.array([direction]), radius)

    here = np.array([[1.0, 0.0, 0.0]])
    strong, close, apart = along(0, 100.0), along(20, 1.5), along(60, 2.0)
    directions, fractions = fibre_populations(here, np.array([[0.0, 0.0, 1.0]]), [close, strong, apart])
    weights = {"strong": 1.0, "close": np.exp(-((1 / 1.5) ** 4)), "apart": np.exp(-((1 / 2) ** 4)), "background": 0.4}
    expected = np.array([weights["strong"] + weights["close"], weights["apart"], weights["background"]])
    np.testing.assert_allclose(fractions[0], expected / expected.sum(), rtol=1e-6)
    np.testing.assert_allclose(directions[0], [strong.tangents[0], apart.tangents[0], [0, 0, 1]])
