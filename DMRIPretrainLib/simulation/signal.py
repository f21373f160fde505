"""The diffusion signal of a phantom."""

from dataclasses import dataclass

import numpy as np

from ..scans.gradient_table import GradientTable
from ..scans.scan import Scan
from .phantom import Phantom


@dataclass(frozen=True)
class Microstructure:
    """Diffusivities (mm²/s), compartments and b0 contrast of the three tissues.

    A fibre population is a stick (intra-axonal) and a zeppelin (extra-axonal) with a common axis and
    parallel diffusivity; the zeppelin's perpendicular diffusivity follows from the stick's fraction by
    the tortuosity model d_perp = (1 - f) d_par (Szafer et al., MRM 33, 1995; Zhang et al., NeuroImage 61, 2012).

    Attributes:
        parallel_diffusivity: along the fibres.
        stick_fraction: share of the stick in the signal of a fibre population.
        gm_diffusivity: isotropic, grey matter.
        csf_diffusivity: isotropic, free water at body temperature.
        b0_signal: of pure CSF, GM and WM, arbitrary units.
    """

    parallel_diffusivity: float = 1.9e-3
    stick_fraction: float = 0.55
    gm_diffusivity: float = 0.8e-3
    csf_diffusivity: float = 3.0e-3
    b0_signal: tuple[float, float, float] = (1500.0, 850.0, 650.0)


DEFAULT_MICROSTRUCTURE = Microstructure()


def simulate_signal(
    phantom: Phantom,
    gradients: GradientTable,
    snr: float | None = 25.0,
    seed: int = 0,
    microstructure: Microstructure = DEFAULT_MICROSTRUCTURE,
) -> Scan:
    """Acquire a phantom.

    Args:
        phantom: tissue fractions and fibres.
        gradients: table to acquire, directions in the world frame.
        snr: b0 signal of white matter over the standard deviation of the noise in each of the two
            channels (Gudbjartsson and Patz, MRM 34, 1995); None leaves the noise out.
        seed: of the noise.
        microstructure: of the tissues.

    Returns:
        A scan with (X, Y, Z, N) float32 signal and the phantom's mask and affine. Without noise the
        signal outside the mask is zero.
    """
    tissue = microstructure
    rng = np.random.default_rng(seed)
    amplitudes = phantom.fractions[phantom.mask] * np.array(tissue.b0_signal)
    directions = phantom.directions[phantom.mask]
    fibre_amplitudes = amplitudes[:, 2:] * phantom.fibre_fractions[phantom.mask]
    sigma = 0.0 if snr is None else tissue.b0_signal[2] / snr

    signal = np.zeros((*phantom.mask.shape, len(gradients)), dtype=np.float32)
    for index, (bvalue, gradient) in enumerate(zip(gradients.bvals, gradients.directions, strict=True)):
        volume = np.zeros(phantom.mask.shape)
        volume[phantom.mask] = (
            amplitudes[:, 0] * np.exp(-bvalue * tissue.csf_diffusivity)
            + amplitudes[:, 1] * np.exp(-bvalue * tissue.gm_diffusivity)
            + np.sum(fibre_amplitudes * fibre_attenuation(directions @ gradient, bvalue, tissue), axis=1)
        )
        if snr is not None:
            volume = np.hypot(
                volume + sigma * rng.standard_normal(volume.shape), sigma * rng.standard_normal(volume.shape)
            )
        signal[..., index] = volume
    return Scan(signal, phantom.affine, gradients, phantom.mask)


def fibre_attenuation(cosine: np.ndarray, bvalue: float, microstructure: Microstructure) -> np.ndarray:
    """Signal of a fibre population over its b0 signal, given the cosine of fibre and gradient direction."""
    parallel, stick = microstructure.parallel_diffusivity, microstructure.stick_fraction
    along = np.exp(-bvalue * parallel * cosine**2)
    across = np.exp(-bvalue * (1 - stick) * parallel * (1 - cosine**2))
    return along * (stick + (1 - stick) * across)
