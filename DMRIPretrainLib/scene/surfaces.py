"""Surfaces of labels, as Slicer makes them, but such that a thread can: the filters let Python go on meanwhile."""

import numpy as np
import slicer.util
import vtk

from .volumes import image_of


def closed_surface(values: np.ndarray, affine: np.ndarray, label: int, smoothing: float) -> vtk.vtkPolyData:
    """The smoothed surface of one label, the same as Slicer's conversion of a binary labelmap makes.

    Args:
        values: (X, Y, Z) labels.
        affine: (4, 4) voxel indices to RAS mm.
        label: its value.
        smoothing: from 0 to 1; Slicer's "Smoothing factor".

    Returns:
        Triangles in RAS mm with normals; empty where the label does not occur.
    """
    # The border lets surfaces close that reach the edge of the image.
    padded = image_of(np.pad((values == label).astype(np.uint8), 1))
    padded.SetOrigin(-1, -1, -1)
    contour = vtk.vtkDiscreteFlyingEdges3D()
    contour.SetInputData(padded)
    contour.SetValue(0, 1)
    contour.ComputeGradientsOff()
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    smoother = vtk.vtkWindowedSincPolyDataFilter()
    smoother.SetInputConnection(contour.GetOutputPort())
    smoother.SetNumberOfIterations(20 + int(40 * smoothing))
    smoother.SetPassBand(10.0 ** (-4 * smoothing))
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    to_world = vtk.vtkTransform()
    to_world.SetMatrix(slicer.util.vtkMatrixFromArray(np.asarray(affine, dtype=float)))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(smoother.GetOutputPort())
    placed.SetTransform(to_world)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(placed.GetOutputPort())
    normals.ConsistencyOff()
    normals.SplittingOff()
    contour.Update()
    if not contour.GetOutput().GetNumberOfPoints():
        return vtk.vtkPolyData()
    normals.Update()
    return normals.GetOutput()
