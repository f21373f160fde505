"""Peaks, fODFs and probabilities as volume nodes, which are saved with the scene, and back.

They are vector volumes with a component for each volume of the file: 9 for three peaks, 45 for an fODF of order 8.
Peaks and fODFs are in the world frame (RAS), whatever the orientation of the voxels, as in the files of ``predict``.
"""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import UserError
from .geometry import rigid_transform_to_world, set_affine
from .volumes import image_of


def add_vector_volume(
    scene: slicer.vtkMRMLScene, values: np.ndarray, affine: np.ndarray, name: str
) -> slicer.vtkMRMLVectorVolumeNode:
    """Add a volume with several values a voxel to a scene.

    Args:
        scene: where to.
        values: (X, Y, Z, C) coefficients or probabilities, (X, Y, Z, 3 K) or (X, Y, Z, K, 3) peaks.
        affine: (4, 4) voxel indices to RAS mm.
        name: of the node.

    Returns:
        The node; it is saved as NRRD.
    """
    return add_vector_image(scene, vector_image(values), affine, name)


def vector_image(values: np.ndarray) -> vtk.vtkImageData:
    """The image of such a volume; see ``add_vector_volume`` and ``volumes.image_of``."""
    return image_of(np.asarray(values, dtype=np.float32).reshape(*values.shape[:3], -1))


def add_vector_image(
    scene: slicer.vtkMRMLScene, image: vtk.vtkImageData, affine: np.ndarray, name: str
) -> slicer.vtkMRMLVectorVolumeNode:
    """Add an image of ``vector_image`` to a scene; see ``add_vector_volume``."""
    node = slicer.vtkMRMLVectorVolumeNode()
    node.SetName(scene.GenerateUniqueName(name))
    set_affine(node, affine)
    node.SetAndObserveImageData(image)
    scene.AddNode(node)
    # The storage node that is the default writes three-component vectors in another frame.
    storage = scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
    node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def values_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(X, Y, Z) or (X, Y, Z, C) values of a volume: its own memory.

    Raises:
        UserError: if the volume is empty.
    """
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise UserError(f"{node.GetName()}: expected a volume with voxels, found an empty one; choose another volume")
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    x, y, z = image.GetDimensions()
    values = scalars.reshape(z, y, x, -1).transpose(2, 1, 0, 3)
    return values[..., 0] if values.shape[3] == 1 else values


def world_rotation(node: slicer.vtkMRMLVolumeNode) -> np.ndarray | None:
    """(3, 3) how the transforms above a volume turn directions; None without transforms.

    Raises:
        UserError: if they are not rigid.
    """
    return None if node.GetParentTransformNode() is None else rigid_transform_to_world(node)[:3, :3]
