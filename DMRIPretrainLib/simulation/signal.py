"""The diffusion signal of voxels and of phantoms."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..scans.gradient_table import GradientTable
from ..scans.scan import Scan
from .attenuation import fibre_attenuation
from .microstructure import DEFAULT_MICROSTRUCTURE, Microstructure, Value
from .phantom import Phantom

_FIBRE_VALUES = ("parallel_diffusivity", "stick_fraction", "perpendicular_diffusivity", "dispersion")
_VOXELS_AT_ONCE = 100_000


def simulate_signal(
    phantom: Phantom,
    gradients: GradientTable,
    snr: float | None = 25.0,
    seed: int = 0,
    microstructure: Microstructure = DEFAULT_MICROSTRUCTURE,
    coils: int = 1,
) -> Scan:
    """Acquire a phantom.

    Args:
        phantom: tissue fractions and fibres, on any device.
        gradients: table to acquire, directions in the world frame.
        snr: b0 signal of white matter over the standard deviation of the noise in each of the two
            channels (Gudbjartsson and Patz, MRM 34, 1995); None leaves the noise out.
        seed: of the noise.
        microstructure: of the tissues; tensors have one value for each voxel of the mask.
        coils: see :func:`add_noise`.

    Returns:
        A scan with (X, Y, Z, N) float32 signal and the phantom's mask and affine. Without noise the
        signal outside the mask is zero.
    """
    signal = simulate_volumes(phantom, gradients, microstructure)
    if snr is not None:
        generator = torch.Generator(signal.device).manual_seed(seed)
        signal = add_noise(signal, microstructure.b0_signal[2] / snr, generator, coils)
    return Scan(np.moveaxis(signal.cpu().numpy(), 0, -1), phantom.affine, gradients, phantom.mask.cpu().numpy())


def simulate_volumes(
    phantom: Phantom, gradients: GradientTable, microstructure: Microstructure = DEFAULT_MICROSTRUCTURE
) -> torch.Tensor:
    """Signal of a phantom without noise.

    Args:
        phantom: tissue fractions and fibres, on any device.
        gradients: table to acquire, directions in the frame of those of the phantom.
        microstructure: of the tissues; tensors have one value for each voxel of the mask.

    Returns:
        (N, X, Y, Z) float32 signal on the device of the phantom, zero outside its mask.
    """
    mask = phantom.mask
    inside = simulate_voxels(
        phantom.fractions[mask],
        phantom.directions[mask],
        phantom.fibre_fractions[mask],
        gradients,
        microstructure,
        phantom.lesions[mask],
    )
    signal = inside.new_zeros((len(gradients), *mask.shape))
    signal[:, mask] = inside
    return signal


def simulate_voxels(
    fractions: torch.Tensor,
    directions: torch.Tensor,
    fibre_fractions: torch.Tensor,
    gradients: GradientTable,
    microstructure: Microstructure = DEFAULT_MICROSTRUCTURE,
    lesions: torch.Tensor | None = None,
) -> torch.Tensor:
    """Signal of voxels without noise: the sum of their compartments (no exchange, monoexponential each).

    Args:
        fractions: (V, 3) shares of CSF, GM and WM.
        directions: (V, 3, 3) unit vectors [fibre, component], in the frame of the gradients.
        fibre_fractions: (V, 3) shares of the WM; populations with share 0 are absent.
        gradients: table to acquire.
        microstructure: of the tissues.
        lesions: (V,) share of the WM that is isotropic lesion; None for none.

    Returns:
        (N, V) float32 signal.

    Raises:
        ValueError: if a tensor of the microstructure is not one of values of these voxels.
    """
    _check_shapes(microstructure, len(fractions))
    parts = [
        _simulate(
            fractions[block],
            directions[block],
            fibre_fractions[block],
            gradients,
            _of_voxels(microstructure, block),
            None if lesions is None else lesions[block],
        )
        for block in (slice(i, i + _VOXELS_AT_ONCE) for i in range(0, max(1, len(fractions)), _VOXELS_AT_ONCE))
    ]
    return torch.cat(parts, dim=1)


def add_noise(signal: torch.Tensor, sigma: float, generator: torch.Generator, coils: int = 1) -> torch.Tensor:
    """Magnitude of a signal with complex Gaussian noise: Rician, or noncentral chi with several coils.

    Gudbjartsson and Patz, MRM 34, 1995; Constantinides et al., MRM 38, 1997 (sum of squares over coils).

    Args:
        signal: of any shape.
        sigma: standard deviation of the noise in each channel.
        generator: on the device of the signal.
        coils: number of coils; all of the signal counts as that of one.
    """

    def noise() -> torch.Tensor:
        return sigma * torch.randn(signal.shape, generator=generator, device=signal.device, dtype=signal.dtype)

    squares = (signal + noise()).square_()
    for _ in range(2 * coils - 1):
        squares += noise().square_()
    return squares.sqrt_()


def _simulate(
    fractions: torch.Tensor,
    directions: torch.Tensor,
    fibre_fractions: torch.Tensor,
    gradients: GradientTable,
    tissue: Microstructure,
    lesions: torch.Tensor | None,
) -> torch.Tensor:
    device = fractions.device
    csf, gm, wm = (fractions.float() * torch.tensor(tissue.b0_signal, device=device)).unbind(1)
    diseased = torch.zeros_like(wm) if lesions is None else wm * lesions
    amplitudes = (wm - diseased)[:, None] * fibre_fractions
    voxel, fibre = torch.nonzero(amplitudes, as_tuple=True)
    populations = _of_populations(tissue, voxel, fibre)
    axes = directions[voxel, fibre].float()
    vectors = torch.tensor(gradients.directions, dtype=torch.float32, device=device)
    signal = torch.zeros(len(gradients), len(csf), device=device)
    for bvalue in np.unique(gradients.bvals).tolist():
        volumes = torch.from_numpy(np.flatnonzero(gradients.bvals == bvalue)).to(device)
        isotropic = (
            csf * _isotropic_attenuation(bvalue, tissue.csf_diffusivity)
            + gm * _isotropic_attenuation(bvalue, tissue.gm_diffusivity)
            + diseased * _isotropic_attenuation(bvalue, tissue.lesion_diffusivity)
        )
        fibres = fibre_attenuation(axes @ vectors[volumes].T, bvalue, populations)
        fibres *= amplitudes[voxel, fibre, None]
        signal[volumes] = isotropic + torch.zeros(len(csf), len(volumes), device=device).index_add_(0, voxel, fibres).T
    return signal


def _isotropic_attenuation(bvalue: float, diffusivity: Value) -> Value:
    if isinstance(diffusivity, torch.Tensor):
        return torch.exp(-bvalue * diffusivity)
    return math.exp(-bvalue * diffusivity)


def _check_shapes(tissue: Microstructure, voxels: int) -> None:
    for name, value in vars(tissue).items():
        allowed = [(voxels,), (voxels, 3)] if name in _FIBRE_VALUES else [(voxels,)]
        if isinstance(value, torch.Tensor) and tuple(value.shape) not in allowed:
            expected = " or ".join(map(str, allowed))
            raise ValueError(f"{name}: expected a number or a tensor of {expected}, found {tuple(value.shape)}")


def _of_voxels(tissue: Microstructure, block: slice) -> Microstructure:
    """The values of some voxels."""
    return tissue.changed(lambda value: value[block])


def _of_populations(tissue: Microstructure, voxel: torch.Tensor, fibre: torch.Tensor) -> Microstructure:
    """Fibre values of populations, (F, 1) tensors where they vary."""
    chosen: dict[str, Any] = {}
    for name in _FIBRE_VALUES:
        value = getattr(tissue, name)
        if isinstance(value, torch.Tensor):
            chosen[name] = (value[voxel, fibre] if value.ndim == 2 else value[voxel])[:, None]
    return replace(tissue, **chosen)
