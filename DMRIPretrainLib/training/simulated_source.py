"""Patches of simulated scans with truth: brains and mosaics, with random tissue, protocol and artifacts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..pretext.directions import can_be_fitted
from ..pretext.recipe import RawPatch
from ..scans.frames import cube_symmetries
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from ..simulation.artifacts.corrupt import corrupt
from ..simulation.artifacts.noise import Noise
from ..simulation.microstructure import Microstructure, draw_b0_signal, draw_fibres, draw_isotropic
from ..simulation.mosaic import draw_prior, simulate_mosaic
from ..simulation.phantom import Phantom, shape_around_brain, simulate_brain
from ..simulation.signal import simulate_volumes
from ..simulation.tables import draw_gradient_table
from .cube import Cube, turn_volume

#: Artifacts that leave anatomy where the truth says it is.
_ARTIFACTS = (
    "motion",
    "intra_volume_motion",
    "eddy",
    "slice_dropout",
    "drift",
    "bias_field",
    "gibbs",
    "ghost",
    "spikes",
    "gradient_errors",
)
_SYMMETRIES = cube_symmetries()
#: Share of the patches of brains that are turned by a random one of them; half of all are mirrored left to right.
_TURNED = 0.3
#: Share of patches with Rician noise; others have that of one to four coils.
_ONE_COIL = 0.75
#: Largest logarithm of the smooth factor on the signal of a patch.
_SHADE = 0.29


@dataclass(frozen=True)
class SimulationPrior:
    """What is simulated how often.

    Attributes:
        brains: number of different brains; their seeds count from 0.
        voxel_size: smallest and largest edge of voxels in mm.
        mosaics: share of patches that are mosaics of unrelated voxels or blocks.
        scattered: share of the mosaics whose voxels have nothing to do with their neighbours.
        largest_block: largest edge of the blocks of the others in voxels; every edge from 2 on is as likely.
        flat_mosaics: share of the mosaics without b0 contrast.
        snr: smallest and largest b0 signal of white matter over the noise, log-uniform.
        clean: share of patches without artifacts, noise apart.
        artifact: probability of each artifact in the others.
        shading: largest factor, and its inverse the smallest, of the median b0 of a brain over that of its patch.
        loose_masks: share of patches of brains whose mask has a rim of air.
    """

    brains: int = 40
    voxel_size: tuple[float, float] = (1.5, 3.2)
    mosaics: float = 0.5
    scattered: float = 0.4
    largest_block: int = 5
    flat_mosaics: float = 0.3
    snr: tuple[float, float] = (8.0, 50.0)
    clean: float = 0.5
    artifact: float = 0.2
    shading: float = 1.5
    loose_masks: float = 0.3


class SimulatedSource:
    """Draws patches of simulated scans.

    Args:
        size: edge of a patch in voxels.
        prior: what is simulated.
        device: where to simulate.
    """

    def __init__(self, size: int, prior: SimulationPrior | None = None, device: torch.device | str = "cpu") -> None:
        self._size = size
        self._prior = prior or SimulationPrior()
        self._device = torch.device(device)
        self._brains: dict[int, Phantom] = {}

    def draw(self, generator: torch.Generator) -> RawPatch:
        """A patch; equal states of the generator, which is on the CPU, give equal patches."""
        is_mosaic = draws.uniform(generator, 0, 1) < self._prior.mosaics
        phantom, tissue, b0_median = self._mosaic(generator) if is_mosaic else self._brain_patch(generator)
        table = draw_gradient_table(np.random.default_rng(draws.seed(generator)))
        clean = simulate_volumes(phantom, table, tissue) * _shade(generator, phantom.mask)
        mask = phantom.mask if is_mosaic else self._loose(phantom.mask, generator)
        x, y, z = phantom.affine.diagonal()[:3].tolist()
        acquisition = Acquisition(clean, table, (x, y, z), mask)
        corrupted = self._corrupt(acquisition, tissue.b0_signal[2], generator)
        truth = {
            "segmentation": phantom.segmentation,
            "crossings": phantom.crossings,
            "orientation": phantom.peaks,
        }
        return RawPatch(corrupted, b0_median, clean, truth)

    def _loose(self, mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A mask that sometimes holds a rim of air, as masks do that were made by a threshold or on another image."""
        if draws.uniform(generator, 0, 1) >= self._prior.loose_masks:
            return mask
        reach = 2 * draws.integer(generator, 1, 2) + 1
        return functional.max_pool3d(mask[None].float(), reach, stride=1, padding=reach // 2)[0] > 0

    def _corrupt(self, clean: Acquisition, b0_signal: float, generator: torch.Generator) -> Acquisition:
        prior = self._prior
        names = [name for name in _ARTIFACTS if draws.uniform(generator, 0, 1) < prior.artifact]
        strength = draws.uniform(generator, 0, 1)
        if draws.uniform(generator, 0, 1) >= prior.clean:
            corrupted = corrupt(clean, names, generator, strength)[0]
            # Errors of its table may leave no b0 or shell.
            clean = corrupted if can_be_fitted(corrupted.gradients) else clean
        snr, coils = draws.log_uniform(generator, *prior.snr), draws.integer(generator, 1, 4)
        # With more coils the floor rises by their root; the noise of each is that much smaller.
        coils = 1 if draws.uniform(generator, 0, 1) < _ONE_COIL else coils
        noise = Noise(b0_signal / snr / coils**0.5, coils, seed=draws.seed(generator))
        return noise(clean)

    def _mosaic(self, generator: torch.Generator) -> tuple[Phantom, Microstructure, float]:
        scattered = draws.uniform(generator, 0, 1) < self._prior.scattered
        block = 1 if scattered else draws.integer(generator, 2, self._prior.largest_block)
        phantom, tissue = simulate_mosaic((self._size,) * 3, generator, block, draw_prior(generator))
        if draws.uniform(generator, 0, 1) < self._prior.flat_mosaics:
            tissue = replace(tissue, b0_signal=(1000.0, 1000.0, 1000.0))
        phantom, tissue = phantom.to(self._device), tissue.to(self._device)
        return phantom, tissue, _b0_median(phantom, tissue)

    def _brain_patch(self, generator: torch.Generator) -> tuple[Phantom, Microstructure, float]:
        brain = self._brain(draws.integer(generator, 0, self._prior.brains - 1))
        tissue = Microstructure(b0_signal=draw_b0_signal(generator))
        inside = torch.nonzero(brain.mask)
        centre = inside[draws.integer(generator, 0, len(inside) - 1)].tolist()
        matrix = _SYMMETRIES[draws.integer(generator, 0, 47)] if draws.uniform(generator, 0, 1) < _TURNED else np.eye(3)
        if draws.integer(generator, 0, 1):
            matrix = np.diag([-1.0, 1.0, 1.0]) @ matrix
        cube = Cube.around(tuple(centre), tuple(brain.mask.shape), self._size)
        patch = turn_phantom(cut_phantom(brain, cube), matrix)
        values: dict[str, Any] = _smooth_values(generator, patch.mask)
        # Coil sensitivities make one part of a brain brighter than another.
        shading = draws.log_uniform(generator, 1 / self._prior.shading, self._prior.shading)
        return patch, replace(tissue, **values), _b0_median(brain, tissue) * shading

    def _brain(self, seed: int) -> Phantom:
        """The brain of a seed, made when it is first asked for."""
        if seed not in self._brains:
            generator = torch.Generator().manual_seed(seed)
            low, high = self._prior.voxel_size
            edge = draws.uniform(generator, low, high)
            slices = draws.uniform(generator, edge, min(1.6 * edge, 1.3 * high)) if seed % 3 == 0 else edge
            lesions = draws.integer(generator, 1, 12) if seed % 4 == 0 else 0
            voxel = (edge, edge, slices)
            brain = simulate_brain(shape_around_brain(voxel), seed, self._device, voxel, lesions)
            # Half precision is enough, and a pool of brains is large.
            self._brains[seed] = _each(brain, lambda volume: _in_precision(volume, torch.float16))
        return self._brains[seed]


def cut_phantom(phantom: Phantom, cube: Cube) -> Phantom:
    """The part of a phantom in a cube, in single precision; the origin of its affine stays where it was."""
    return _each(phantom, lambda volume: _in_precision(cube.cut(volume), torch.float32))


def turn_phantom(phantom: Phantom, matrix: np.ndarray) -> Phantom:
    """Turn a phantom with a diagonal affine by a signed permutation matrix, its directions with it.

    See ``turn_volume``; the new affine has the edges of the voxels alone.
    """
    turned = _each(phantom, lambda volume: turn_volume(volume, matrix))
    rotation = torch.as_tensor(matrix, dtype=torch.float32, device=phantom.mask.device)
    affine = np.diag([*np.abs(matrix) @ phantom.affine.diagonal()[:3], 1.0])
    return replace(turned, directions=turned.directions @ rotation.T, affine=affine)


def _each(phantom: Phantom, change: Callable[[torch.Tensor], torch.Tensor]) -> Phantom:
    """A phantom with every volume changed, which ``change`` sees as (..., X, Y, Z)."""
    spatial, last = (0, 1, 2), (-3, -2, -1)
    volumes: dict[str, Any] = {
        name: change(volume.movedim(spatial, last)).movedim(last, spatial)
        for name, volume in vars(phantom).items()
        if isinstance(volume, torch.Tensor)
    }
    return replace(phantom, **volumes)


def _in_precision(volume: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A volume of floating point numbers in this precision, any other as it is."""
    return volume.to(dtype) if volume.is_floating_point() else volume


def _smooth_values(generator: torch.Generator, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Microstructure of a patch: one draw, with smooth changes of some 20 % (dispersion: by half), per voxel (V,)."""
    values = draw_fibres(generator, (1,)) | draw_isotropic(generator, (1,))
    coarse = torch.rand(1, len(values), 4, 4, 4, generator=generator)
    fields = functional.interpolate(coarse, size=mask.shape, mode="trilinear", align_corners=True)[0]
    fields = 2 * fields[:, mask.cpu()] - 1
    varied = {}
    for (name, value), field in zip(values.items(), fields, strict=True):
        varied[name] = (value * (1 + (0.5 if name == "dispersion" else 0.2) * field)).to(mask.device)
    varied["stick_fraction"] = varied["stick_fraction"].clamp(max=0.9)
    varied["perpendicular_diffusivity"] = torch.minimum(
        varied["perpendicular_diffusivity"], 0.8 * varied["parallel_diffusivity"]
    )
    return varied


def _shade(generator: torch.Generator, mask: torch.Tensor) -> torch.Tensor:
    """(X, Y, Z) smooth factors between 0.75 and 1.33: neither coils nor T2 are the same everywhere."""
    coarse = torch.rand(1, 1, 4, 4, 4, generator=generator)
    field = functional.interpolate(coarse, size=mask.shape, mode="trilinear", align_corners=True)[0, 0]
    return torch.exp(_SHADE * (2 * field - 1)).to(mask.device)


def _b0_median(phantom: Phantom, tissue: Microstructure) -> float:
    """Median b0 signal in the mask, of up to some 40,000 voxels."""
    fractions = phantom.fractions[phantom.mask]
    fractions = fractions[:: max(1, len(fractions) // 20_000)].float()
    return float((fractions @ torch.tensor(tissue.b0_signal, device=fractions.device)).median())
