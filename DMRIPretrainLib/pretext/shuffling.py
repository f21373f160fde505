"""Local shuffling: voxels change places with their neighbours."""

import torch

from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition

#: Blocks are tiled over the grid this often; each voxel is moved about so many times.
_ROUNDS = 2
#: Largest edge of a block over that of the grid; it is never less than two voxels.
_LARGEST_SHARE = 1 / 10


def shuffle_locally(acquisition: Acquisition, generator: torch.Generator) -> Acquisition:
    """Shuffle the voxels in small blocks, in all volumes alike.

    The texture of a block goes and its histogram stays, so that what it shows has to be told from its surroundings
    (Zhou et al., Medical Image Analysis 67, 2021). Voxels of the brain stay in the brain.
    """
    source = torch.arange(acquisition.mask.numel(), device=acquisition.mask.device)
    for _ in range(_ROUNDS):
        source = source[_shuffled_blocks(acquisition.mask, generator)]
    return acquisition.with_signal(acquisition.signal.flatten(1)[:, source].view_as(acquisition.signal))


def _shuffled_blocks(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(X Y Z,) flat index of the voxel that comes to each place, of the same block and side of the mask's border."""
    block = torch.zeros(1, 1, 1, dtype=torch.long)
    for axis, count in enumerate(mask.shape):
        edge = draws.integer(generator, 1, max(2, round(_LARGEST_SHARE * count)))
        index = (torch.arange(count) + draws.integer(generator, 0, edge - 1)) // edge
        block = block * (int(index[-1]) + 1) + index.reshape([-1 if a == axis else 1 for a in range(3)])
    group = (2 * block.to(mask.device) + mask).flatten()
    order = torch.rand(len(group), generator=generator, dtype=torch.float64).to(mask.device)
    # Both sorts list the voxels group by group; one of them in random order within the group.
    source = torch.empty_like(group)
    source[torch.argsort(group, stable=True)] = torch.argsort(group + order)
    return source
