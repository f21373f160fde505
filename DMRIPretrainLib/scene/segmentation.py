"""Labels as a segmentation: names, colours and codes, shown in slices and as surfaces in 3D."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import UserError
from .geometry import affine_of, grid_shape
from .labels import Label
from .subject_hierarchy import add_item, place_beside
from .surfaces import closed_surface
from .volumes import image_of

#: Smoothing of the surfaces, 0 to 1: enough to lose the steps of voxels, and not the gyri.
_SMOOTHING = 0.5
#: How opaque the tissues are in 3D: what lies outside lets see what lies inside.
_OPACITIES_3D = {"CSF": 0.1, "GM": 0.2, "WM": 1.0}
_OPACITY_2D = 0.4


def add_segmentation(
    scene: slicer.vtkMRMLScene,
    name: str,
    values: np.ndarray,
    affine: np.ndarray,
    labels: Sequence[Label],
    beside: slicer.vtkMRMLVolumeNode | None = None,
    *,
    surfaces: bool = True,
    ready: Mapping[int, vtk.vtkPolyData] = MappingProxyType({}),
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation.

    Args:
        scene: where to.
        name: of the node.
        values: (X, Y, Z) labels, 0 for the background.
        affine: (4, 4) voxel indices to RAS mm.
        labels: name and colour of each; one that does not occur becomes an empty segment.
        beside: the scan: its neighbour in the subject hierarchy, and under the same parent transform.
        surfaces: whether there are surfaces in the 3D views.
        ready: those that ``surfaces_of`` has made already, by the value of the label; others are made.

    Returns:
        The node. The identifiers of its segments are the names of the labels, with the value where two are alike.
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    segmentation = node.GetSegmentation()
    image = _oriented_image(values, affine)
    names = [label.name for label in labels]
    for label in labels:
        if label.value:
            unique = label.name if names.count(label.name) == 1 else f"{label.name} {label.value}"
            segmentation.AddSegment(_segment(label, image, ready.get(label.value)), unique)
    geometry = slicer.vtkSegmentationConverter.SerializeImageGeometry(image)
    segmentation.SetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(), geometry
    )
    segmentation.SetConversionParameter("Smoothing factor", str(_SMOOTHING))
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(_OPACITY_2D)
    for label in labels:
        if label.value and label.name in _OPACITIES_3D:
            display.SetSegmentOpacity3D(label.name, _OPACITIES_3D[label.name])
    if surfaces:
        show_surfaces(node)
    add_item(node)
    if beside is not None:
        node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), beside.GetID())
        place_beside(node, beside)
    return node


def show_surfaces(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Make the surfaces of all segments and show them in 3D."""
    node.CreateClosedSurfaceRepresentation()
    node.GetDisplayNode().SetPreferredDisplayRepresentationName3D(
        slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    )


def surfaces_of(values: np.ndarray, affine: np.ndarray, labels: Sequence[Label]) -> dict[int, vtk.vtkPolyData]:
    """Surfaces of labels by their value, for ``add_segmentation``; may run in a thread."""
    return {label.value: closed_surface(values, affine, label.value, _SMOOTHING) for label in labels if label.value}


def show_segment(
    node: slicer.vtkMRMLSegmentationNode,
    segment: str,
    *,
    visible: bool | None = None,
    opacity: float | None = None,
    opacity_3d: float | None = None,
) -> None:
    """Change how one segment is shown; None leaves things as they are.

    Args:
        node: the segmentation.
        segment: its name.
        visible: in slices and in 3D.
        opacity: of its area in slices, 0 to 1, times that of the whole segmentation.
        opacity_3d: of its surface, 0 to 1.
    """
    display = node.GetDisplayNode()
    if visible is not None:
        display.SetSegmentVisibility(segment, visible)
    if opacity is not None:
        display.SetSegmentOpacity2DFill(segment, opacity)
    if opacity_3d is not None:
        display.SetSegmentOpacity3D(segment, opacity_3d)


def labels_in(
    node: slicer.vtkMRMLSegmentationNode, grid: slicer.vtkMRMLVolumeNode, values: Mapping[str, int] | None = None
) -> np.ndarray:
    """Label values of all segments on the grid of a volume, such as the scan.

    Args:
        node: a segmentation of any origin, drawn by hand too.
        grid: a volume under the same parent transform.
        values: of each segment, by its name; None for those that the segments have, which may be alike.

    Returns:
        (X, Y, Z) int32, 0 outside of all segments; of segments that overlap the last one counts.

    Raises:
        UserError: if the two are under different parent transforms.
    """
    if node.GetParentTransformNode() is not grid.GetParentTransformNode():
        raise UserError(
            f"{node.GetName()}: expected the parent transform of {grid.GetName()}, found another; put both into one"
        )
    segmentation = node.GetSegmentation()
    identifiers = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    names, image = vtk.vtkStringArray(), slicer.vtkOrientedImageData()
    for identifier in identifiers:
        names.InsertNextValue(identifier)
    geometry = _oriented_image(np.zeros(grid_shape(grid), dtype=np.uint8), affine_of(grid))
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    node.GenerateMergedLabelmapForAllSegments(image, mode, geometry, names)
    # The merged image counts the segments from 1 on, whatever their label values.
    places = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions(), order="F")
    segments = [segmentation.GetSegment(identifier) for identifier in identifiers]
    own = [segment.GetLabelValue() if values is None else values[segment.GetName()] for segment in segments]
    return np.array([0, *own], dtype=np.int32)[places]


def _segment(label: Label, image: slicer.vtkOrientedImageData, surface: vtk.vtkPolyData | None) -> slicer.vtkSegment:
    """All segments share one image of labels: they cannot overlap, and need a fraction of the memory."""
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetColor(*label.rgb)
    segment.SetLabelValue(label.value)
    if label.terminology is not None:
        segment.SetTag(segment.GetTerminologyEntryTagName(), label.terminology)
    converter = slicer.vtkSegmentationConverter
    segment.AddRepresentation(converter.GetBinaryLabelmapRepresentationName(), image)
    if surface is not None:
        segment.AddRepresentation(converter.GetClosedSurfaceRepresentationName(), surface)
    return segment


def _oriented_image(values: np.ndarray, affine: np.ndarray) -> slicer.vtkOrientedImageData:
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(image_of(values))
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(np.asarray(affine, dtype=float)))
    return image
