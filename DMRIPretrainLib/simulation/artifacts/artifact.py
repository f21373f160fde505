"""What artifacts act on, and what every artifact offers."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import torch

from ...scans.gradient_table import GradientTable


@dataclass(frozen=True)
class Acquisition:
    """The raw volumes of a scan as artifacts see them.

    Attributes:
        signal: (N, X, Y, Z) floating point magnitude signal, on any device.
        gradients: table of the N volumes, directions in the **grid frame**.
        voxel_size: (3,) edge lengths of a voxel in mm.
        mask: (X, Y, Z) bool, True in the brain.
        phase_axis: voxel axis of phase encoding; 1 is anterior-posterior in RAS voxel order.
        slice_axis: voxel axis across the slices; the readout runs along the remaining one.
    """

    signal: torch.Tensor
    gradients: GradientTable
    voxel_size: tuple[float, float, float]
    mask: torch.Tensor
    phase_axis: int = 1
    slice_axis: int = 2

    def __post_init__(self) -> None:
        if self.signal.ndim != 4 or len(self.signal) != len(self.gradients):
            raise ValueError(
                f"expected {len(self.gradients)} volumes (N, X, Y, Z), found a signal of {tuple(self.signal.shape)}"
            )
        if self.mask.shape != self.signal.shape[1:]:
            raise ValueError(f"expected a mask of {self.shape}, found {tuple(self.mask.shape)}")
        if not {self.phase_axis, self.slice_axis} < {0, 1, 2} or self.phase_axis == self.slice_axis:
            raise ValueError(f"phase axis {self.phase_axis} and slice axis {self.slice_axis} must be two of 0, 1, 2")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the grid in voxels."""
        x, y, z = self.signal.shape[1:]
        return x, y, z

    @property
    def read_axis(self) -> int:
        """Voxel axis of the readout."""
        return 3 - self.phase_axis - self.slice_axis

    @property
    def weighted_volumes(self) -> list[int]:
        """Indices of the diffusion-weighted volumes."""
        return [index for index, is_b0 in enumerate(self.gradients.is_b0) if not is_b0]

    def b0_level(self) -> float:
        """Mean signal in the mask of the b0 volumes, or of the least weighted volume where there is no b0."""
        is_b0 = torch.from_numpy(self.gradients.is_b0).to(self.signal.device)
        volumes = self.signal[is_b0] if is_b0.any() else self.signal[[int(self.gradients.bvals.argmin())]]
        return volumes[:, self.mask].mean().item() if self.mask.any() else volumes.mean().item()

    def with_signal(self, signal: torch.Tensor) -> "Acquisition":
        """The same acquisition with another signal."""
        return replace(self, signal=signal)


class Artifact(Protocol):
    """One realisation of an artifact.

    A frozen dataclass of plain numbers, which say everything: equal fields, equal result. It can be stored as JSON
    (``dataclasses.asdict``) and applied to another acquisition of the same table.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def draw(cls, acquisition: Acquisition, generator: torch.Generator, strength: float = 1.0) -> Self:
        """Draw the parameters.

        Args:
            acquisition: what it will be applied to.
            generator: on the CPU, wherever the signal is, so that a seed means the same on every device.
            strength: scales the ranges, from 0 (no effect) to 1 (all that the ranges of the file allow).
        """
        ...

    def __call__(self, acquisition: Acquisition) -> Acquisition:
        """The corrupted acquisition; its argument is left as it was."""
        ...
