"""Test voxels of the library's own simulator, and of another one that no model was trained on.

The prior is that of the former measurements with which the aims were set: 0, 1, 2 or 3 populations in 20, 35, 30 and
15 % of the voxels, at least 30 degrees apart, each at least 0.18 of the voxel; up to 40 % CSF and GM beside
fibres; up to 80 % CSF in grey matter. All b0 signals are alike, so that the SNR is that of every voxel.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ...scans.gradient_table import GradientTable
from ...simulation.microstructure import Microstructure
from ...simulation.signal import simulate_voxels
from .voxel_set import MOST_FIBRES, VoxelSet

PREVALENCE = (0.20, 0.35, 0.30, 0.15)
LEAST_ANGLE = 30.0
LEAST_SHARE = 0.18
#: Least white matter in a voxel of 1, 2 and 3 populations.
_WHITE_MATTER = (0.2, 0.5, 0.7)
_MOST_CSF = 0.8
# The library draws from wider ranges in training; these are healthy white matter.
_PARALLEL = (1.5e-3, 2.3e-3)
_STICK = (0.4, 0.75)
_DISPERSION = (0.0, 0.08)
_GM = (0.7e-3, 1.0e-3)
#: Eigenvalues in mm²/s of the other simulator's fibres, and its isotropic diffusivities of CSF and GM.
OTHER_TENSOR = (2.2e-3, 0.4e-3, 0.4e-3)
OTHER_ISOTROPIC = (3.1e-3, 0.95e-3)


@dataclass(frozen=True)
class Configurations:
    """What voxels hold.

    Attributes:
        counts: (V,) number of populations.
        directions: (V, 3, 3) unit vectors [fibre, component], world frame.
        fractions: (V, 3) shares of CSF, GM and WM.
        fibre_fractions: (V, 3) shares of the WM, descending, zero where absent.
    """

    counts: np.ndarray
    directions: np.ndarray
    fractions: np.ndarray
    fibre_fractions: np.ndarray

    @property
    def peaks(self) -> np.ndarray:
        """(V, 3, 3) directions times share of the voxel."""
        return self.directions * (self.fibre_fractions * self.fractions[:, 2:])[..., None]


def draw_configurations(count: int, seed: int) -> Configurations:
    """Random voxels of the prior above, in random order."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.repeat(np.arange(4), _shares(count)))
    # Most fibre voxels hold little else: partial volume is small more often than large.
    rest = (1 - np.array([1.0, *_WHITE_MATTER])[numbers]) * rng.uniform(0, 1, count) ** 2
    white = np.where(numbers > 0, 1 - rest, 0.0)
    csf = np.where(numbers > 0, rng.uniform(0, 1, count) * (1 - white), rng.uniform(0, _MOST_CSF, count))
    fibre_fractions = np.zeros((count, MOST_FIBRES))
    for number in range(1, MOST_FIBRES + 1):
        chosen = numbers == number
        least = LEAST_SHARE / white[chosen, None] if number > 1 else np.zeros((chosen.sum(), 1))
        rest = rng.dirichlet(np.ones(number), chosen.sum())
        fibre_fractions[chosen, :number] = least + (1 - number * least) * rest
    fractions = np.stack([csf, 1 - white - csf, white], axis=1)
    return Configurations(numbers, separate_directions(count, rng), fractions, -np.sort(-fibre_fractions, axis=1))


def _shares(count: int) -> np.ndarray:
    """How many of ``count`` voxels have 0, 1, 2 and 3 populations."""
    edges = np.round(count * np.cumsum((0.0, *PREVALENCE))).astype(int)
    return np.diff(edges)


def separate_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3, 3) random unit vectors; the three of a voxel are at least 30 degrees apart as axes."""
    directions = np.zeros((count, MOST_FIBRES, 3))
    missing = np.arange(count)
    while len(missing):
        drawn = rng.standard_normal((len(missing), MOST_FIBRES, 3))
        drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
        cosines = np.abs(np.einsum("vic,vjc->vij", drawn, drawn))[:, *np.triu_indices(MOST_FIBRES, 1)]
        apart = np.all(cosines <= np.cos(np.radians(LEAST_ANGLE)), axis=1)
        directions[missing[apart]] = drawn[apart]
        missing = missing[~apart]
    return directions


def own_voxels(gradients: GradientTable, count: int, seed: int) -> VoxelSet:
    """Voxels of the library's simulator: sticks and zeppelins, dispersed, values random in each voxel."""
    voxels = draw_configurations(count, seed)
    generator = torch.Generator().manual_seed(seed)

    def uniform(limits: tuple[float, float], *shape: int) -> torch.Tensor:
        return limits[0] + (limits[1] - limits[0]) * torch.rand(count, *shape, generator=generator)

    tissue = Microstructure(
        parallel_diffusivity=uniform(_PARALLEL)[:, None].expand(-1, MOST_FIBRES),
        stick_fraction=uniform(_STICK, MOST_FIBRES),
        dispersion=uniform(_DISPERSION, MOST_FIBRES),
        gm_diffusivity=uniform(_GM),
        b0_signal=(1.0, 1.0, 1.0),
    )
    fractions, directions, fibre_fractions = (
        torch.from_numpy(part).float() for part in (voxels.fractions, voxels.directions, voxels.fibre_fractions)
    )
    signal = simulate_voxels(fractions, directions, fibre_fractions, gradients, tissue)
    return VoxelSet(gradients, signal.numpy().T, voxels.counts, voxels.peaks)


def other_voxels(gradients: GradientTable, count: int, seed: int) -> VoxelSet:
    """Voxels of ``dipy.sims.voxel.multi_tensor``: fixed tensors, no sticks, no dispersion, no tortuosity."""
    from dipy.core.gradients import gradient_table
    from dipy.sims.voxel import multi_tensor

    voxels = draw_configurations(count, seed)
    table = gradient_table(gradients.bvals, bvecs=gradients.directions, b0_threshold=gradients.b0_threshold)
    eigenvalues = np.array([OTHER_TENSOR] * MOST_FIBRES + [[value] * 3 for value in OTHER_ISOTROPIC])
    shares = np.concatenate([voxels.fibre_fractions * voxels.fractions[:, 2:], voxels.fractions[:, :2]], axis=1)
    axes = np.concatenate([voxels.directions, np.broadcast_to([0.0, 0.0, 1.0], (count, 2, 3))], axis=1)
    signal = [
        multi_tensor(table, eigenvalues, S0=1.0, angles=axis, fractions=100 * share, snr=None)[0]
        for axis, share in zip(axes, shares, strict=True)
    ]
    return VoxelSet(gradients, np.asarray(signal, dtype=np.float32), voxels.counts, voxels.peaks)
