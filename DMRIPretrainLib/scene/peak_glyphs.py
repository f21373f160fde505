"""Peaks as direction-coloured sticks."""

from dataclasses import dataclass

import numpy as np
import vtk

from .glyph_colours import direction_colours, peak_colours, uncertainty_colours
from .glyph_settings import GlyphScale, PeakColour, PeakSettings
from .orientation_field import OrientationField
from .polydata import make_polydata

_TUBE_SIDES = 8
_CONE_SIDES = 16
#: A cone that opens by 90 degrees would be flat.
_WIDEST_CONE = 85.0
#: Of 255; sticks are opaque.
_CONE_OPACITY = 90


@dataclass(frozen=True)
class _Sticks:
    """What is drawn: one row a peak.

    Attributes:
        centres: (P, 3) RAS mm.
        directions: (P, 3) unit vectors in the world.
        halves: (P,) half lengths in mm.
        voxels: (P,) row of the voxel of the peak.
        numbers: (P,) 0 for the strongest peak of the voxel.
    """

    centres: np.ndarray
    directions: np.ndarray
    halves: np.ndarray
    voxels: np.ndarray
    numbers: np.ndarray


def peak_lines(
    field: OrientationField, voxels: np.ndarray, settings: PeakSettings, subsampling: int = 1
) -> vtk.vtkPolyData:
    """The peaks of some voxels as lines, centred on the voxels.

    Where the settings ask for cones, a double cone around the strongest peak of each voxel opens by the orientation
    uncertainty, as translucent triangles.

    Args:
        field: the peaks of the whole volume.
        voxels: (N, 3) which of them to draw; those outside the mask of the field are left out.
        settings: how they look.
        subsampling: how many voxels lie between two that are drawn; sticks are longer by it.

    Returns:
        Mesh of two points a line, RAS mm, with RGB colours, RGBA with cones.
    """
    voxels = field.in_mask(voxels)
    sticks = _sticks(field, voxels, settings, subsampling)
    uncertainty = _uncertainty(field, voxels)
    colours = _colours(sticks, settings.colour, uncertainty)
    reach = sticks.directions * sticks.halves[:, None]
    ends = np.stack([sticks.centres - reach, sticks.centres + reach], axis=1).reshape(-1, 3)
    lines = np.arange(len(ends), dtype=np.int32).reshape(-1, 2)
    if not settings.cones or field.uncertainty is None:
        return make_polydata(ends, np.repeat(colours, 2, axis=0), lines=lines)
    points, cone_colours, triangles = _cones(sticks, uncertainty, colours)
    opaque = np.full((len(colours), 1), 255, dtype=np.uint8)
    rgba = np.repeat(np.concatenate([colours, opaque], axis=1), 2, axis=0)
    return make_polydata(
        np.concatenate([ends, points]),
        np.concatenate([rgba, cone_colours]),
        lines=lines,
        triangles=triangles + len(ends),
    )


def peak_tubes(lines: vtk.vtkPolyData, radius: float) -> vtk.vtkPolyData:
    """Tubes of ``radius`` mm around lines, closed at their ends, with the colours of the lines; cones are kept."""
    together = vtk.vtkAppendPolyData()
    if lines.GetNumberOfLines():
        tubes = vtk.vtkTubeFilter()
        tubes.SetInputData(_part(lines, lines=lines.GetLines()))
        tubes.SetRadius(radius)
        tubes.SetNumberOfSides(_TUBE_SIDES)
        tubes.CappingOn()
        together.AddInputData(_updated(tubes))
    if lines.GetNumberOfPolys():
        cones = vtk.vtkPolyDataNormals()
        cones.SetInputData(_part(lines, triangles=lines.GetPolys()))
        cones.SplittingOff()
        cones.ConsistencyOff()
        together.AddInputData(_updated(cones))
    if together.GetNumberOfInputConnections(0) == 0:
        return lines
    together.Update()
    return together.GetOutput()


