from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre

from DMRIPretrainLib.qspace.deconvolution import deconvolve, fibre_response, lobe
from DMRIPretrainLib.qspace.features import QSpaceProjection
from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table


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


def linear_fodf(table: GradientTable, signal: np.ndarray) -> np.ndarray:
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
    values = linear_fodf(table, signal) @ matrix.T
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
    coefficients = linear_fodf(table, signal)[0]
    assert np.abs(coefficients[1:]).max() < 0.02
