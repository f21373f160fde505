"""The signal over its b0, which is what generic image corruptions act on."""

import torch

from ..qspace.features import MAXIMUM_SIGNAL
from ..simulation.artifacts.artifact import Acquisition

#: Smallest b0 over the median in the brain, as in the features.
_LEAST_B0 = 0.05


def normalise(acquisition: Acquisition, b0_median: float) -> Acquisition:
    """Weighted volumes over the mean b0 of their voxel, b0 volumes over the median b0 of the brain.

    Signals lie between 0 and 1.5 as in the features, and all is zero outside the mask.
    """
    signal, is_b0 = acquisition.signal, _is_b0(acquisition)
    b0 = signal[is_b0].mean(dim=0).clamp(min=_LEAST_B0 * b0_median)
    result = torch.empty_like(signal)
    result[is_b0] = signal[is_b0] / b0_median
    result[~is_b0] = (signal[~is_b0] / b0).clamp_(0.0, MAXIMUM_SIGNAL)
    return acquisition.with_signal(result * acquisition.mask)


def denormalise(normalised: Acquisition, b0_median: float) -> Acquisition:
    """The way back, with the b0 as it is now."""
    signal, is_b0 = normalised.signal, _is_b0(normalised)
    factors = signal[is_b0].mean(dim=0).clamp(min=_LEAST_B0).expand_as(signal).clone()
    factors[is_b0] = 1.0
    return normalised.with_signal(b0_median * factors * signal)


def _is_b0(acquisition: Acquisition) -> torch.Tensor:
    return torch.from_numpy(acquisition.gradients.is_b0).to(acquisition.signal.device)
