"""Arrays as images, and maps as scalar volumes: probabilities, uncertainty, angles."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

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
    node.SetAndObserveImageData(image_of(values))
    node.CreateDefaultDisplayNodes()
    return node


def image_of(values: np.ndarray) -> vtk.vtkImageData:
    """A copy of an array as an image; of large ones best made in a thread, since NumPy copies without stopping others.

    Args:
        values: (X, Y, Z) or (X, Y, Z, C) of any real type, one component for each C.

    Returns:
        The image, with origin 0 and spacing 1, as volume nodes hold it.
    """
    values = as_vtk_type(values)
    image = vtk.vtkImageData()
    image.SetDimensions(*values.shape[:3])
    image.AllocateScalars(get_vtk_array_type(values.dtype), values[0, 0, 0].size)
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars.reshape(*values.shape[2::-1], -1).T[...] = values.reshape(*values.shape[:3], -1).transpose(3, 0, 1, 2)
    return image


def as_vtk_type(values: np.ndarray) -> np.ndarray:
    """The array in a type and byte order that volume nodes hold and draw."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(np.int32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
