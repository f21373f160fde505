"""What every pretraining recipe offers, and what it is given."""

from dataclasses import dataclass, field
from typing import Protocol

import torch

from ..networks.model import Architecture, DiffusionModel
from ..qspace.features import QSpaceFeatures, QSpaceProjection
from ..scans.gradient_table import GradientTable
from ..simulation.artifacts.artifact import Acquisition


@dataclass(frozen=True)
class RawPatch:
    """A cube of a scan before the q-space fit, on any device.

    Attributes:
        acquisition: (N, P, P, P) signal, its table in the **grid frame** of a patch in RAS voxel order, its mask.
        b0_median: median b0 in the brain of the whole scan, in the unit of the signal.
        clean: (N, P, P, P) the same signal without noise and artifacts, where it is known.
        truth: (T, P, P, P) target of each task, in the grid frame, where it is known.
    """

    acquisition: Acquisition
    b0_median: float
    clean: torch.Tensor | None = None
    truth: dict[str, torch.Tensor] = field(default_factory=dict)

    def features(self, acquisition: Acquisition | None = None) -> QSpaceFeatures:
        """Fit the signal, or that of another acquisition of the same patch, and measure its noise."""
        seen = acquisition or self.acquisition
        return fit(seen.signal, seen.gradients, self.acquisition.mask, self.b0_median)

    def clean_features(self) -> QSpaceFeatures:
        """Features of the whole table without noise and artifacts, or as good as they are known."""
        signal = self.acquisition.signal if self.clean is None else self.clean
        projection = QSpaceProjection(self.acquisition.gradients)
        return projection(signal, self.acquisition.mask, self.b0_median)


@dataclass
class Example:
    """What a network is shown once.

    Attributes:
        features: (1, ...) what it sees.
        targets: what it should answer, by a name of the recipe's choice; each with a leading axis of 1 where
            examples are joined.
        mask: (1, P, P, P) float, 1 in the brain.
        clean: (1, ...) features that it should reconstruct; None for none.
        hidden: (1, P, P, P) bool, voxels that the network must not see; None for none.
    """

    features: QSpaceFeatures
    targets: dict[str, torch.Tensor]
    mask: torch.Tensor
    clean: QSpaceFeatures | None = None
    hidden: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Example":
        """The same on a device."""
        return Example(
            self.features.to(device),
            {name: target.to(device) for name, target in self.targets.items()},
            self.mask.to(device),
            None if self.clean is None else self.clean.to(device),
            None if self.hidden is None else self.hidden.to(device),
        )


class Recipe(Protocol):
    """One way to pretrain.

    A recipe is a ``torch.nn.Module``: what it learns beside the model, such as a mask token, is kept in checkpoints and
    dropped at the end.
    """

    name: str

    def architecture(self) -> Architecture:
        """The model to pretrain."""
        ...

    def example(self, patch: RawPatch, generator: torch.Generator) -> Example:
        """What to show of a patch; equal states of the generator, which is on the CPU, give equal examples."""
        ...

    def losses(self, model: DiffusionModel, examples: list[Example]) -> dict[str, torch.Tensor]:
        """The parts of the loss by name; their sum is minimised."""
        ...


def fit(
    signal: torch.Tensor, gradients: GradientTable, mask: torch.Tensor, b0_median: float, noise_voxels: int = 1000
) -> QSpaceFeatures:
    """Features of (N, X, Y, Z) signal whose noise is measured in some of the masked voxels.

    Raises:
        UserError: if the table has no usable shell.
    """
    plain = QSpaceProjection(gradients)
    inside = torch.nonzero(mask)
    x, y, z = inside[:: max(1, len(inside) // noise_voxels)].unbind(1)
    sample = signal[:, x, y, z][:, :, None, None]
    noise = plain.noise(sample, torch.ones_like(sample[0], dtype=torch.bool), b0_median)
    return QSpaceProjection(gradients, noise)(signal, mask, b0_median)
