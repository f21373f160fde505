"""Blocks of voxels that a network must not see."""

import numpy as np
import torch

from ..simulation.artifacts import draws

#: Smallest and largest share of the blocks that is hidden.
_HIDDEN = (0.6, 0.75)
#: Edge of blocks in voxels, and in patches smaller than the third number.
_EDGE, _SMALL_EDGE, _SMALL_PATCH = 8, 4, 24


def draw_hidden(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(X, Y, Z) bool: blocks to hide, among those that hold voxels of the mask; at least one of these stays."""
    edge = _EDGE if min(mask.shape) >= _SMALL_PATCH else _SMALL_EDGE
    blocks = [-(-count // edge) for count in mask.shape]
    index = torch.zeros(1, 1, 1, dtype=torch.long, device=mask.device)
    for axis, count in enumerate(mask.shape):
        place = torch.arange(count, device=mask.device) // edge
        index = index * blocks[axis] + place.reshape([-1 if a == axis else 1 for a in range(3)])
    brain = torch.unique(index[mask]).cpu()
    count = min(round(draws.uniform(generator, *_HIDDEN) * len(brain)), len(brain) - 1)
    chosen = torch.zeros(int(np.prod(blocks)), dtype=torch.bool)
    chosen[brain[torch.randperm(len(brain), generator=generator)[: max(0, count)]]] = True
    return chosen.to(mask.device)[index]
