"""Smooth random fields over the world, the same whatever the grid they are sampled on."""

from dataclasses import dataclass

import torch
from torch.nn.functional import grid_sample

#: The fields cover a cube about the origin that reaches this far, in mm; beyond it they are constant.
HALF_EXTENT = 130.0
#: Standard deviation of the tensor product of cubic B-splines that weigh white noise, averaged over positions.
_SPLINE_STD = 0.479**1.5


@dataclass(frozen=True)
class SmoothNoise:
    """Gaussian noise of mean 0 and standard deviation 1, smooth like a Gaussian of 0.58 times its spacing.

    Cubic B-splines weigh white noise on a lattice, so that the field is a function of the position alone.

    Attributes:
        knots: (C, K, K, K) values on the lattice, axes x, y, z of the world, of C independent fields.
        spacing: of the lattice, in mm.
    """

    knots: torch.Tensor
    spacing: float

    @classmethod
    def draw(
        cls, generator: torch.Generator, spacing: float, fields: int = 1, device: str | torch.device = "cpu"
    ) -> "SmoothNoise":
        """Draw fields; the generator is on the CPU, so that a seed means the same on every device."""
        count = int(2 * HALF_EXTENT / spacing) + 4
        knots = torch.randn((fields, count, count, count), generator=generator) / _SPLINE_STD
        return cls(knots.to(device), spacing)

    def on_grid(self, *axes: torch.Tensor) -> torch.Tensor:
        """(C, X, Y, Z) values on a grid given by its coordinates along the three world axes, in mm."""
        values = self.knots
        for coordinates in axes:
            weights = self._weights(coordinates)
            values = torch.tensordot(values, weights, dims=([1], [1]))  # moves the axis to the end
        return values

    def at(self, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, fineness: int = 3) -> torch.Tensor:
        """(C, ...) values at positions in mm, linear between ``fineness`` samples a knot."""
        steps = fineness * (self.knots.shape[1] - 3) + 1
        axis = torch.linspace(-HALF_EXTENT, HALF_EXTENT, steps, device=self.knots.device)
        lattice = self.on_grid(axis, axis, axis)
        # grid_sample takes the last axis of the image first.
        places = torch.stack([z, y, x], dim=-1).reshape(1, -1, 1, 1, 3) / HALF_EXTENT
        values = grid_sample(lattice[None], places, mode="bilinear", padding_mode="border", align_corners=True)
        return values.reshape(len(self.knots), *x.shape)

    def _weights(self, coordinates: torch.Tensor) -> torch.Tensor:
        """(N, K) weights of the knots: uniform cubic B-splines (de Boor, A Practical Guide to Splines, 1978)."""
        position = (coordinates.clamp(-HALF_EXTENT, HALF_EXTENT) + HALF_EXTENT) / self.spacing + 1
        distance = (position[:, None] - torch.arange(self.knots.shape[1], device=coordinates.device)).abs()
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = (2 - distance).clamp(min=0) ** 3 / 6
        return torch.where(distance < 1, near, far)
