from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.qspace.deconvolution import deconvolve, fibre_response, fodf_trust, linear_fodf, lobe
from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.qspace.harmonics import coefficient_orders, evaluation_matrix
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.peaks import find_peaks


def fibre_signal(cosine, b):
    """Stick (55 %) and zeppelin of 1.8e-3 mm²/s along, tortuosity 0.45 across; b in 1000 s/mm²."""
    across = 0.45 * 1.8
    stick = np.exp(-b * 1.8 * cosine**2)
    zeppelin = np.exp(-b * (across + (1.8 - across) * cosine**2))
    return 0.55 * stick + 0.45 * zeppelin


@pytest.mark.parametrize("bvalue", [0.3, 1.0, 3.0])
def test_response_is_the_integral_over_legendre_polynomials(bvalue):
    """Funk-Hecke: the factor of order l is 2 pi times the integral of the signal times P_l."""
    expected = [
        2 * np.pi * quad(lambda t, n=order: fibre_signal(t, bvalue) * eval_legendre(n, t), -1, 1)[0]
        for order in (0, 2, 4, 6)
    ]
    found = fibre_response(torch.tensor([[bvalue, 0.0]], dtype=torch.float64))
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-8)
    np.testing.assert_allclose(found[0, 1], [4 * np.pi, 0, 0, 0], atol=1e-12)  # no weighting: no contrast


def test_lobe_is_one_high_and_highest_at_its_axis(random_directions):
    axis = np.array([[0.48, -0.6, 0.64]])
    coefficients = lobe(8) * evaluation_matrix(axis, 8)[0]
    assert evaluation_matrix(axis, 8)[0] @ coefficients == pytest.approx(1.0)
    others = random_directions(500)
    values = evaluation_matrix(others, 8) @ coefficients
    angles = np.degrees(np.arccos(np.abs(others @ axis[0])))
    assert values.max() < 1
    assert np.abs(values[angles > 40]).max() < 0.1
    np.testing.assert_array_equal(lobe(6), lobe(8)[:28])


def fodfs_of(table: GradientTable, signal: np.ndarray) -> np.ndarray:
    """(V, 28) fODFs of the (V, N) signal of voxels with a b0 of 1."""
    block = torch.tensor(signal.T[:, :, None, None], dtype=torch.float32)
    features = QSpaceProjection(table)(block, torch.ones(block.shape[1:], dtype=torch.bool), 1.0)
    return deconvolve(features)[0, :, :, 0, 0].numpy().T


@cache
def fine_grid() -> tuple[np.ndarray, np.ndarray]:
    """Directions over half the sphere, 1 degree apart, and the basis functions there."""
    index = np.arange(20_000) + 0.5
    z, azimuth = 1 - index / 20_000, np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z**2)
    grid = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
    return grid, evaluation_matrix(grid, 6)


