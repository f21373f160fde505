"""A scene of its own with slice and 3D views that draw into arrays: Slicer's display without its application.

Inside Slicer the application has all of this already. Tests and pictures make it here, of the same MRML classes: what
they draw is drawn by Slicer's own displayable managers. Make the views before the nodes that they show, as Slicer
does: colour legends overlook what was there before them.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .slice_layers import show_in_slices

#: Logics by the names of their modules. The colour logic comes first: the others look for its nodes.
_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
}

_SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)

#: The slice views of Slicer's conventional layout: orientation and colour of each.
SLICE_VIEWS = {
    "Red": ("Axial", (0.95, 0.29, 0.24)),
    "Yellow": ("Sagittal", (0.93, 0.84, 0.3)),
    "Green": ("Coronal", (0.43, 0.69, 0.3)),
}


class OffscreenApplication:
    """An empty scene and the logics of Slicer's modules.

    Attributes:
        scene: the MRML scene.
        logic: the application logic; ``logic.GetModuleLogic("Segmentations")`` gives one of a module.
        slice_logics: those of the slice views.
        view_logics: those of the 3D views.
    """

    def __init__(self) -> None:
        # Where Slicer would keep its own colour files; there are none here.
        self._home = tempfile.TemporaryDirectory(prefix="offscreen-slicer-")
        (Path(self._home.name) / "share" / "ColorFiles").mkdir(parents=True)
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetHomeDirectory(self._home.name)
        self.logic.SetShareDirectory("share")
        self.logic.SetTemporaryPath(self._home.name)
        self.logic.SetMRMLScene(self.scene)
        # Where data bundles are unpacked; the empty file tells the manager that the folder is its own.
        bundles = Path(self._home.name) / "cache"
        bundles.mkdir()
        (bundles / ".slicer-cache").touch()
        cache, self._data_io = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        cache.SetRemoteCacheDirectory(str(bundles))
        self._data_io.SetCacheManager(cache)
        self.scene.SetCacheManager(cache)
        self.scene.SetDataIOManager(self._data_io)
        self.slice_logics = vtk.vtkCollection()
        self.view_logics = vtk.vtkCollection()
        self.logic.SetSliceLogics(self.slice_logics)
        self.logic.SetViewLogics(self.view_logics)
        # The application logic does not keep them alive.
        self._logics = [self._add_logic(module, getattr(slicer, name)()) for module, name in _LOGICS.items()]
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self._views: list[OffscreenSliceView | OffscreenThreeDView] = []
        _register(slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), self.logic, _SLICE_MANAGERS)
        _register(slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), self.logic, _THREE_D_MANAGERS)

    def _add_logic(self, module: str, logic: slicer.vtkMRMLAbstractLogic) -> slicer.vtkMRMLAbstractLogic:
        if module == "Colors":
            self.logic.SetColorLogic(logic)
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        self.logic.SetModuleLogic(module, logic)
        return logic

    def slice_view(self, name: str = "Red", size: tuple[int, int] = (400, 400)) -> "OffscreenSliceView":
        """A new slice view: Red is axial, Yellow sagittal, Green coronal; size is width and height in pixels."""
        view = OffscreenSliceView(self, name, size)
        self._views.append(view)
        return view

    def three_d_view(self, size: tuple[int, int] = (400, 400)) -> "OffscreenThreeDView":
        """A new 3D view; size is width and height in pixels."""
        view = OffscreenThreeDView(self, f"{1 + self.view_logics.GetNumberOfItems()}", size)
        self._views.append(view)
        return view

    def close(self) -> None:
        """Take the views apart, then the scene; the order matters to VTK."""
        for view in self._views:
            view.close()
        self._views.clear()
        self.slice_logics.RemoveAllItems()
        self.view_logics.RemoveAllItems()
        self.scene.Clear(True)
        for factory in (
            slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(),
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(),
        ):
            factory.SetMRMLApplicationLogic(None)
        self._home.cleanup()


def offscreen_window(size: tuple[int, int]) -> vtk.vtkRenderWindow:
    """A render window without a screen; size is width and height in pixels."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    return window


