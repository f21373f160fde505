"""Phantoms and look-ups for the tests of glyphs."""

from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SHAPE = (3, 4, 5)


def make_affine(symmetry: np.ndarray, seed: int, *, oblique: bool) -> np.ndarray:
    """(4, 4) anisotropic voxels in the axis order and with the flips of a (3, 3) signed permutation."""
    generator = np.random.default_rng(seed)
    rotation = random_rotation(generator) if oblique else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = rotation @ symmetry @ np.diag(generator.uniform(1.0, 3.0, 3))
    affine[:3, 3] = generator.uniform(-50, 50, 3)
    return affine


def random_rotation(generator: np.random.Generator) -> np.ndarray:
    """(3, 3) proper rotation."""
    matrix, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


def random_peaks(seed: int, shape: tuple[int, int, int] = SHAPE, count: int = 3) -> np.ndarray:
    """(X, Y, Z, K, 3) peaks with amplitudes from 0.3 to 1, strongest first."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(*shape, count, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    amplitudes = -np.sort(-generator.uniform(0.3, 1.0, (*shape, count)), axis=-1)
    return (directions * amplitudes[..., None]).astype(np.float32)


def expected_ends(affine: np.ndarray, peaks: np.ndarray, half: float) -> np.ndarray:
    """(N, 2, 3) both ends of the sticks of all peaks at unity, in RAS, voxel by voxel without the library."""
    ends = []
    for index in np.ndindex(peaks.shape[:3]):
        centre = (affine @ [*index, 1])[:3]
        for peak in peaks[index].astype(float):
            reach = peak / np.linalg.norm(peak) * half
            ends.append([centre - reach, centre + reach])
    return np.array(ends)


def same_segments(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two sets of (N, 2, D) segments are the same, in any order and either way round."""
    if len(found) != len(expected):
        return False
    distances = np.minimum(
        np.linalg.norm(found[:, None] - expected[None], axis=-1).max(axis=-1),
        np.linalg.norm(found[:, None] - expected[None, :, ::-1], axis=-1).max(axis=-1),
    )
    return bool((distances.min(axis=0) < tolerance).all() and (distances.min(axis=1) < tolerance).all())


def drawn_lines(view: Any) -> np.ndarray:
    """(N, 2, 3) the lines that the actors of a view draw: pixels in a slice view, RAS in a 3D view."""
    view.image()
    segments = [np.zeros((0, 2, 3))]
    props = view.renderer.GetViewProps()
    for index in range(props.GetNumberOfItems()):
        prop = props.GetItemAsObject(index)
        mapper = prop.GetMapper() if isinstance(prop, (vtk.vtkActor, vtk.vtkActor2D)) else None
        if not prop.GetVisibility() or not isinstance(mapper, (vtk.vtkPolyDataMapper, vtk.vtkPolyDataMapper2D)):
            continue
        mapper.GetInputAlgorithm().Update()
        mesh = mapper.GetInput()
        if mesh.GetNumberOfLines():
            points = vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
            segments.append(points[vtk_to_numpy(mesh.GetLines().GetConnectivityArray()).reshape(-1, 2)])
    return np.concatenate(segments)