def _part(
    mesh: vtk.vtkPolyData, lines: vtk.vtkCellArray | None = None, triangles: vtk.vtkCellArray | None = None
) -> vtk.vtkPolyData:
    """The lines or the triangles of a mesh with its points and colours."""
    part = vtk.vtkPolyData()
    part.SetPoints(mesh.GetPoints())
    part.SetLines(lines)
    part.SetPolys(triangles)
    part.GetPointData().SetScalars(mesh.GetPointData().GetScalars())
    return part


def _updated(algorithm: vtk.vtkPolyDataAlgorithm) -> vtk.vtkPolyData:
    """The output of an algorithm; its normals have the same name whichever it is, or appending would lose them."""
    algorithm.Update()
    mesh = algorithm.GetOutput()
    mesh.GetPointData().GetNormals().SetName("Normals")
    return mesh


def _sticks(field: OrientationField, voxels: np.ndarray, settings: PeakSettings, subsampling: int) -> _Sticks:
    peaks = field.world_peaks(voxels)[:, : settings.most]
    amplitudes = np.sqrt(np.einsum("vkc,vkc->vk", peaks, peaks))
    shown = amplitudes > max(settings.lower, 1e-6)
    if settings.upper is not None:
        shown &= amplitudes <= settings.upper
    rows, numbers = np.nonzero(shown)
    strengths = amplitudes[rows, numbers]
    half = settings.length * field.edge * subsampling / 2
    halves = np.full(len(rows), half, dtype=np.float32)
    if settings.scale is GlyphScale.AMPLITUDE:
        halves *= np.minimum(strengths / field.full_peak, 1)
    centres = field.centres(voxels).astype(np.float32)[rows]
    return _Sticks(centres, peaks[rows, numbers] / strengths[:, None], halves, rows, numbers)


def _uncertainty(field: OrientationField, voxels: np.ndarray) -> np.ndarray:
    if field.uncertainty is None:
        return np.zeros(len(voxels), dtype=np.float32)
    return np.nan_to_num(np.asarray(field.uncertainty[tuple(voxels.T)], dtype=np.float32))


def _colours(sticks: _Sticks, colour: PeakColour, uncertainty: np.ndarray) -> np.ndarray:
    if colour is PeakColour.PEAK:
        return peak_colours(sticks.numbers)
    if colour is PeakColour.UNCERTAINTY:
        return uncertainty_colours(uncertainty)[sticks.voxels]
    return direction_colours(sticks.directions)


def _cones(sticks: _Sticks, uncertainty: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, RGBA colours and triangles of the double cones around the strongest peaks."""
    angles = np.radians(np.minimum(uncertainty[sticks.voxels], _WIDEST_CONE))
    chosen = (sticks.numbers == 0) & (angles > 0)
    angles, axes = angles[chosen, None, None], sticks.directions[chosen]
    first, second = _tangents(axes)
    turn = np.linspace(0, 2 * np.pi, _CONE_SIDES, endpoint=False)
    ring = first[:, None] * np.cos(turn)[None, :, None] + second[:, None] * np.sin(turn)[None, :, None]
    rim = axes[:, None] * np.cos(angles) + ring * np.sin(angles)
    # A centre, a rim ahead, and its mirror image behind.
    offsets = np.concatenate([np.zeros_like(rim[:, :1]), rim, -rim], axis=1) * sticks.halves[chosen, None, None]
    points = (sticks.centres[chosen, None] + offsets).reshape(-1, 3)
    around = np.arange(_CONE_SIDES)
    following = (around + 1) % _CONE_SIDES
    ahead = np.stack([np.zeros_like(around), 1 + around, 1 + following], axis=1)
    behind = np.where(ahead > 0, ahead + _CONE_SIDES, 0)[:, ::-1]
    template = np.concatenate([ahead, behind])
    starts = np.arange(len(axes)) * (1 + 2 * _CONE_SIDES)
    triangles = (template[None] + starts[:, None, None]).reshape(-1, 3)
    rgba = np.concatenate([colours[chosen], np.full((len(axes), 1), _CONE_OPACITY, np.uint8)], axis=1)
    return points, np.repeat(rgba, 1 + 2 * _CONE_SIDES, axis=0), triangles


def _tangents(axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors at right angles to each of (N, 3) unit vectors and to each other."""
    helper = np.where(np.abs(axes[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(axes, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(axes, first)
