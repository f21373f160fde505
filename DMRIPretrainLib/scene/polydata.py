"""From NumPy arrays to VTK's meshes without loops."""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

#: Name of the array of colours, which display nodes refer to.
COLOURS = "Colours"


def make_polydata(
    points: np.ndarray,
    colours: np.ndarray,
    *,
    lines: np.ndarray | None = None,
    triangles: np.ndarray | None = None,
    normals: np.ndarray | None = None,
) -> vtk.vtkPolyData:
    """A mesh with a colour at each point.

    Args:
        points: (N, 3) RAS mm.
        colours: (N, 3) uint8 RGB or (N, 4) RGBA.
        lines: (L, 2) indices of points.
        triangles: (T, 3) indices of points, counter-clockwise seen from outside.
        normals: (N, 3) unit vectors, RAS.
    """
    polydata = vtk.vtkPolyData()
    vertices = vtk.vtkPoints()
    vertices.SetData(_to_vtk(points.astype(np.float32, copy=False)))
    polydata.SetPoints(vertices)
    if lines is not None:
        polydata.SetLines(_cells(lines))
    if triangles is not None:
        polydata.SetPolys(_cells(triangles))
    values = _to_vtk(colours.astype(np.uint8, copy=False))
    values.SetName(COLOURS)
    polydata.GetPointData().SetScalars(values)
    if normals is not None:
        directions = _to_vtk(normals.astype(np.float32, copy=False))
        directions.SetName("Normals")
        polydata.GetPointData().SetNormals(directions)
    return polydata


def points_of(polydata: vtk.vtkPolyData) -> np.ndarray:
    """(N, 3) points of a mesh."""
    points = polydata.GetPoints()
    return np.zeros((0, 3), np.float32) if points is None else vtk_to_numpy(points.GetData())


def colours_of(polydata: vtk.vtkPolyData) -> np.ndarray:
    """(N, 3) or (N, 4) uint8 colours of the points of a mesh."""
    values = polydata.GetPointData().GetArray(COLOURS)
    return np.zeros((0, 3), np.uint8) if values is None else vtk_to_numpy(values)


def _cells(indices: np.ndarray) -> vtk.vtkCellArray:
    """Cells that have equally many corners each."""
    cells = vtk.vtkCellArray()
    flat = np.ascontiguousarray(indices, dtype=np.int32).ravel()
    starts = np.arange(0, flat.size + 1, indices.shape[1], dtype=np.int32)
    cells.SetData(_to_vtk(starts, vtk.VTK_TYPE_INT32), _to_vtk(flat, vtk.VTK_TYPE_INT32))
    return cells


def _to_vtk(array: np.ndarray, array_type: int | None = None) -> vtk.vtkDataArray:
    # VTK keeps the array alive: nothing is copied.
    return numpy_to_vtk(np.ascontiguousarray(array), deep=False, array_type=array_type)
