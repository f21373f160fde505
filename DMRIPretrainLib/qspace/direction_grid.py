"""Even directions on the sphere, and maxima between them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from .harmonics import hemisphere

_FIT_NEIGHBOURS = 12


@dataclass(frozen=True)
class DirectionGrid:
    """Even directions, their neighbours, and the local quadratic fits around them.

    Attributes:
        directions: (D, 3) unit vectors, one of each antipodal pair.
        fit_points: (D, 13) the direction itself and its 12 nearest up to sign, nearest first.
        fits: (D, 6, 13) coefficients (1, u, v, u², uv, v²) in the tangent plane from values at the fit points.
        tangents: (D, 2, 3) axes u and v of the tangent plane.
    """

    directions: torch.Tensor
    fit_points: torch.Tensor
    fits: torch.Tensor
    tangents: torch.Tensor

    def to(self, device: torch.device) -> "DirectionGrid":
        """The same on a device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})

    def refine(self, local: torch.Tensor, vertex: torch.Tensor, reach: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The maximum of the quadratic fit around directions.

        Args:
            local: (P, 13) values at the fit points of each direction.
            vertex: (P,) directions.
            reach: how far the maximum may lie from its direction, in radians; the nearest neighbours are about as far.

        Returns:
            (P, 3) unit vectors and (P,) heights.
        """
        constant, gu, gv, uu, uv, vv = torch.einsum("pkn,pn->kp", self.fits[vertex], local)
        determinant = 4 * uu * vv - uv * uv
        curved = (determinant > 1e-6) & (uu < 0)
        safe = torch.where(curved, determinant, 1.0)
        u = torch.where(curved, (uv * gv - 2 * vv * gu) / safe, 0.0)
        v = torch.where(curved, (uv * gu - 2 * uu * gv) / safe, 0.0)
        # The maximum lies within the ring of neighbours, or the fit is not to be believed.
        scale = (reach / torch.sqrt(u * u + v * v).clamp(min=1e-9)).clamp(max=1.0)
        u, v = u * scale, v * scale
        direction = self.directions[vertex] + torch.einsum("tp,ptc->pc", torch.stack([u, v]), self.tangents[vertex])
        height = constant + gu * u + gv * v + uu * u * u + uv * u * v + vv * v * v
        return direction / direction.norm(dim=1, keepdim=True), torch.maximum(height, local[:, 0])


@cache
def direction_grid(name: str = "repulsion724") -> DirectionGrid:
    """The grid of a sphere of DIPY's, on the CPU; see ``harmonics.hemisphere`` for the names."""
    directions = hemisphere(name)
    cosines = directions @ directions.T
    fit_points = np.argsort(-np.abs(cosines), axis=1)[:, : _FIT_NEIGHBOURS + 1]
    helper = np.where(np.abs(directions[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(directions, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    tangents = np.stack([first, np.cross(directions, first)], axis=1)
    signs = np.sign(np.take_along_axis(cosines, fit_points, axis=1))
    points = directions[fit_points] * signs[..., None]
    u, v = np.moveaxis(np.einsum("dnc,dtc->dnt", points, tangents), -1, 0)
    fits = np.linalg.pinv(np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1))
    return DirectionGrid(
        torch.tensor(directions, dtype=torch.float32),
        torch.tensor(fit_points.copy()),
        torch.tensor(fits, dtype=torch.float32),
        torch.tensor(tangents, dtype=torch.float32),
    )
