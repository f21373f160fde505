"""Where the voxels of a volume node lie: affines in and out, parent transforms, same grid or not."""

import numpy as np
import slicer
import slicer.util
import vtk

from ..errors import UserError

#: How far the corners of two grids may lie apart and still count as the same, in voxels.
MAX_CORNER_DISTANCE = 0.1
_RIGID_TOLERANCE = 1e-4


def set_affine(node: slicer.vtkMRMLVolumeNode, affine: np.ndarray) -> None:
    """Place a volume node; affine is (4, 4), voxel indices to RAS mm."""
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.asarray(affine, dtype=float)))


def affine_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(4, 4) voxel indices to the RAS mm of the node itself, without its parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def rigid_transform_to_world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """(4, 4) rotation and translation that the parent transforms of a node amount to; the identity without any.

    Raises:
        UserError: if they scale, shear or bend: what becomes of gradient directions then is not defined.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if parent.IsTransformToWorldLinear():
        matrix = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(matrix)
        transform = slicer.util.arrayFromVTKMatrix(matrix)
        rotation = transform[:3, :3]
        # Mirrored anatomy is refused as well: no scanner position explains it.
        if np.allclose(rotation.T @ rotation, np.eye(3), atol=_RIGID_TOLERANCE) and np.linalg.det(rotation) > 0:
            return transform
    raise UserError(
        f"{node.GetName()}: expected no parent transform or a rigid one, found {parent.GetName()}, which scales, "
        "mirrors or bends; take the scan out of it and apply it to the results"
    )


def world_affine(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(4, 4) voxel indices to world RAS mm, rigid parent transforms applied.

    Raises:
        UserError: if a parent transform is not rigid.
    """
    return rigid_transform_to_world(node) @ affine_of(node)


def grid_shape(node: slicer.vtkMRMLVolumeNode) -> tuple[int, int, int]:
    """Number of voxels along the axes i, j, k; zeros where the node is empty."""
    image = node.GetImageData()
    return tuple(image.GetDimensions()) if image is not None else (0, 0, 0)


def same_grid(
    first_affine: np.ndarray, first_shape: tuple[int, ...], second_affine: np.ndarray, second_shape: tuple[int, ...]
) -> bool:
    """Whether two grids have the same voxels: their corners lie within 0.1 voxel of each other."""
    if tuple(first_shape[:3]) != tuple(second_shape[:3]):
        return False
    corners = np.stack(np.meshgrid(*([0, size - 1] for size in first_shape[:3]), [1], indexing="ij"), axis=-1)
    distance = np.linalg.norm(corners.reshape(-1, 4) @ (first_affine - second_affine).T, axis=1).max()
    return bool(distance <= MAX_CORNER_DISTANCE * np.linalg.norm(first_affine[:3, :3], axis=0).min())
