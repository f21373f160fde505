"""Parts of a gradient table."""

import numpy as np
import torch

from ..errors import UserError
from ..qspace.shells import usable_shells
from ..scans.gradient_table import MINIMUM_DIRECTIONS, GradientTable, count_directions
from ..simulation.artifacts import draws

#: Smallest and largest share of the directions of a shell that is dropped.
_DROPPED = (0.3, 0.9)


def can_be_fitted(table: GradientTable) -> bool:
    """Whether it has a b0 and a usable shell."""
    try:
        return bool(table.is_b0.any() and usable_shells(table))
    except UserError:
        return False


def draw_kept(table: GradientTable, generator: torch.Generator) -> np.ndarray:
    """Sorted indices of the volumes to show: the b0s, and some directions of one or more shells.

    A shell that is shown keeps six distinct directions, so that it can be fitted.
    """
    shells = usable_shells(table)
    count = draws.integer(generator, 1, len(shells))
    kept = [np.flatnonzero(table.is_b0)]
    for number in torch.randperm(len(shells), generator=generator)[:count].tolist():
        indices = shells[number].indices
        share = 1 - draws.uniform(generator, *_DROPPED)
        order = torch.randperm(len(indices), generator=generator).numpy()
        some = indices[order[: max(MINIMUM_DIRECTIONS, round(share * len(indices)))]]
        enough = count_directions(table.directions[some]) >= MINIMUM_DIRECTIONS
        kept.append(some if enough else indices)
    volumes = np.sort(np.concatenate(kept))
    # Shells are runs of near b-values, which may fall apart where some are missing.
    return volumes if can_be_fitted(table.subset(volumes)) else np.arange(len(table))
