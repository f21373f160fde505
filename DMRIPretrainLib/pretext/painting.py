"""In- and out-painting: parts of a patch give way to noise."""

import torch

from ..simulation.artifacts import draws
from ..simulation.artifacts.artifact import Acquisition

#: How often what lies around the boxes is painted over, rather than what lies in them.
_OUTSIDE = 0.8
#: Boxes: the first, and each further one, is there with this probability.
_MOST_BOXES = 5
_ANOTHER_BOX = 0.95
#: Smallest and largest edge of boxes over that of the grid, to paint over and to leave.
_PAINTED = (1 / 6, 1 / 3)
_LEFT = (3 / 7, 4 / 7)
#: Largest b0 of the paint, over the median in the brain: grey and white matter lie in the middle.
_BRIGHTEST_B0 = 2.0


def paint(normalised: Acquisition, generator: torch.Generator) -> Acquisition:
    """Paint over some boxes, or all but some boxes, of normalised signals, in all volumes alike.

    What is gone has to be told from its surroundings: from around it, or from within it (Zhou et al., Medical Image
    Analysis 67, 2021). The paint is uniform noise: one value for all directions of a voxel and one for its b0.
    """
    painted = draw_painted(normalised.shape, generator).to(normalised.signal.device)
    weighted, b0 = torch.rand((2, *normalised.shape), generator=generator).to(normalised.signal)
    is_b0 = torch.from_numpy(normalised.gradients.is_b0).to(painted.device)[:, None, None, None]
    return normalised.with_signal(
        torch.where(painted, torch.where(is_b0, _BRIGHTEST_B0 * b0, weighted), normalised.signal)
    )


def draw_painted(shape: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
    """(X, Y, Z) bool, on the CPU: what to paint over."""
    outside = draws.uniform(generator, 0, 1) < _OUTSIDE
    boxes = torch.zeros(shape, dtype=torch.bool)
    count = 0
    while count == 0 or (count < _MOST_BOXES and draws.uniform(generator, 0, 1) < _ANOTHER_BOX):
        where = []
        for length in shape:
            low, high = (max(1, round(share * length)) for share in (_LEFT if outside else _PAINTED))
            edge = draws.integer(generator, low, high)
            start = draws.integer(generator, 0, length - edge)
            where.append(slice(start, start + edge))
        boxes[tuple(where)] = True
        count += 1
    return ~boxes if outside else boxes
