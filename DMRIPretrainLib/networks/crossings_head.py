"""The number of fibre populations, from the fODF and what surrounds the voxel."""

import numpy as np
import torch
from torch import nn

from ..qspace.harmonics import coefficient_orders, evaluation_matrix, hemisphere
from .fodf_head import smooth_maximum
from .heads import TaskHead

_ORDER = 8
#: Peaks nearer to a stronger one than this many degrees are no peaks of their own.
_SEPARATION = 25.0
_PEAKS = 3
#: Few enough for the values of a block of voxels to stay in a CPU's cache.
_VOXELS_AT_ONCE = 2048


class CrossingsHead(nn.Module):
    """Counts fibre populations by properties of the fODF that do not change when the head turns.

    A network that reads coefficients would have to learn every rotation; these numbers need not be learned: the power
    of each order of the fODF, of its square and of its fourth power, the shape of its second moments, and height,
    mass and mutual angles of its strongest lobes. Decoder features tell of the neighbourhood, and the fODF itself has
    been corrected by it. The loss of the count does not change the fODF.
    """

    _basis: torch.Tensor
    _analysis: torch.Tensor
    _power: torch.Tensor
    _moments: torch.Tensor
    _cosines: torch.Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        directions = hemisphere()
        basis = evaluation_matrix(directions, _ORDER)
        orders = coefficient_orders(_ORDER) // 2
        power = np.equal.outer(np.arange(_ORDER // 2 + 1), orders)
        x, y, z = directions.T
        moments = np.stack([x * x, y * y, z * z, x * y, x * z, y * z, np.ones_like(x)])
        constants = {
            "_basis": basis,
            "_analysis": np.linalg.pinv(basis),
            "_power": power,
            "_moments": moments / len(directions),
            "_cosines": np.abs(directions @ directions.T),
        }
        for name, value in constants.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)
        self.body = TaskHead(inputs + self.invariants(torch.zeros(1, basis.shape[1], 1, 1, 1)).shape[1], outputs)

    def forward(self, decoded: torch.Tensor, adapted: torch.Tensor, fodf: torch.Tensor) -> torch.Tensor:
        """(B, D, X, Y, Z) decoder features, (B, A, X, Y, Z) backbone input, (B, 45, X, Y, Z) fODF to logits."""
        return self.body(decoded, adapted, self.invariants(fodf))

    @torch.no_grad()
    def invariants(self, fodf: torch.Tensor) -> torch.Tensor:
        """(B, I, X, Y, Z) numbers that describe the shape of (B, 45, X, Y, Z) fODFs, whatever their direction."""
        flat = fodf.movedim(1, 0).flatten(1).float()
        with torch.autocast(fodf.device.type, enabled=False):
            blocks = [self._describe(block) for block in flat.split(_VOXELS_AT_ONCE, dim=1)]
        return torch.cat(blocks, dim=1).unflatten(1, (fodf.shape[0], *fodf.shape[2:])).movedim(0, 1)

    def _describe(self, flat: torch.Tensor) -> torch.Tensor:
        """(I, V) numbers of (45, V) fODFs."""
        values = (self._basis @ flat).clamp_(min=0)
        relative = values / smooth_maximum(values).clamp(min=1e-3)
        square = relative.square()
        fourth = square.square()
        spectra = [torch.sqrt(self._power @ flat.square())]
        spectra += [torch.sqrt(self._power @ (self._analysis @ bank).square()) for bank in (square, fourth)]
        return torch.cat([*spectra, *self._moment_shapes((relative, square, fourth)), *self._lobes(values)])

    def _moment_shapes(self, banks: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """Mean, squared norm and determinant of the second moments of (D, V) values: a line, a plane or space."""
        shapes = []
        for bank in banks:
            *tensor, mass = (self._moments @ bank).unbind(0)
            xx, yy, zz, xy, xz, yz = (entry / mass.clamp(min=1e-3) for entry in tensor)
            norm = xx * xx + yy * yy + zz * zz + 2 * (xy * xy + xz * xz + yz * yz)
            determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
            shapes.append(torch.stack([mass, norm, 27 * determinant]))
        return shapes

    def _lobes(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Heights, masses and cosines of the strongest lobes of (D, V) values."""
        near = (self._cosines > float(np.cos(np.radians(_SEPARATION)))).to(values.dtype)
        heights, masses, tops = [], [], []
        for _ in range(_PEAKS):
            height, top = values.max(dim=0)
            inside = near[:, top]
            heights.append(height)
            masses.append((values * inside).sum(dim=0) / inside.sum(dim=0))
            tops.append(top)
            values = values * (1 - inside)
        cosines = [self._cosines[tops[i], tops[j]] for i, j in ((0, 1), (0, 2), (1, 2))]
        return [torch.stack([*heights, *masses, *cosines])]
