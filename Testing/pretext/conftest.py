"""Patches of a smooth random field of tensors, whose signal is known without noise."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, normalize

from DMRIPretrainLib.pretext.recipe import RawPatch
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.artifacts.artifact import Acquisition
from DMRIPretrainLib.simulation.tables import make_gradient_table


@pytest.fixture(scope="session")
def make_patch() -> Callable[..., RawPatch]:
    """See ``simulate_patch``."""
    return simulate_patch


def simulate_patch(
    shells=((1000.0, 30),),
    size: int = 16,
    sigma: float = 20.0,
    known: bool = True,
    isotropic: bool = False,
    seed: int = 0,
) -> RawPatch:
    """A ball of tissue with two b0s, of about 1000 at b = 0, in a background of noise.

    Args:
        sigma: standard deviation of its Rician noise.
        known: whether the patch tells the signal without noise.
        isotropic: whether the tensors are.
    """
    generator = torch.Generator().manual_seed(seed)
    table = make_gradient_table(shells, 2, seed)
    coarse = torch.randn((1, 5, 4, 4, 4), generator=generator)
    field = interpolate(coarse, size=(size,) * 3, mode="trilinear", align_corners=True)[0]
    axis = normalize(field[:3], dim=0)
    share = torch.zeros_like(field[3]) if isotropic else torch.sigmoid(field[3])
    cosine = torch.einsum("nc,cxyz->nxyz", torch.tensor(table.directions, dtype=torch.float32), axis)
    bvals = torch.tensor(table.bvals, dtype=torch.float32)[:, None, None, None]
    diffusivity = 0.7e-3 + 1.4e-3 * share * (cosine**2 - 1 / 3)
    positions = torch.linspace(-1, 1, size)
    mask = positions[:, None, None] ** 2 + positions[:, None] ** 2 + positions**2 < 0.9
    clean = 1000 * torch.exp(0.2 * field[4]) * torch.exp(-bvals * diffusivity) * mask
    noise = sigma * torch.randn((2, *clean.shape), generator=generator)
    signal = ((clean + noise[0]) ** 2 + noise[1] ** 2).sqrt() if sigma > 0 else clean.clone()
    b0_median = float(clean[:2].mean(0)[mask].median())
    acquisition = Acquisition(signal, table, (2.0, 2.0, 2.0), mask)
    return RawPatch(acquisition, b0_median, clean if known else None)


def alike(table: GradientTable, volume: torch.Tensor) -> Acquisition:
    """An acquisition whose volumes are all the same (X, Y, Z) one; its mask is where that is not zero."""
    return Acquisition(volume.expand(len(table), *volume.shape).clone(), table, (2.0, 2.0, 2.0), volume > 0)


@pytest.fixture(scope="session")
def make_alike() -> Callable[[torch.Tensor], Acquisition]:
    """``make_alike(volume)``: all volumes of a table of two b0s and 20 directions are the same."""
    return lambda volume: alike(make_gradient_table([(1000, 20)], 2), volume)


@pytest.fixture(scope="session")
def spread() -> Callable[[torch.Tensor], float]:
    """Largest difference between volumes (N, ...) in one voxel."""
    return lambda signal: float(np.ptp(signal.numpy(), axis=0).max())
