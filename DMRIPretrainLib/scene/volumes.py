"""Maps as scalar volumes: probabilities, uncertainty, angles."""

import numpy as np
import slicer
import slicer.util

from .geometry import set_affine


def new_volume(
    scene: slicer.vtkMRMLScene,
    name: str,
    values: np.ndarray,
    affine: np.ndarray,
    node_class: str = "vtkMRMLScalarVolumeNode",
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a volume with its display node.

    Args:
        scene: where to.
        name: of the node.
        values: (X, Y, Z) of any real type.
        affine: (4, 4) voxel indices to RAS mm.
        node_class: ``vtkMRMLScalarVolumeNode`` or a class derived from it.
    """
    node = scene.AddNewNodeByClass(node_class, name)
    set_affine(node, affine)
    slicer.util.updateVolumeFromArray(node, as_vtk_type(values).transpose(2, 1, 0))
    node.CreateDefaultDisplayNodes()
    return node


def as_vtk_type(values: np.ndarray) -> np.ndarray:
    """The array in a type and byte order that volume nodes hold and draw."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(np.int32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
