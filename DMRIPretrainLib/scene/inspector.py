"""One voxel large: its fODF with its peaks, and its numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from .fodf_glyphs import fodf_meshes
from .glyph_colours import direction_colours
from .glyph_settings import FodfSettings, GlyphScale
from .offscreen_views import offscreen_window, rendered_image
from .orientation_field import OrientationField
from .polydata import COLOURS, make_polydata
from .slab import Plane
from .voxel_report import InspectedMaps, VoxelReport

#: A coronal view as Slicer shows it: the patient's right on the left.
CORONAL = Plane(np.zeros(3), np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
_BACKGROUND = (0.0, 0.0, 0.0)
_INK = (0.93, 0.94, 0.95)
_FAINT = (0.58, 0.61, 0.65)
#: Of the diameter of the fODF.
_PEAK_RADIUS = 0.012
_PEAK_OVERHANG = 1.18
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def fodf_mesh(orientations: OrientationField, voxel: tuple[int, int, int]) -> vtk.vtkPolyData:
    """The fODF of a voxel around the origin of the world's axes, its largest value at distance 1, with normals."""
    indices = np.array([voxel])
    alone = OrientationField(
        np.eye(4),
        fodf=np.nan_to_num(orientations.coefficients(indices))[:, None, None],
        rotation=orientations.rotation,
    )
    settings = FodfSettings(scale=GlyphScale.UNITY, length=2.0, lower=0.0, detail=5)
    return fodf_meshes(alone, np.zeros((1, 3), dtype=np.int64), settings)


def peak_mesh(report: VoxelReport) -> vtk.vtkPolyData:
    """The peaks as tubes around the origin of the world's axes, the strongest a little longer than ``fodf_mesh``."""
    if not report.peaks:
        return vtk.vtkPolyData()
    directions = np.array([peak.direction for peak in report.peaks])
    strongest = report.peaks[0].amplitude
    reaches = directions * np.array([[_PEAK_OVERHANG * peak.amplitude / strongest] for peak in report.peaks])
    ends = np.stack([-reaches, reaches], axis=1).reshape(-1, 3)
    lines = make_polydata(
        ends, np.repeat(direction_colours(directions), 2, axis=0), lines=np.arange(len(ends)).reshape(-1, 2)
    )
    tubes = vtk.vtkTubeFilter()
    tubes.SetInputData(lines)
    tubes.SetRadius(2 * _PEAK_RADIUS)
    tubes.SetNumberOfSides(24)
    tubes.CappingOn()
    tubes.Update()
    return tubes.GetOutput()


