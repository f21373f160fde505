"""A picture of what the model under training answers for the first validation case."""

from pathlib import Path

import numpy as np

from ..inference.preview import legend_of, render_preview
from ..networks.model import HeadSpec
from ..scans.frames import grid_to_world_rotation
from .loaded_case import LoadedCase


def save_example(
    path: Path, case: LoadedCase, answers: dict[str, np.ndarray], heads: list[HeadSpec], title: str
) -> None:
    """Write the answers over the b0.

    Args:
        path: PNG to write.
        case: the case.
        answers: of every task, in RAS voxel order and the grid frame.
        heads: what was asked.
        title: the line above the picture.

    Raises:
        UserError: if the file cannot be written.
    """
    scan = case.scan
    peaks = answers.get("orientation")
    head = next((head for head in heads if head.task == "segmentation"), None)
    render_preview(
        path,
        np.asarray(scan.signal[..., scan.table.is_b0], dtype=np.float32).mean(axis=-1),
        scan.affine,
        scan.mask,
        segmentation=answers.get("segmentation"),
        crossings=answers.get("crossings"),
        peaks=None if peaks is None else peaks @ grid_to_world_rotation(scan.affine).T,
        title=[case.name, title],
        **({"labels": legend_of(head.labels, head.colours, head.values)} if head else {}),
    )