def peaks_of(table: GradientTable, fibres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions (V, 3) and heights (V,) of the largest maxima of the fODFs of lone (V, 3) fibres."""
    signal = fibre_signal(fibres @ table.directions.T, table.bvals / 1000)
    grid, matrix = fine_grid()
    values = fodfs_of(table, signal) @ matrix.T
    return grid[values.argmax(axis=1)], values.max(axis=1)


@pytest.mark.parametrize("shells", [[(700, 30)], [(1000, 64)], [(2000, 60)], [(3000, 64)], [(1000, 30), (3000, 60)]])
def test_a_lone_fibre_is_found_along_its_axis(shells, random_directions):
    fibres = random_directions(40, seed=8)
    directions, heights = peaks_of(make_gradient_table(shells, 1, seed=5), fibres)
    cosine = np.abs(np.sum(directions * fibres, axis=1)).clip(max=1)
    assert np.degrees(np.arccos(cosine)).max() < 3
    # Turning a fibre must not change how strong it looks.
    assert heights.max() / heights.min() < 1.08
    assert 0.25 < heights.mean() < 1


def test_higher_bvalues_sharpen_the_fibre(random_directions):
    fibres = random_directions(6, seed=9)
    heights = [peaks_of(make_gradient_table([(b, 60)], 1), fibres)[1].mean() for b in (700, 1000, 2000, 3000)]
    assert np.all(np.diff(heights) > 0.02)


@pytest.mark.parametrize("added", [(700, 20), (1000, 60), (3000, 12)])
def test_another_shell_never_makes_the_fibre_weaker(added, random_directions):
    """The smoothing of each shell's fit is undone, and orders that it cannot carry are left to the others."""
    fibres = random_directions(10, seed=11)
    alone, both = (
        peaks_of(make_gradient_table(shells, 1, seed=6), fibres)[1].mean()
        for shells in ([(2000, 60)], [(2000, 60), added])
    )
    assert both > 0.998 * alone


def test_free_water_has_no_fibres():
    table = make_gradient_table([(1000, 60)], 1)
    signal = np.exp(-3.0 * table.bvals / 1000)[None]
    coefficients = fodfs_of(table, signal)[0]
    assert np.abs(coefficients[1:]).max() < 0.02


FIBRE = np.array([0.6, -0.48, 0.64])
SHAPE = (7, 7, 7)


def noisy_block(table: GradientTable, b0: np.ndarray | float = 1.0, seed: int = 0) -> QSpaceFeatures:
    """Features of a block of one fibre with Rician noise of SNR 20 where b0 is 1."""
    clean = b0 * np.broadcast_to(fibre_signal(FIBRE @ table.directions.T, table.bvals / 1000), (*SHAPE, len(table))).T
    noise = 0.05 * np.random.default_rng(seed).normal(size=(2, *clean.shape))
    signal = torch.tensor(np.hypot(clean + noise[0], noise[1]), dtype=torch.float32)
    return QSpaceProjection(table, 0.05)(signal, torch.ones(SHAPE, dtype=torch.bool), 1.0)


def errors(fodf: torch.Tensor) -> np.ndarray:
    """Angles in degrees between the largest maxima and the fibre."""
    angles = axis_angles(find_peaks(fodf[0].flatten(1).numpy().T)[:, 0], FIBRE)
    assert np.isfinite(angles).all()
    return angles


@pytest.mark.parametrize("shells", [[(700, 12)], [(1000, 30)], [(3000, 60)], [(1000, 20), (2000, 30)]])
def test_like_neighbours_halve_the_error_of_a_fibre_and_more(shells):
    features = noisy_block(make_gradient_table(shells, 4, seed=1))
    assert errors(linear_fodf(features)).mean() < 0.5 * errors(deconvolve(features)).mean()


def test_dark_voxels_have_more_noise_and_are_averaged_too():
    """The b0 of a quarter is a third, as in fibres beside grey matter; its noise must not be taken for fibres."""
    dark = np.random.default_rng(1).random(SHAPE) < 0.25
    features = noisy_block(make_gradient_table([(1000, 30)], 8, seed=1), np.where(dark, 1 / 3, 1.0))
    alone, together = (errors(fodf)[dark.ravel()].mean() for fodf in (deconvolve(features), linear_fodf(features)))
    assert together < alone / 3


def test_nothing_is_averaged_where_the_noise_is_not_known():
    features = noisy_block(make_gradient_table([(1000, 30)], 4, seed=1))
    unknown = replace(features, variance=None)
    assert torch.equal(linear_fodf(unknown), deconvolve(features))
    assert not torch.allclose(linear_fodf(features), deconvolve(features), atol=0.02)


def test_noise_of_the_fodf_is_that_of_all_shells_together():
    """If it were underestimated, neighbours would seem to differ; so, the noise falls nearly by the root of 27."""
    features = noisy_block(make_gradient_table([(1000, 30), (2000, 20)], 40, seed=2))
    before, after = deconvolve(features), linear_fodf(features)[..., 1:-1, 1:-1, 1:-1]
    falls = before.std(dim=(2, 3, 4)) / after.std(dim=(2, 3, 4))
    assert 3.5 < falls[:, 1:].median() < 5.5


def test_padding_of_a_batch_does_not_change_the_average():
    """A shell that is not there adds neither signal nor noise."""
    one = noisy_block(make_gradient_table([(1000, 30)], 4, seed=1))
    two = noisy_block(make_gradient_table([(1000, 30), (2000, 20)], 4, seed=2), seed=1)
    together = linear_fodf(QSpaceFeatures.stack([one, two]))
    torch.testing.assert_close(together[:1], linear_fodf(one), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together[1:], linear_fodf(two), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shells", [[(1000, 200)], [(3000, 200)], [(700, 100), (2000, 200)]])
def test_trust_is_the_share_of_the_true_fodf_that_is_left(shells):
    """Without noise, of a fibre with the response that is assumed."""
    table = make_gradient_table(shells, 1, seed=3)
    signal = fibre_signal(FIBRE @ table.directions.T, table.bvals / 1000)
    block = torch.tensor(signal[:, None, None, None], dtype=torch.float32)
    features = QSpaceProjection(table)(block, torch.ones(1, 1, 1, dtype=torch.bool), 1.0)
    found = deconvolve(features)[0, :, 0, 0, 0].numpy()
    truth = evaluation_matrix(FIBRE[None], 6)[0] * lobe(6)
    trust = fodf_trust(features)[0].numpy()
    for order, share in zip((0, 2, 4, 6), trust, strict=True):
        of_order = coefficient_orders(6) == order
        assert found[of_order] @ truth[of_order] / np.square(truth[of_order]).sum() == pytest.approx(share, abs=0.02)
    assert np.all(np.diff(trust) < 0)
    assert trust[0] > 0.95


def test_there_is_no_trust_in_orders_that_were_not_fitted():
    trusts = [fodf_trust(noisy_block(make_gradient_table([(3000, n)], 1)))[0] for n in (10, 20, 30)]
    assert [(trust > 0).tolist() for trust in trusts] == [[True] * 2 + [False] * 2, [True] * 3 + [False], [True] * 4]
    padded = QSpaceFeatures.stack(
        [noisy_block(make_gradient_table(shells, 1)) for shells in ([(1000, 30)], [(1000, 30), (3000, 30)])]
    )
    both = fodf_trust(padded)
    assert both.shape == (2, 4)
    assert both[1, 3] > both[0, 3] + 0.2
