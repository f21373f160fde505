"""The shell that single-shell methods of DIPY look at: the same one for all of them."""

from dataclasses import dataclass

import numpy as np

from ...scans.gradient_table import count_directions
from ...scans.scan import Scan
from ...tasks.reference.signals import choose_shell
from .method import Question


@dataclass(frozen=True)
class ShellOfScan:
    """A scan of which one shell and the b0 volumes are left.

    Attributes:
        scan: with the mask of the brain.
        signal: (V, N) in the voxels that are asked.
        directions: distinct directions.
    """

    scan: Scan
    signal: np.ndarray
    directions: int


def shell_of(question: Question) -> ShellOfScan:
    """The shell that ``label`` takes too: the most directions count, then the highest b-value up to 3200 s/mm².

    Raises:
        UserError: if there is no b0 or no shell with six directions.
    """
    scan = question.scan
    shell = choose_shell(scan)
    volumes = np.concatenate([np.flatnonzero(scan.gradients.is_b0), shell.indices])
    part = scan.subset(np.sort(volumes))
    signal = np.asarray(part.signal[question.asked], dtype=float)
    return ShellOfScan(part, signal, count_directions(scan.gradients.directions[shell.indices]))
