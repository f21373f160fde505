"""Patches of simulated scans with truth: brains and mosaics, with random tissue, protocol and artifacts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from ..pretext.recipe import RawPatch
from ..scans.frames import cube_symmetries
from ..scans.gradient_table import GradientTable
from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition
from ..simulation.artifacts.corrupt import corrupt
from ..simulation.artifacts.noise import Noise
from ..simulation.microstructure import Microstructure, draw_b0_signal, draw_fibres, draw_isotropic
from ..simulation.mosaic import simulate_mosaic
from ..simulation.phantom import Phantom, shape_around_brain, simulate_brain
from ..simulation.signal import simulate_voxels
from ..simulation.tables import draw_gradient_table

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


@dataclass(frozen=True)
class SimulationPrior:
    """What is simulated how often.

    Attributes:
        brains: number of different brains; their seeds count from 0.
        voxel_size: smallest and largest edge of voxels in mm.
        mosaics: share of patches that are mosaics of unrelated voxels or blocks.
        largest_block: largest edge of the blocks of a mosaic in voxels; every edge from 1 on is as likely.
        snr: smallest and largest b0 signal of white matter over the noise, log-uniform.
        clean: share of patches without artifacts, noise apart.
        artifact: probability of each artifact in the others.
        shading: largest factor, and its inverse the smallest, of the median b0 of a brain over that of its patch.
    """

    brains: int = 40
    voxel_size: tuple[float, float] = (1.5, 3.2)
    mosaics: float = 0.4
    largest_block: int = 5
    snr: tuple[float, float] = (8.0, 50.0)
    clean: float = 0.5
    artifact: float = 0.2
    shading: float = 1.5


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
        inside = _simulate(phantom, tissue, table)
        clean = torch.zeros((len(table), *phantom.mask.shape), device=self._device)
        clean[:, phantom.mask] = inside
        voxel = np.linalg.norm(phantom.affine[:3, :3], axis=0)
        acquisition = Acquisition(clean, table, tuple(voxel.tolist()), phantom.mask)  # type: ignore[arg-type]
        corrupted = self._corrupt(acquisition, tissue.b0_signal[2], generator)
        truth = {
            "segmentation": phantom.segmentation,
            "crossings": phantom.crossings,
            "orientation": phantom.peaks,
        }
        return RawPatch(corrupted, b0_median, clean, truth)

    def _corrupt(self, clean: Acquisition, b0_signal: float, generator: torch.Generator) -> Acquisition:
        prior = self._prior
        names = [name for name in _ARTIFACTS if draws.uniform(generator, 0, 1) < prior.artifact]
        strength = draws.uniform(generator, 0, 1)
        if draws.uniform(generator, 0, 1) >= prior.clean:
            clean = corrupt(clean, names, generator, strength)[0]
        snr, coils = draws.log_uniform(generator, *prior.snr), draws.integer(generator, 1, 4)
        # With more coils the floor rises by their root; the noise of each is that much smaller.
        coils = 1 if draws.uniform(generator, 0, 1) < 0.75 else coils
        noise = Noise(b0_signal / snr / coils**0.5, coils, seed=draws.seed(generator))
        return noise(clean)

    def _mosaic(self, generator: torch.Generator) -> tuple[Phantom, Microstructure, float]:
        block = draws.integer(generator, 1, self._prior.largest_block)
        phantom, tissue = simulate_mosaic((self._size,) * 3, generator, block)
        phantom, tissue = phantom.to(self._device), _moved(tissue, self._device)
        return phantom, tissue, _b0_median(phantom, tissue)

    def _brain_patch(self, generator: torch.Generator) -> tuple[Phantom, Microstructure, float]:
        brain = self._brain(draws.integer(generator, 0, self._prior.brains - 1))
        tissue = Microstructure(b0_signal=draw_b0_signal(generator))
        inside = torch.nonzero(brain.mask)
        centre = inside[draws.integer(generator, 0, len(inside) - 1)].tolist()
        matrix = _SYMMETRIES[draws.integer(generator, 0, 47)] if draws.uniform(generator, 0, 1) < 0.3 else np.eye(3)
        if draws.integer(generator, 0, 1):
            matrix = np.diag([-1.0, 1.0, 1.0]) @ matrix
        patch = turn(crop(brain, centre, self._size), matrix)
        values = _smooth_values(generator, patch.mask)
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
            self._brains[seed] = _half(brain)
        return self._brains[seed]


def crop(phantom: Phantom, centre: list[int], size: int) -> Phantom:
    """A cube around a voxel, moved inside the volume; smaller volumes are padded with nothing on the far sides."""
    where = []
    for middle, length in zip(centre, phantom.mask.shape, strict=True):
        start = min(max(middle - size // 2, 0), max(length - size, 0))
        where.append(slice(start, min(start + size, length)))

    def cut(tensor: torch.Tensor) -> torch.Tensor:
        part = tensor[tuple(where)]
        missing = [(0, size - length) for length in part.shape[:3]]
        padding = [0, 0] * (part.ndim - 3) + [side for pair in reversed(missing) for side in pair]
        part = functional.pad(part, padding)
        return part.float() if part.is_floating_point() else part

    return _each(phantom, cut)


def turn(phantom: Phantom, matrix: np.ndarray) -> Phantom:
    """Turn a phantom with a diagonal affine by a signed permutation matrix, its directions with it."""
    source = np.abs(matrix).argmax(axis=1).tolist()
    flipped = [axis for axis in range(3) if matrix[axis, source[axis]] < 0]
    turned = _each(phantom, lambda tensor: tensor.permute(*source, *range(3, tensor.ndim)).flip(flipped))
    rotation = torch.as_tensor(matrix, dtype=torch.float32, device=phantom.mask.device)
    affine = np.diag([*phantom.affine.diagonal()[:3][source], 1.0])
    return replace(turned, directions=turned.directions @ rotation.T, affine=affine)


def _each(phantom: Phantom, change: Callable[[torch.Tensor], torch.Tensor]) -> Phantom:
    names = ("fractions", "directions", "fibre_fractions", "mask", "lesions")
    return replace(phantom, **{name: change(getattr(phantom, name)) for name in names})


def _half(phantom: Phantom) -> Phantom:
    """Half precision where it is enough; a pool of brains is large."""
    return _each(phantom, lambda t: t.half() if t.is_floating_point() else t)


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


def _simulate(phantom: Phantom, tissue: Microstructure, table: GradientTable) -> torch.Tensor:
    mask = phantom.mask
    return simulate_voxels(
        phantom.fractions[mask],
        phantom.directions[mask],
        phantom.fibre_fractions[mask],
        table,
        tissue,
        phantom.lesions[mask],
    )


def _b0_median(phantom: Phantom, tissue: Microstructure) -> float:
    fractions = phantom.fractions[phantom.mask]
    fractions = fractions[:: max(1, len(fractions) // 20_000)].float()
    return float((fractions @ torch.tensor(tissue.b0_signal, device=fractions.device)).median())


def _moved(tissue: Microstructure, device: torch.device) -> Microstructure:
    tensors = {k: v.to(device) for k, v in vars(tissue).items() if isinstance(v, torch.Tensor)}
    return replace(tissue, **tensors)
