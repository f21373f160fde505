"""From a gradient table to one fitting matrix a shell."""

from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..scans.gradient_table import MINIMUM_DIRECTIONS, GradientTable, Shell, count_directions
from .harmonics import coefficient_count, coefficient_orders, evaluation_matrix

#: Spherical harmonics order of the features; 8 adds nothing at clinical noise (64 directions, SNR 20).
FEATURE_ORDER = 6
FEATURE_COEFFICIENTS = coefficient_count(FEATURE_ORDER)

#: Strength of the penalty for each direction, up to this b-value (s/mm²) and above: there is more detail to lose there.
HIGH_B = 1500.0
LOW_B_SMOOTHNESS = 1e-4
HIGH_B_SMOOTHNESS = 3e-5

#: Width of a pseudo-shell of a Cartesian (DSI) table, relative to its mean b-value.
PSEUDO_SHELL_TOLERANCE = 0.10


@dataclass(frozen=True)
class ShellFit:
    """How the signal of one shell becomes spherical harmonics coefficients.

    Attributes:
        bvalue: mean b-value in s/mm².
        indices: (N,) volumes of the scan.
        order: largest order fitted, 2, 4 or 6.
        fit: (28, N) coefficients from signals; rows above ``order`` are zero.
        predict: (N, 28) signals from coefficients.
        degrees_of_freedom: N minus the effective number of parameters, at least 1.
    """

    bvalue: float
    indices: np.ndarray
    order: int
    fit: np.ndarray
    predict: np.ndarray
    degrees_of_freedom: float


def fit_order(distinct_directions: int) -> int:
    """Order that this many distinct directions carry: 6 from 28 on, 4 from 15 on, else 2."""
    if distinct_directions >= coefficient_count(6):
        return 6
    return 4 if distinct_directions >= coefficient_count(4) else 2


def fit_shell(shell: Shell, table: GradientTable) -> ShellFit:
    """Laplace-Beltrami regularised fit of one shell.

    The penalty is ``lambda (l (l + 1))²`` (Descoteaux et al. 2007, Magn Reson Med 58:497, eq. 15) with
    lambda proportional to the number of directions, so that few directions are not over-smoothed.

    Args:
        shell: volumes to fit.
        table: table of the scan; coefficients come out in the frame of its directions.
    """
    directions = table.directions[shell.indices]
    order = fit_order(count_directions(directions))
    design = evaluation_matrix(directions, order)
    strength = LOW_B_SMOOTHNESS if shell.bvalue <= HIGH_B else HIGH_B_SMOOTHNESS
    orders = coefficient_orders(order)
    penalty = np.diag(strength * len(directions) * (orders * (orders + 1.0)) ** 2)
    solution = np.linalg.solve(design.T @ design + penalty, design.T)
    fit = np.zeros((FEATURE_COEFFICIENTS, len(directions)))
    fit[: len(solution)] = solution
    predict = evaluation_matrix(directions, FEATURE_ORDER)
    freedom = len(directions) - float(np.trace(design @ solution))
    return ShellFit(shell.bvalue, shell.indices, order, fit, predict, max(freedom, 1.0))


def fit_table(table: GradientTable) -> tuple[ShellFit, ...]:
    """One fit for every usable shell, by ascending b-value.

    Raises:
        UserError: see ``usable_shells``.
    """
    return tuple(fit_shell(shell, table) for shell in usable_shells(table))


def usable_shells(table: GradientTable) -> tuple[Shell, ...]:
    """The shells that can be fitted, by ascending b-value.

    A Cartesian (DSI) table, most of whose volumes lie on no shell of six directions, is read as
    pseudo-shells of +-10 % around their mean b-value; what lies on none of those is left out.

    Raises:
        UserError: if no shell, real or pseudo, has six distinct directions.
    """
    shells = _usable(table.shells(), table)
    weighted = int((~table.is_b0).sum())
    if sum(len(shell.indices) for shell in shells) < weighted / 2:
        shells = _usable(_pseudo_shells(table), table)
    if not shells:
        raise UserError(
            f"gradient table ({table.describe()}): expected at least {MINIMUM_DIRECTIONS} distinct directions with one "
            "b-value (+-10 % for Cartesian tables), found none; this scan cannot be used"
        )
    return shells


def _usable(shells: tuple[Shell, ...], table: GradientTable) -> tuple[Shell, ...]:
    return tuple(s for s in shells if count_directions(table.directions[s.indices]) >= MINIMUM_DIRECTIONS)


def _pseudo_shells(table: GradientTable) -> tuple[Shell, ...]:
    """Greedy bins: each starts at the lowest b-value left and is at most +-10 % wide."""
    left = np.sort(np.flatnonzero(~table.is_b0))
    left = left[np.argsort(table.bvals[left], kind="stable")]
    ratio = (1 + PSEUDO_SHELL_TOLERANCE) / (1 - PSEUDO_SHELL_TOLERANCE)
    shells = []
    while len(left):
        inside = table.bvals[left] <= table.bvals[left[0]] * ratio
        members = left[inside]
        shells.append(Shell(float(np.mean(table.bvals[members])), np.sort(members)))
        left = left[~inside]
    return tuple(shells)
