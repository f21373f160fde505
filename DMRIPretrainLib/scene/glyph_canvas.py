"""Where glyphs are drawn: model nodes that Slicer's stock displayable managers show.

``Canvas`` is all that a display asks for, so that another way of drawing, such as a pipeline of LayerDM, can take the
place of the models.
"""

from dataclasses import dataclass
from typing import Protocol

import slicer
import vtk

from .polydata import COLOURS

#: Attribute of the models: the node of the display that they belong to.
OWNER_ATTRIBUTE = "DMRIPretrain.GlyphsOf"


@dataclass(frozen=True)
class CanvasStyle:
    """How a mesh is drawn.

    Attributes:
        opacity: 0 to 1.
        line_width: pixels.
        views: IDs of the views to draw in; empty for all of the kind.
    """

    opacity: float = 1.0
    line_width: int = 1
    views: tuple[str, ...] = ()


class Canvas(Protocol):
    """Something that shows one mesh, in slice views or in 3D views."""

    def draw(self, mesh: vtk.vtkPolyData, style: CanvasStyle) -> None:
        """Show a mesh in place of the last one; its points are in RAS mm, its colours are shown as they are."""

    def hide(self) -> None:
        """Show nothing until the next mesh."""

    def remove(self) -> None:
        """Leave nothing behind."""


class CanvasMaker(Protocol):
    """Makes canvases, such as ``ModelCanvas``."""

    def __call__(self, owner: slicer.vtkMRMLNode, name: str, *, in_slices: bool) -> Canvas:
        """A canvas for slice views, onto whose plane all of the mesh is projected, or for 3D views."""


class ModelCanvas:
    """A hidden model node that is not saved.

    Args:
        owner: node of the display, in a scene.
        name: of the model.
        in_slices: whether slice views show it, projected onto their plane, or 3D views.
    """

    def __init__(self, owner: slicer.vtkMRMLNode, name: str, *, in_slices: bool) -> None:
        self._owner = owner
        self._name = name
        self._in_slices = in_slices
        self._model: slicer.vtkMRMLModelNode | None = None

    @property
    def model(self) -> slicer.vtkMRMLModelNode | None:
        """The model node, once something has been drawn."""
        return self._model

    def draw(self, mesh: vtk.vtkPolyData, style: CanvasStyle) -> None:
        """Show a mesh in place of the last one."""
        if self._model is None or self._model.GetScene() is None:
            self._model = self._make_model()
        display = self._model.GetDisplayNode()
        modifying = display.StartModify()
        if tuple(display.GetViewNodeIDs() or ()) != style.views:
            display.SetViewNodeIDs(style.views)
        display.SetOpacity(style.opacity)
        display.SetSliceIntersectionOpacity(style.opacity)
        display.SetLineWidth(style.line_width)
        display.SetSliceIntersectionThickness(style.line_width)
        # Lines have no normals that light could fall on.
        display.SetLighting(mesh.GetPointData().GetNormals() is not None)
        display.SetVisibility(True)
        display.EndModify(modifying)
        self._model.SetAndObservePolyData(mesh)
        _settle_colours(self._model)

    def hide(self) -> None:
        """Show nothing until the next mesh."""
        if self._model is not None and self._model.GetDisplayNode() is not None:
            self._model.GetDisplayNode().SetVisibility(False)
            # Memory is for what is shown.
            self._model.SetAndObservePolyData(None)

    def remove(self) -> None:
        """Remove the model and its display node from the scene."""
        if self._model is not None and self._model.GetScene() is not None:
            scene, display = self._model.GetScene(), self._model.GetDisplayNode()
            scene.RemoveNode(self._model)
            if display is not None and display.GetScene() is not None:
                scene.RemoveNode(display)
        self._model = None

    def _make_model(self) -> slicer.vtkMRMLModelNode:
        scene = self._owner.GetScene()
        model = slicer.vtkMRMLModelNode()
        model.SetName(self._name)
        model.SetAttribute(OWNER_ATTRIBUTE, self._owner.GetID())
        display = slicer.vtkMRMLModelDisplayNode()
        for node in (model, display):
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.SetUndoEnabled(False)
        model.SetSelectable(False)
        display.SetVisibility2D(self._in_slices)
        display.SetVisibility3D(not self._in_slices)
        display.SetSliceDisplayModeToProjection()
        display.SetActiveScalar(COLOURS, vtk.vtkAssignAttribute.POINT_DATA)
        display.SetScalarVisibility(True)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
        display.SetAmbient(0.25)
        display.SetDiffuse(0.8)
        display.SetSpecular(0.1)
        scene.AddNode(display)
        scene.AddNode(model)
        model.SetAndObserveDisplayNodeID(display.GetID())
        return model


def _settle_colours(model: slicer.vtkMRMLModelNode) -> None:
    """Give a display whose colours need no range one all the same.

    With every change the display node sets the range of directly mapped scalars to (0, -1), and slice views hand that
    to a lookup table, which prints "Bad table range" each time they draw. So the range is set without notice, and then
    the views are told to look again.
    """
    display = model.GetDisplayNode()
    quiet = display.GetDisableModifiedEvent()
    display.SetDisableModifiedEvent(True)
    display.SetScalarRange(0, 255)
    display.SetDisableModifiedEvent(quiet)
    model.InvokeEvent(slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, display)
