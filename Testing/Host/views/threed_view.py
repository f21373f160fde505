"""The 3D view: models, surfaces, volume rendering and camera as in Slicer."""

from typing import Any

import slicer
import vtk
from PySide6 import QtGui, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.views import managers
from Testing.Host.views.render_area import RenderArea
from Testing.Host.views.view_bar import ViewBar

_AXES = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


class qMRMLThreeDView(RenderArea):
    """The picture of a 3D view."""

    def __init__(self, node: Any, application_logic: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._observers = Observers(self)
        self._group = managers.group(
            "vtkMRMLThreeDViewDisplayableManagerFactory", managers.THREE_D, application_logic, self.vtk_renderer
        )
        self._group.SetMRMLDisplayableNode(node)
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self.vtk_interactor)
        self._observers.add(self._group, vtk.vtkCommand.UpdateEvent, self.schedule)
        self._observers.add(node, vtk.vtkCommand.ModifiedEvent, self.schedule)

    def mrmlViewNode(self) -> Any:
        """The node it shows."""
        return self._node

    def cameraNode(self) -> Any:
        """The camera of the view."""
        return self._style.GetCameraNode() or _camera_of(self._node)

    def renderWindow(self) -> Any:
        """The VTK window."""
        return self.render_window

    def interactor(self) -> Any:
        """The VTK interactor."""
        return self.vtk_interactor

    def interactorStyle(self) -> Any:
        """What interprets the mouse."""
        return self._style

    def forceRender(self) -> None:
        """Render now."""
        self.schedule()
        self.picture()

    def scheduleRender(self) -> None:
        """Render soon."""
        self.schedule()

    def displayableManagerByClassName(self, name: str) -> Any:
        """One of the displayable managers."""
        return self._group.GetDisplayableManagerByClassName(name)

    def resetFocalPoint(self) -> None:
        """Look at the middle of what is shown."""
        bounds = self._bounds()
        camera = self.cameraNode()
        if camera is None or not vtk.vtkMath.AreBoundsInitialized(bounds):
            return
        middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        shift = [new - old for new, old in zip(middle, camera.GetFocalPoint(), strict=True)]
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*[place + by for place, by in zip(camera.GetPosition(), shift, strict=True)])
        camera.ResetClippingRange()

    def resetCamera(self) -> None:
        """Look at all that is shown."""
        bounds = self._bounds()
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            self.vtk_renderer.ResetCamera(bounds)
        else:
            self.vtk_renderer.ResetCamera()
        self.schedule()

    def _bounds(self) -> Any:
        """Of what is shown, without the box and the letters around it."""
        shown = self._node.GetBoxVisible(), self._node.GetAxisLabelsVisible()
        self._node.SetBoxVisible(False)
        self._node.SetAxisLabelsVisible(False)
        bounds = self.vtk_renderer.ComputeVisiblePropBounds()
        self._node.SetBoxVisible(shown[0])
        self._node.SetAxisLabelsVisible(shown[1])
        return bounds

    def lookFromAxis(self, axis: Any) -> None:
        """Look from the right, left, anterior, posterior, superior or inferior: "R", "L", "A", "P", "S", "I"."""
        camera = self.cameraNode()
        direction = _AXES[str(axis)[:1].upper()]
        focus, distance = camera.GetFocalPoint(), camera.GetCamera().GetDistance()
        camera.SetPosition(*[middle + distance * step for middle, step in zip(focus, direction, strict=True)])
        camera.SetViewUp(*((0, 1, 0) if direction[2] else (0, 0, 1)))
        camera.ResetClippingRange()


class qMRMLThreeDWidget(QtWidgets.QWidget):
    """A 3D view with its bar."""

    def __init__(self, node: Any, application_logic: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._logic = slicer.vtkMRMLViewLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(node.GetScene())
        self._logic.AddViewNode(node.GetLayoutName())
        application_logic.GetViewLogics().AddItem(self._logic)
        color = QtGui.QColor.fromRgbF(*node.GetLayoutColor())
        self._bar = ViewBar(node.GetLayoutLabel() or node.GetLayoutName(), color, slider=False, parent=self)
        self._view = qMRMLThreeDView(node, application_logic, self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._view, 1)

    def threeDView(self) -> qMRMLThreeDView:
        """The picture below the bar."""
        return self._view

    viewWidget = threeDView

    def mrmlViewNode(self) -> Any:
        """The node of the view."""
        return self._node

    mrmlAbstractViewNode = mrmlViewNode

    def viewLogic(self) -> Any:
        """The logic of the view."""
        return self._logic

    logic = viewLogic

    def threeDController(self) -> ViewBar:
        """The bar."""
        return self._bar

    controllerWidget = threeDController


def _camera_of(view_node: Any) -> Any:
    scene = view_node.GetScene()
    cameras = [
        scene.GetNthNodeByClass(index, "vtkMRMLCameraNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode"))
    ]
    return next((camera for camera in cameras if camera.GetLayoutName() == view_node.GetLayoutName()), None)
