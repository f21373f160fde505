"""Maps of results as volumes with colours and a legend: numbers of fibres, probabilities, uncertainty."""

from collections.abc import Sequence

import numpy as np
import slicer

from .colours import add_legend, continuous_colours, label_colours
from .labels import Label, crossing_labels
from .volumes import new_volume


def add_label_map(
    scene: slicer.vtkMRMLScene,
    name: str,
    values: np.ndarray,
    affine: np.ndarray,
    labels: Sequence[Label],
    title: str,
) -> slicer.vtkMRMLLabelMapVolumeNode:
    """Add a label volume with its own colours and legend; 0 is transparent.

    Args:
        scene: where to.
        name: of the node.
        values: (X, Y, Z) labels.
        affine: (4, 4) voxel indices to RAS mm.
        labels: name and colour of each.
        title: of the legend and the colour table.
    """
    node = new_volume(scene, name, values, affine, "vtkMRMLLabelMapVolumeNode")
    node.GetDisplayNode().SetAndObserveColorNodeID(label_colours(scene, title, labels).GetID())
    add_legend(node, title, labels)
    return node


def add_crossing_map(
    scene: slicer.vtkMRMLScene, name: str, counts: np.ndarray, affine: np.ndarray
) -> slicer.vtkMRMLLabelMapVolumeNode:
    """Add the (X, Y, Z) number of fibre populations, 0 to 3; see :func:`add_label_map`."""
    return add_label_map(scene, name, counts, affine, crossing_labels(), "Fibre populations")


def add_probability_map(
    scene: slicer.vtkMRMLScene, name: str, values: np.ndarray, affine: np.ndarray
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add (X, Y, Z) probabilities, in colours from 0 to 1; those below 5 % stay clear."""
    return add_scalar_map(scene, name, values, affine, "probability", (0.0, 1.0), "Probability", lowest=0.05)


def add_entropy_map(
    scene: slicer.vtkMRMLScene, name: str, values: np.ndarray, affine: np.ndarray
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the (X, Y, Z) uncertainty of labels: normalised entropy, 0 sure to 1 no idea."""
    return add_scalar_map(scene, name, values, affine, "uncertainty", (0.0, 1.0), "Uncertainty (0 to 1)")


def add_angle_map(
    scene: slicer.vtkMRMLScene, name: str, degrees: np.ndarray, affine: np.ndarray, title: str, highest: float = 45.0
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add (X, Y, Z) angles in degrees, in colours from 0 to ``highest``; voxels that are 0 or NaN stay clear."""
    degrees = np.nan_to_num(degrees)
    return add_scalar_map(scene, name, degrees, affine, "uncertainty", (0.0, highest), f"{title} (°)", numbers=4)


def add_scalar_map(
    scene: slicer.vtkMRMLScene,
    name: str,
    values: np.ndarray,
    affine: np.ndarray,
    colours: str,
    window: tuple[float, float],
    title: str,
    lowest: float | None = None,
    numbers: int = 5,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a scalar volume in colours with a legend.

    Args:
        scene: where to.
        name: of the node.
        values: (X, Y, Z).
        affine: (4, 4) voxel indices to RAS mm.
        colours: a kind of :func:`~.colours.continuous_colours`.
        window: values of the first and the last colour.
        title: of the legend, with the unit.
        lowest: value below which nothing is drawn; by default all that is above 0, so not what is outside the brain.
        numbers: on the legend.
    """
    node = new_volume(scene, name, values.astype(np.float32), affine)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(continuous_colours(scene, colours).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(*window)
    display.SetInterpolate(False)
    if lowest is None:
        lowest = float(values[values > 0].min(initial=window[1])) / 2
    display.AutoThresholdOff()
    display.SetThreshold(lowest, max(1e6, window[1]))
    display.ApplyThresholdOn()
    add_legend(node, title, numbers=numbers)
    return node
