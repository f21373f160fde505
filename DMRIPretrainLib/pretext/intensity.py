"""Random increasing maps of the intensity."""

from dataclasses import dataclass
from typing import Self

import torch

from ..simulation.artifacts import draws

_STEPS = 1024


@dataclass(frozen=True)
class IntensityCurve:
    """A cubic Bézier curve from (0, 0) to (1, 1).

    With both control points in the unit square, each coordinate of such a curve never decreases along it: a decreasing
    map of the diffusion signal, which other modalities are trained with, would turn fast diffusion into slow.

    Attributes:
        first: (x, y) of the first control point, 0 to 1.
        second: of the second one.
    """

    first: tuple[float, float]
    second: tuple[float, float]

    @classmethod
    def draw(cls, generator: torch.Generator) -> Self:
        """Both control points anywhere in the unit square."""
        a, b, c, d = (draws.uniform(generator, 0, 1) for _ in range(4))
        return cls((a, b), (c, d))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Mapped values of any shape; what lies beyond 1 stays as it is."""
        table = self._table().to(values)
        place = values.clamp(0.0, 1.0) * _STEPS
        low = place.floor().clamp_(max=_STEPS - 1)
        mapped = torch.lerp(table[low.long()], table[low.long() + 1], place - low)
        return torch.where(values > 1, values, mapped)

    def _table(self) -> torch.Tensor:
        """(_STEPS + 1,) the map at even steps from 0 to 1."""
        t = torch.linspace(0, 1, 4 * _STEPS + 1, dtype=torch.float64)
        x, y = (
            3 * (1 - t) ** 2 * t * a + 3 * (1 - t) * t**2 * b + t**3
            for a, b in zip(self.first, self.second, strict=True)
        )
        wanted = torch.linspace(0, 1, _STEPS + 1, dtype=torch.float64)
        upper = torch.searchsorted(x, wanted).clamp(1, len(x) - 1)
        share = (wanted - x[upper - 1]) / (x[upper] - x[upper - 1]).clamp(min=1e-12)
        return torch.lerp(y[upper - 1], y[upper], share.clamp(0, 1))
