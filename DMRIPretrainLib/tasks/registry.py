"""Tasks by name."""

import numpy as np

from ..networks.model import HeadSpec
from .crossings import CrossingsTask, crossings_head
from .orientation import OrientationTask, orientation_head
from .segmentation import SegmentationTask, tissue_head
from .task import Task

TASKS = ("segmentation", "crossings", "orientation")


def default_head(task: str) -> HeadSpec:
    """The head of a task where the user has no labels of their own.

    Raises:
        ValueError: if the task is unknown.
    """
    heads = {"segmentation": tissue_head, "crossings": crossings_head, "orientation": orientation_head}
    if task not in heads:
        raise ValueError(f"unknown task {task!r}; there are {', '.join(TASKS)}")
    return heads[task]()


def make_task(head: HeadSpec, class_counts: np.ndarray | None = None) -> Task:
    """The task of a head.

    Args:
        head: what is asked.
        class_counts: voxels of each class in the training labels, to weigh rare ones.

    Raises:
        ValueError: if the task is unknown.
    """
    if head.task == "segmentation":
        return SegmentationTask(head)
    if head.task == "crossings":
        return CrossingsTask(head, class_counts)
    if head.task == "orientation":
        return OrientationTask(head)
    raise ValueError(f"unknown task {head.task!r}; there are {', '.join(TASKS)}")
