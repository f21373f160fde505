"""Diffusivities, compartments and contrast of the tissues, fixed or drawn at random."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

Value = float | torch.Tensor


@dataclass(frozen=True)
class Microstructure:
    """Diffusivities (mm²/s), compartments and b0 contrast of the three tissues.

    A fibre population is a stick (intra-axonal) and a zeppelin (extra-axonal) with a common axis and parallel
    diffusivity, both spread around the axis by a Watson distribution. Every value is one number for all voxels, or a
    tensor with one for each voxel (V,); those of fibres may differ between the populations of a voxel (V, 3).

    Attributes:
        parallel_diffusivity: along the fibres.
        stick_fraction: share of the stick in the signal of a fibre population.
        perpendicular_diffusivity: of the zeppelin; None takes the tortuosity model d_perp = (1 - f) d_par (Szafer et
            al., MRM 33, 1995; Zhang et al., NeuroImage 61, 2012).
        dispersion: orientation dispersion index, 0 (parallel fibres) to 1 (no direction); the concentration is
            1 / tan(pi/2 ODI) (Zhang et al., NeuroImage 61, 2012, eq. 9).
        gm_diffusivity: isotropic, grey matter.
        csf_diffusivity: isotropic, free water at body temperature.
        lesion_diffusivity: isotropic, of the share of the white matter that a lesion replaces.
        b0_signal: of pure CSF, GM and WM, arbitrary units.
    """

    parallel_diffusivity: Value = 1.9e-3
    stick_fraction: Value = 0.55
    perpendicular_diffusivity: Value | None = None
    dispersion: Value = 0.0
    gm_diffusivity: Value = 0.8e-3
    csf_diffusivity: Value = 3.0e-3
    lesion_diffusivity: Value = 1.3e-3
    b0_signal: tuple[float, float, float] = (1500.0, 850.0, 650.0)

    @property
    def zeppelin_diffusivity(self) -> Value:
        """Perpendicular diffusivity of the zeppelin, given or by tortuosity."""
        if self.perpendicular_diffusivity is None:
            return (1 - self.stick_fraction) * self.parallel_diffusivity
        return self.perpendicular_diffusivity

    def changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Microstructure":
        """The same with every tensor changed; numbers stay."""
        values: dict[str, Any] = {
            name: change(value) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **values)

    def to(self, device: str | torch.device) -> "Microstructure":
        """The same with its tensors on a device."""
        return self.changed(lambda value: value.to(device))


DEFAULT_MICROSTRUCTURE = Microstructure()

# Healthy white matter (Zhang et al., NeuroImage 61, 2012; Novikov et al., NMR Biomed 32, 2019), and far more than that:
# a network should not learn one simulator's priors.
_HEALTHY_SHARE = 0.6
_HEALTHY_PARALLEL, _PARALLEL = (1.5e-3, 2.4e-3), (1.4e-3, 3.0e-3)
_HEALTHY_STICK, _STICK = (0.4, 0.75), (0.3, 0.8)
_HEALTHY_DISPERSION, _DISPERSION = (0.0, 0.12), (0.0, 0.3)
_PERPENDICULAR = (0.2e-3, 1.4e-3)
_GM = (0.6e-3, 1.2e-3)
_CSF = (2.7e-3, 3.2e-3)
_LESION = (1.0e-3, 1.8e-3)
#: b0 signal of GM and WM over that of CSF: from nearly none to strong T2 weighting.
_GM_B0, _WM_B0 = (0.35, 0.8), (0.3, 0.75)
#: Share of unhealthy draws without tortuosity, and of these of those without a stick (a plain tensor).
_FREE_PERPENDICULAR, _NO_STICK = 0.5, 0.2
#: Beyond this share of the parallel diffusivity nothing is left of a direction.
_LARGEST_RATIO = 0.75


def draw_b0_signal(generator: torch.Generator) -> tuple[float, float, float]:
    """Random b0 contrast of CSF, GM and WM; CSF has 1000."""
    gm, wm = torch.rand(2, generator=generator).tolist()
    gm = _GM_B0[0] + gm * (_GM_B0[1] - _GM_B0[0])
    # White matter has up to 35 % less signal than grey matter, or 2 % more, as its T2 and proton density say.
    return 1000.0, 1000 * gm, 1000 * min(max(gm * (1.02 - 0.37 * wm), _WM_B0[0]), _WM_B0[1])


@dataclass(frozen=True)
class FibreRanges:
    """Ranges that the fibre values of one tissue are drawn from, smallest and largest.

    Attributes:
        parallel: diffusivity in mm²/s.
        stick: share of the stick.
        dispersion: orientation dispersion index.
        perpendicular: diffusivity of the zeppelin in mm²/s; None takes tortuosity.
    """

    parallel: tuple[float, float]
    stick: tuple[float, float]
    dispersion: tuple[float, float]
    perpendicular: tuple[float, float] | None = None


def draw_fibre_ranges(generator: torch.Generator) -> FibreRanges:
    """Ranges of one tissue: parts of what ``draw_fibres`` draws from, often narrow, sometimes all of it.

    Voxels of one scan are more alike than all that there may be, and a network that sees many of them can tell in what
    way. Healthy tissue in half of all draws; else half obeys tortuosity, and a fifth of the rest has no sticks.
    """
    chance = torch.rand(3, generator=generator).tolist()
    healthy = chance[0] < 0.5
    parallel = _part(_HEALTHY_PARALLEL if healthy else _PARALLEL, generator)
    stick = _part(_HEALTHY_STICK if healthy else _STICK, generator)
    dispersion = _part(_HEALTHY_DISPERSION if healthy else _DISPERSION, generator)
    # The most parallel fibres of a tissue are rarely dispersed.
    dispersion = (dispersion[0] if chance[2] < 0.3 else 0.0, dispersion[1])
    if healthy or chance[1] >= _FREE_PERPENDICULAR:
        return FibreRanges(parallel, stick, dispersion)
    stick = (0.0, 0.0) if chance[1] < _FREE_PERPENDICULAR * _NO_STICK else stick
    return FibreRanges(parallel, stick, dispersion, _part(_PERPENDICULAR, generator))


def _part(limits: tuple[float, float], generator: torch.Generator) -> tuple[float, float]:
    """All of an interval in a third of all draws, else a random part of it."""
    low, high = limits
    whole, *ends = torch.rand(3, generator=generator).tolist()
    if whole < 1 / 3:
        return limits
    first, last = sorted(ends)
    return low + first * (high - low), low + last * (high - low)


def draw_fibres(
    generator: torch.Generator, shape: tuple[int, ...], ranges: FibreRanges | None = None
) -> dict[str, torch.Tensor]:
    """Random fibre values: keyword arguments of ``Microstructure``.

    Args:
        generator: on the CPU.
        shape: of the values.
        ranges: of the tissue; None draws healthy and other tissues side by side.

    Returns:
        Tensors of that shape; the values at one place belong together, those at different places do not.
    """

    def uniform(limits: tuple[float, float]) -> torch.Tensor:
        return limits[0] + (limits[1] - limits[0]) * torch.rand(shape, generator=generator)

    if ranges is not None:
        parallel, stick, dispersion = uniform(ranges.parallel), uniform(ranges.stick), uniform(ranges.dispersion)
        across = (1 - stick) * parallel
        if ranges.perpendicular is not None:
            across = torch.minimum(uniform(ranges.perpendicular), _LARGEST_RATIO * parallel)
        return _fibre_values(parallel, stick, across, dispersion)
    kind, free, plain = torch.rand(3, *shape, generator=generator)
    healthy = kind < _HEALTHY_SHARE
    parallel = torch.where(healthy, uniform(_HEALTHY_PARALLEL), uniform(_PARALLEL))
    stick = torch.where(healthy, uniform(_HEALTHY_STICK), uniform(_STICK))
    dispersion = torch.where(healthy, uniform(_HEALTHY_DISPERSION), uniform(_DISPERSION))
    is_free = ~healthy & (free < _FREE_PERPENDICULAR)
    stick = torch.where(is_free & (plain < _NO_STICK), 0.0, stick)
    free_across = torch.minimum(uniform(_PERPENDICULAR), _LARGEST_RATIO * parallel)
    return _fibre_values(parallel, stick, torch.where(is_free, free_across, (1 - stick) * parallel), dispersion)


def _fibre_values(
    parallel: torch.Tensor, stick: torch.Tensor, across: torch.Tensor, dispersion: torch.Tensor
) -> dict[str, torch.Tensor]:
    return {
        "parallel_diffusivity": parallel,
        "stick_fraction": stick,
        "perpendicular_diffusivity": across,
        "dispersion": dispersion,
    }


def draw_isotropic(generator: torch.Generator, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Random isotropic diffusivities of that shape each: keyword arguments of ``Microstructure``."""
    limits = {"gm_diffusivity": _GM, "csf_diffusivity": _CSF, "lesion_diffusivity": _LESION}
    return {name: low + (high - low) * torch.rand(shape, generator=generator) for name, (low, high) in limits.items()}