def rendered_image(window: vtk.vtkRenderWindow) -> np.ndarray:
    """(height, width, 3) uint8 picture of a render window, drawn anew, top row first."""
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.SetInputBufferTypeToRGB()
    grabber.ReadFrontBufferOff()
    grabber.Update()
    pixels = grabber.GetOutput()
    width, height, _ = pixels.GetDimensions()
    return vtk_to_numpy(pixels.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()


class _OffscreenView:
    """A render window without a screen, and the displayable managers that fill it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = offscreen_window(size)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._interactor.SetRenderWindow(self.window)
        self._interactor.Initialize()

    def _draw(self, node: slicer.vtkMRMLAbstractViewNode, factory: slicer.vtkMRMLDisplayableManagerFactory) -> None:
        """Start the displayable managers of a view node."""
        self.managers = factory.InstantiateDisplayableManagers(self.renderer)
        self.managers.SetMRMLDisplayableNode(node)

    def image(self) -> np.ndarray:
        """(height, width, 3) uint8 picture, top row first."""
        return rendered_image(self.window)

    def close(self) -> None:
        """Let go of the scene and the graphics."""
        self.managers.SetMRMLDisplayableNode(None)
        self.renderer.RemoveAllViewProps()
        self.window.Finalize()


class OffscreenSliceView(_OffscreenView):
    """A slice view.

    Attributes:
        logic: its vtkMRMLSliceLogic.
        node: its vtkMRMLSliceNode.
        composite: its vtkMRMLSliceCompositeNode.
    """

    def __init__(self, application: OffscreenApplication, name: str, size: tuple[int, int]) -> None:
        super().__init__(size)
        self._size = size
        # The first to be drawn, so that all else is blended with it.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._actor)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        self.logic.SetMRMLScene(application.scene)
        self.node = self.logic.AddSliceNode(name)
        orientation, colour = SLICE_VIEWS.get(name, ("Axial", (0.5, 0.5, 0.5)))
        self.node.SetOrientation(orientation)
        self.node.SetLayoutColor(*colour)
        self.composite = self.logic.GetSliceCompositeNode()
        application.slice_logics.AddItem(self.logic)  # colour legends ask it which volumes are in the view
        self._draw(self.node, slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance())
        self.logic.SetDisplayableManagerGroup(self.managers)
        self.logic.ResizeSliceNode(*size)

    def show(
        self,
        background: slicer.vtkMRMLVolumeNode | None = None,
        over: slicer.vtkMRMLVolumeNode | None = None,
        opacity: float | None = None,
    ) -> None:
        """Choose the volumes, see ``show_in_slices``, and fit the view to the background."""
        scene, name = self.node.GetScene(), self.node.GetLayoutName()
        show_in_slices(scene, background, over=over, opacity=opacity, views=[name])
        self.fit()

    def fit(self) -> None:
        """Show the whole of the volumes."""
        self.logic.ResizeSliceNode(*self._size)
        self.logic.FitSliceToBackground()

    def centre_on(self, position: Sequence[float], field_of_view: float | None = None) -> None:
        """Move the slice and its centre to a (3,) position (RAS, mm), and show so many mm across."""
        # Not the slice node's JumpSliceByCentering: that one leaves the origin within the slice as it is.
        to_ras = self.node.GetSliceToRAS()
        for axis in range(3):
            to_ras.SetElement(axis, 3, float(position[axis]))
        self.node.SetXYZOrigin(0, 0, 0)
        self.node.UpdateMatrices()
        if field_of_view is not None:
            width, height = self._size
            self.node.SetFieldOfView(field_of_view, field_of_view * height / width, self.node.GetFieldOfView()[2])

    def image(self) -> np.ndarray:
        """(height, width, 3) uint8 picture, top row first."""
        self.logic.UpdatePipeline()
        # Without a volume there is no image, and its mapper would complain.
        connection = self.logic.GetImageDataConnection()
        self._actor.SetVisibility(connection is not None)
        self._mapper.SetInputConnection(connection)
        return super().image()

    def close(self) -> None:
        """Let go of the scene and the graphics."""
        self.logic.SetDisplayableManagerGroup(None)
        super().close()
        self._mapper.SetInputConnection(None)
        self.logic.SetMRMLScene(None)


class OffscreenThreeDView(_OffscreenView):
    """A 3D view.

    Attributes:
        logic: its vtkMRMLViewLogic.
        node: its vtkMRMLViewNode.
    """

    def __init__(self, application: OffscreenApplication, name: str, size: tuple[int, int]) -> None:
        super().__init__(size)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        self.logic.SetMRMLScene(application.scene)
        self.node = self.logic.AddViewNode(name)
        # The box around the scene is larger than what is in it: the camera would stand far away.
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        application.view_logics.AddItem(self.logic)
        self._draw(self.node, slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance())

    def look_from(self, direction: Sequence[float], up: Sequence[float] = (0, 0, 1), zoom: float = 1.0) -> None:
        """Turn the camera so that it sees all from a (3,) direction (RAS), such as (0, 1, 0): from the front."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(*direction)
        camera.SetViewUp(*up)
        self.renderer.ResetCamera()
        camera.Zoom(zoom)
        self.renderer.ResetCameraClippingRange()

    def close(self) -> None:
        """Let go of the scene and the graphics."""
        super().close()
        self.logic.SetMRMLScene(None)


def _register(
    factory: slicer.vtkMRMLDisplayableManagerFactory, logic: slicer.vtkMRMLApplicationLogic, names: tuple[str, ...]
) -> None:
    factory.SetMRMLApplicationLogic(logic)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
