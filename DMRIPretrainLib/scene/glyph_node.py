"""What a display of glyphs shows and how, as a node that is saved with the scene.

The node is a vtkMRMLScriptedModuleNode. It refers to the volumes by roles and holds the settings as JSON; whoever
changes either sees the display follow. The models that are drawn are not saved: they are made again from this.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import UserError
from .geometry import rigid_transform_to_world, same_grid, world_affine
from .glyph_settings import GlyphSettings
from .orientation_field import OrientationField
from .vector_volumes import values_of, world_rotation

#: Attribute by which the nodes are found, and its value.
KIND_ATTRIBUTE = "DMRIPretrain.Kind"
KIND = "OrientationGlyphs"
#: Roles of the nodes that are drawn. The mask is a volume or a segmentation, all others are volumes.
PEAKS = "peaks"
FODF = "fodf"
MASK = "mask"
UNCERTAINTY = "uncertainty"
ROLES = (PEAKS, FODF, MASK, UNCERTAINTY)
#: Roles of volumes that only the inspector reads, where there are any.
LABELS = "labels"
LABEL_PROBABILITIES = "labelProbabilities"
CROSSINGS = "crossings"
CROSSING_PROBABILITIES = "crossingProbabilities"
INSPECTED_ROLES = (LABELS, LABEL_PROBABILITIES, CROSSINGS, CROSSING_PROBABILITIES)
_SETTINGS = "glyphSettings"


def add_glyph_node(
    scene: slicer.vtkMRMLScene,
    *,
    peaks: slicer.vtkMRMLVolumeNode | None = None,
    fodf: slicer.vtkMRMLVolumeNode | None = None,
    mask: slicer.vtkMRMLVolumeNode | slicer.vtkMRMLSegmentationNode | None = None,
    uncertainty: slicer.vtkMRMLVolumeNode | None = None,
    inspected: Mapping[str, slicer.vtkMRMLVolumeNode] = MappingProxyType({}),
    settings: GlyphSettings | None = None,
    name: str = "Orientation glyphs",
) -> slicer.vtkMRMLScriptedModuleNode:
    """Add a node that tells a ``GlyphDisplay`` what to show.

    Args:
        scene: where to.
        peaks: from ``add_vector_volume``.
        fodf: likewise.
        mask: label volume, such as a map of crossings or tissue, or segmentation: where to show glyphs.
        uncertainty: of the strongest peak, degrees.
        inspected: more volumes on the same grid, by their role among ``INSPECTED_ROLES``.
        settings: how it looks.
        name: of the node.
    """
    node = slicer.vtkMRMLScriptedModuleNode()
    node.SetName(scene.GenerateUniqueName(name))
    node.SetAttribute(KIND_ATTRIBUTE, KIND)
    drawn = dict(zip(ROLES, (peaks, fodf, mask, uncertainty), strict=True))
    for role, source in (drawn | dict(inspected)).items():
        if source is not None:
            node.SetNodeReferenceID(role, source.GetID())
    node.SetParameter(_SETTINGS, (settings or GlyphSettings()).to_json())
    return scene.AddNode(node)


def glyph_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScriptedModuleNode]:
    """All such nodes of a scene, such as one that has just been loaded."""
    nodes = scene.GetNodesByClass("vtkMRMLScriptedModuleNode")
    nodes.UnRegister(None)
    found = (nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems()))
    return [node for node in found if node.GetAttribute(KIND_ATTRIBUTE) == KIND]


def settings_of(node: slicer.vtkMRMLScriptedModuleNode) -> GlyphSettings:
    """The settings that a node holds."""
    return GlyphSettings.from_json(node.GetParameter(_SETTINGS) or "")


def set_settings(node: slicer.vtkMRMLScriptedModuleNode, settings: GlyphSettings) -> None:
    """Change the settings that a node holds."""
    node.SetParameter(_SETTINGS, settings.to_json())


def field_of(node: slicer.vtkMRMLScriptedModuleNode) -> OrientationField:
    """The arrays of the volumes that a node refers to; they are not copied.

    Raises:
        UserError: if a volume is empty, does not hold what its role says, is warped, or lies on another grid than the
            first one.
    """
    volumes = {role: node.GetNodeReference(role) for role in ROLES}
    first = volumes[PEAKS] or volumes[FODF]
    if first is None:
        return OrientationField(np.eye(4))
    affine = world_affine(first)
    shape = values_of(first).shape[:3]
    arrays: dict[str, np.ndarray] = {}
    for role, volume in volumes.items():
        if volume is not None and volume.IsA("vtkMRMLVolumeNode"):
            arrays[role] = values_of(volume)
            _check(volume, arrays[role], role, affine, shape)
    settings = settings_of(node)
    mask = arrays.get(MASK)
    if mask is not None and settings.mask_labels:
        mask = np.isin(mask, settings.mask_labels)
    if volumes[MASK] is not None and volumes[MASK].IsA("vtkMRMLSegmentationNode"):
        mask = _segments(volumes[MASK], settings.mask_segments, affine, shape)
    peaks = arrays.get(PEAKS)
    return OrientationField(
        affine,
        None if peaks is None else peaks.reshape(*shape, -1, 3),
        arrays.get(FODF),
        mask,
        arrays.get(UNCERTAINTY),
        world_rotation(first),
    )


def _check(
    volume: slicer.vtkMRMLVolumeNode, values: np.ndarray, role: str, affine: np.ndarray, shape: tuple[int, ...]
) -> None:
    """Refuse volumes that do not fit."""
    components = 1 if values.ndim == 3 else values.shape[3]
    fits = {
        PEAKS: components % 3 == 0,
        FODF: components in {(order + 1) * (order + 2) // 2 for order in range(2, 21, 2)},
    }
    if not fits.get(role, components == 1):
        expected = {PEAKS: "3, 6, 9, ... components", FODF: "6, 15, 28, 45, ... components"}.get(role, "one component")
        raise UserError(
            f"{volume.GetName()}: expected a volume of {expected} for {role}, found {components}; choose another volume"
        )
    if not same_grid(affine, shape, world_affine(volume), values.shape):
        raise UserError(
            f"{volume.GetName()}: expected the grid of the orientations with {_size(shape)} voxels, found another one "
            f"with {_size(values.shape[:3])}; resample the volume"
        )


def _segments(
    segmentation: slicer.vtkMRMLSegmentationNode, names: tuple[str, ...], affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """(X, Y, Z) bool: the segments of these names, or all, on the grid of the orientations."""
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(*shape)
    grid.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    # The grid as the segmentation's own coordinates see it.
    local = np.linalg.inv(rigid_transform_to_world(segmentation)) @ affine
    grid.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(local))
    inside = np.zeros(shape, dtype=bool)
    segments = segmentation.GetSegmentation()
    for index in range(segments.GetNumberOfSegments()):
        identifier = segments.GetNthSegmentID(index)
        if names and segments.GetSegment(identifier).GetName() not in names:
            continue
        labels = slicer.vtkOrientedImageData()
        segmentation.GetBinaryLabelmapRepresentation(identifier, labels)
        resampled = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(labels, grid, resampled)
        voxels = vtk_to_numpy(resampled.GetPointData().GetScalars())
        inside |= voxels.reshape(shape[::-1]).transpose(2, 1, 0) != 0
    return inside


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
