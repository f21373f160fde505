from pathlib import Path

import dipy.data
import numpy as np
import pytest
from scipy.special import sph_harm_y

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.qspace.shells import fit_order, fit_shell, fit_table
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table

DIPY_FILES = Path(dipy.data.__file__).parent / "files"


def table_of(bvals, directions) -> GradientTable:
    """A table with one b0 in front."""
    return GradientTable(
        np.concatenate([[0.0], np.broadcast_to(bvals, len(directions))]), np.vstack([np.zeros(3), directions])
    )


def dsi_table(name: str) -> GradientTable:
    """A Cartesian table in the files of DIPY: b and direction, or direction times b, one volume a line."""
    values = np.loadtxt(DIPY_FILES / name, delimiter="," if name.startswith("gtab") else None)
    vectors = values[:, -3:]
    lengths = np.linalg.norm(vectors, axis=1)
    directions = vectors / np.maximum(lengths, 1e-9)[:, None]
    return GradientTable(lengths if values.shape[1] == 3 else values[:, 0], directions)


@pytest.mark.parametrize(("count", "order"), [(6, 2), (14, 2), (15, 4), (27, 4), (28, 6), (90, 6)])
def test_order_grows_with_the_number_of_directions(count, order):
    assert fit_order(count) == order
    (fit,) = fit_table(make_gradient_table([(1000, count)], 1))
    assert fit.order == order
    unused = {2: 6, 4: 15, 6: 28}[order]
    assert np.all(fit.fit[unused:] == 0)
    assert np.any(fit.fit[unused - 1] != 0)


def test_repeated_and_opposite_directions_carry_no_more(random_directions):
    directions = random_directions(10)
    (fit,) = fit_table(table_of(1000, np.concatenate([directions, -directions, directions])))
    assert fit.order == 2
    assert len(fit.indices) == 30
    five = np.tile(directions[:5], (8, 1))
    with pytest.raises(UserError, match="6 distinct directions"):
        fit_table(table_of(1000, five))


def test_five_directions_are_refused_in_one_line(random_directions):
    with pytest.raises(UserError, match="expected at least 6 distinct directions") as caught:
        fit_table(table_of(1000, random_directions(5)))
    assert "\n" not in str(caught.value)
    assert "5 x 1000" in str(caught.value)


@pytest.mark.parametrize(("bvalue", "relative_strength"), [(1000.0, 1e-4), (3000.0, 3e-5)])
def test_fit_shrinks_each_order_as_laplace_beltrami_does(bvalue, relative_strength):
    """On even directions B'B is N / 4 pi, so that order l comes out times 1 / (1 + 4 pi k (l (l + 1))²)."""
    table = make_gradient_table([(bvalue, 90)], 1, seed=4)
    (fit,) = fit_table(table)
    x, y, z = table.directions[fit.indices].T
    for degree in (0, 2, 4, 6):
        harmonic = np.sqrt(2) * sph_harm_y(degree, min(1, degree), np.arccos(z), np.arctan2(y, x)).real
        column = degree * (degree + 1) // 2 + min(1, degree)
        recovered = (fit.fit @ harmonic)[column] / (np.sqrt(2) if degree == 0 else 1)
        expected = 1 / (1 + 4 * np.pi * relative_strength * (degree * (degree + 1)) ** 2)
        assert recovered == pytest.approx(expected, abs=0.03)


def test_prediction_of_a_fit_is_the_function_it_describes(random_directions):
    table = table_of(1000, random_directions(40))
    fit = fit_shell(table.shells()[0], table)
    coefficients = np.zeros(28)
    coefficients[3] = 1.0  # l = 2, m = 0
    z = table.directions[fit.indices, 2]
    np.testing.assert_allclose(fit.predict @ coefficients, np.sqrt(5 / (16 * np.pi)) * (3 * z**2 - 1), atol=1e-12)


def test_degrees_of_freedom_lie_between_those_of_full_and_no_fit():
    (many,) = fit_table(make_gradient_table([(1000, 90)], 1))
    assert 90 - 28 < many.degrees_of_freedom < 89
    (few,) = fit_table(make_gradient_table([(1000, 6)], 1))
    assert few.degrees_of_freedom >= 1


def test_every_usable_shell_is_fitted_by_ascending_bvalue():
    table = make_gradient_table([(3000, 60), (700, 5), (1000, 20), (2000, 30), (500, 6)], 3)
    fits = fit_table(table)
    assert [(fit.bvalue, len(fit.indices), fit.order) for fit in fits] == [
        (500, 6, 2),
        (1000, 20, 4),
        (2000, 30, 6),
        (3000, 60, 6),
    ]
    for fit in fits:
        assert np.all(table.bvals[fit.indices] == fit.bvalue)


@pytest.mark.parametrize("name", ["gtab_taiwan_dsi.txt", "dsi515_b_table.txt", "dsi4169_b_table.txt"])
def test_cartesian_tables_become_narrow_shells(name):
    table = dsi_table(name)
    fits = fit_table(table)
    used = np.concatenate([fit.indices for fit in fits])
    assert len(np.unique(used)) == len(used) > 0.8 * np.count_nonzero(~table.is_b0)
    for fit in fits:
        bvals = table.bvals[fit.indices]
        assert np.all(np.abs(bvals / fit.bvalue - 1) < 0.11)
        axes = np.unique(np.round(np.abs(table.directions[fit.indices] @ [0.7, 0.13, 0.4]), 6))
        assert len(axes) >= 6
        assert np.all(np.isfinite(fit.fit))


def test_scattered_bvalues_are_gathered_in_pseudo_shells(random_directions):
    """Two directions at each b-value, 6 % apart: no shell of six, but eight in each bin of +-10 %."""
    bvals = 1000 * 1.06 ** np.repeat(np.arange(12), 2)
    table = table_of(bvals, random_directions(24))
    assert max(len(shell.indices) for shell in table.shells()) == 2
    fits = fit_table(table)
    assert [len(fit.indices) for fit in fits] == [8, 8, 8]
    for fit in fits:
        inside = table.bvals[fit.indices]
        assert inside.max() / inside.min() <= 1.1 / 0.9
        assert fit.bvalue == pytest.approx(inside.mean())


def test_bvalues_too_scattered_for_pseudo_shells_are_refused(random_directions):
    with pytest.raises(UserError, match="cannot be used"):
        fit_table(table_of(1000 * 1.06 ** np.arange(12), random_directions(12)))