class InspectorView:
    """Fills a renderer with a voxel: the fODF with its peaks on the left, its numbers on the right.

    Args:
        renderer: of any render window.
        numbers: False for the glyph alone, in the middle.
    """

    def __init__(self, renderer: vtk.vtkRenderer, *, numbers: bool = True) -> None:
        self.renderer = renderer
        self._numbers = numbers
        renderer.SetBackground(*_BACKGROUND)
        camera = renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetParallelScale(1.45)
        if numbers:
            # The glyph stands in the middle of the left part.
            camera.SetWindowCenter(0.48, 0)
        self.look_at(CORONAL)

    def look_at(self, plane: Plane) -> None:
        """Turn the glyph as it is seen in a slice view."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(*(10 * plane.towards_viewer))
        camera.SetViewUp(*plane.up)
        self.renderer.ResetCameraClippingRange(-2, 2, -2, 2, -2, 2)

    def show(self, maps: InspectedMaps, report: VoxelReport) -> None:
        """Show a voxel in place of the last one."""
        self.renderer.RemoveAllViewProps()
        if maps.orientations.fodf is not None:
            self._add_mesh(fodf_mesh(maps.orientations, report.indices), opacity=1.0)
        self._add_mesh(peak_mesh(report), opacity=1.0)
        self._add_letters()
        if self._numbers:
            self._add_numbers(report)

    def clear(self) -> None:
        """Show nothing, such as outside the volume."""
        self.renderer.RemoveAllViewProps()

    def _add_mesh(self, mesh: vtk.vtkPolyData, opacity: float) -> None:
        if not mesh.GetNumberOfPoints():
            return
        mapper = vtk.vtkPolyDataMapper()
        mapper.SetInputData(mesh)
        mapper.SetScalarModeToUsePointFieldData()
        mapper.SelectColorArray(COLOURS)
        mapper.SetColorModeToDirectScalars()
        actor = vtk.vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetOpacity(opacity)
        actor.GetProperty().SetAmbient(0.3)
        actor.GetProperty().SetDiffuse(0.75)
        actor.GetProperty().SetSpecular(0.12)
        actor.GetProperty().SetSpecularPower(25)
        self.renderer.AddActor(actor)

    def _add_letters(self) -> None:
        """R, L, A, P, S, I around the glyph; those that would stand before it are left out."""
        towards = self.renderer.GetActiveCamera().GetDirectionOfProjection()
        for axis, letters in enumerate(_LETTERS):
            if abs(towards[axis]) > 0.9:
                continue
            for sign, letter in zip((-1, 1), letters, strict=True):
                position = np.zeros(3)
                position[axis] = 1.3 * sign
                text = vtk.vtkBillboardTextActor3D()
                text.SetInput(letter)
                text.SetPosition(*position)
                _style(text.GetTextProperty(), self._font_size(), _FAINT)
                text.GetTextProperty().SetJustificationToCentered()
                text.GetTextProperty().SetVerticalJustificationToCentered()
                self.renderer.AddActor(text)

    def _add_numbers(self, report: VoxelReport) -> None:
        rows = report.rows()
        spacing = min(0.9 / max(len(rows), 1), 0.075)
        top = 0.5 + spacing * (len(rows) - 1) / 2
        colours = iter(direction_colours(np.array([peak.direction for peak in report.peaks]).reshape(-1, 3)) / 255)
        for number, (heading, text) in enumerate(rows):
            y = top - number * spacing
            ink = tuple(next(colours)) if heading.startswith("Peak") else _INK
            self._add_text(heading, 0.52, y, _FAINT)
            self._add_text(text, 0.64, y, ink if heading else _FAINT)

    def _add_text(self, text: str, x: float, y: float, colour: tuple[float, ...]) -> None:
        actor = vtk.vtkTextActor()
        actor.SetInput(text)
        actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        actor.SetPosition(x, y)
        _style(actor.GetTextProperty(), self._font_size(), colour)
        actor.GetTextProperty().SetVerticalJustificationToCentered()
        self.renderer.AddActor(actor)

    def _font_size(self) -> int:
        return max(round(self.renderer.GetSize()[0] / (54 if self._numbers else 20)), 9)


class GlyphPicture:
    """Draws the glyph of one voxel after the other; the window that it keeps takes longer to make than a picture.

    Args:
        size: width and height in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._window = offscreen_window(size)
        renderer = vtk.vtkRenderer()
        renderer.UseFXAAOn()
        self._window.AddRenderer(renderer)
        self._view = InspectorView(renderer, numbers=False)

    def write(self, path: Path, maps: InspectedMaps, report: VoxelReport) -> None:
        """Write the picture of a voxel as PNG, seen from the front."""
        self._view.show(maps, report)
        self._window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self._window)
        grabber.ReadFrontBufferOff()
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(grabber.GetOutputPort())
        writer.SetFileName(str(path))
        writer.Write()

    def close(self) -> None:
        """Give back the graphics."""
        self._window.Finalize()


class CrosshairInspector:
    """Tells which voxel the crosshair is at, whenever it moves.

    Args:
        crosshair: the scene's vtkMRMLCrosshairNode.
        maps: from ``inspected_maps``.
        show: called with the report of the voxel, None outside the volume; not again for the same voxel.
        follow_cursor: follow the mouse instead of the crosshair.
    """

    def __init__(
        self,
        crosshair: slicer.vtkMRMLCrosshairNode,
        maps: InspectedMaps,
        show: Callable[[VoxelReport | None], None],
        *,
        follow_cursor: bool = False,
    ) -> None:
        self.maps = maps
        self._crosshair = crosshair
        self._show = show
        self._follow_cursor = follow_cursor
        self._voxel: tuple[int, int, int] | None = None
        event = crosshair.CursorPositionModifiedEvent if follow_cursor else vtk.vtkCommand.ModifiedEvent
        self._tag = crosshair.AddObserver(event, self._on_move)

    def close(self) -> None:
        """Follow no longer."""
        self._crosshair.RemoveObserver(self._tag)

    def _on_move(self, *_: Any) -> None:
        position: list[float] | None = [0.0, 0.0, 0.0]
        if not self._follow_cursor:
            position = list(self._crosshair.GetCrosshairRAS())
        elif not self._crosshair.GetCursorPositionRAS(position):
            position = None
        voxel = None if position is None else self.maps.voxel_at(position)
        if voxel != self._voxel:
            self._voxel = voxel
            self._show(None if voxel is None else self.maps.report(voxel))


def inspector_image(
    maps: InspectedMaps, report: VoxelReport, size: tuple[int, int] = (1200, 600), plane: Plane = CORONAL
) -> np.ndarray:
    """(height, width, 3) uint8 picture of a voxel, top row first, drawn without a screen."""
    window = offscreen_window(size)
    renderer = vtk.vtkRenderer()
    renderer.UseFXAAOn()
    window.AddRenderer(renderer)
    view = InspectorView(renderer)
    view.look_at(plane)
    view.show(maps, report)
    pixels = rendered_image(window)
    window.Finalize()
    return pixels


def _style(properties: vtk.vtkTextProperty, size: int, colour: tuple[float, ...]) -> None:
    properties.SetFontSize(size)
    properties.SetColor(*colour[:3])
    properties.SetFontFamilyToArial()
