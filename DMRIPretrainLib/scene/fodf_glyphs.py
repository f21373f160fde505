"""fODFs as shapes: the distance from the centre of the voxel is the value in that direction."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import vtk

from .glyph_colours import NEGATIVE_COLOUR, direction_colours
from .glyph_settings import FodfSettings, GlyphScale
from .harmonics import order_of, slope_matrix, value_matrix
from .icosphere import icosphere
from .orientation_field import OrientationField
from .polydata import make_polydata
from .slab import Plane

#: Points of all glyphs together, as long as they need not have fewer than 162 each: 2,000 glyphs have these.
MOST_POINTS = 330_000
#: Of light from everywhere, and from a lamp a little above and to the left of the viewer.
_AMBIENT, _DIFFUSE = 0.42, 0.68
_LAMP = np.array([-0.35, 0.35, 1.0]) / np.linalg.norm([-0.35, 0.35, 1.0])


@dataclass(frozen=True)
class _Template:
    """A sphere, and the values and slopes of the harmonics on it.

    Attributes:
        directions: (M, 3) unit vectors in the world.
        triangles: (T, 3) indices of directions.
        values: (K, M) values of each harmonic.
        slopes: (K, 3 M) its gradients in the world.
    """

    directions: np.ndarray
    triangles: np.ndarray
    values: np.ndarray
    slopes: np.ndarray


def fodf_meshes(
    field: OrientationField,
    voxels: np.ndarray,
    settings: FodfSettings,
    subsampling: int = 1,
    facing: Plane | None = None,
) -> vtk.vtkPolyData:
    """The fODFs of some voxels, each centred on its voxel, coloured by direction.

    Args:
        field: the fODFs of the whole volume.
        voxels: (N, 3) which of them to draw; those outside the mask of the field are left out.
        settings: how they look.
        subsampling: how many voxels lie between two that are drawn; glyphs are larger by it.
        facing: for a slice view, which neither lights surfaces nor hides what lies behind: colours are shaded
            as seen in this plane, and triangles come from back to front. Without it the mesh has normals instead.

    Returns:
        Mesh of closed surfaces, RAS mm.
    """
    voxels = field.in_mask(voxels)
    coefficients = field.coefficients(voxels)
    detail = settings.detail or detail_of(len(voxels))
    template = _template(field, detail, order_of(coefficients.shape[1]))
    values = coefficients @ template.values
    highest = values.max(axis=1, initial=0)
    shown = highest > max(settings.lower, 1e-6)
    values, highest, coefficients = values[shown], highest[shown, None], coefficients[shown]
    slopes = (coefficients @ template.slopes).reshape(*values.shape, 3)
    if settings.min_max:
        lowest = values.min(axis=1, keepdims=True)
        stretch = highest / np.maximum(highest - lowest, 1e-6)
        values, slopes = (values - lowest) * stretch, slopes * stretch[:, :, None]
    negative = values < 0
    radii = np.maximum(values, 0) if settings.hide_negative else np.abs(values)
    half = settings.length * field.edge * subsampling / 2
    size = half / (highest if settings.scale is GlyphScale.UNITY else np.maximum(highest, field.full_fodf))
    centres = field.centres(voxels[shown]).astype(np.float32)
    points = template.directions * (radii * size)[:, :, None] + centres[:, None]
    normals = _normals(template, radii, slopes, negative)
    colours = np.broadcast_to(direction_colours(template.directions), points.shape)
    if not settings.hide_negative and negative.any():
        colours = np.where(negative[:, :, None], NEGATIVE_COLOUR.astype(np.uint8), colours)
    if facing is not None:
        colours = _shade(colours, normals, facing)
    triangles = template.triangles if facing is None else _back_to_front(template, facing)
    starts = np.arange(len(points), dtype=np.int32) * len(template.directions)
    return make_polydata(
        points.reshape(-1, 3),
        colours.reshape(-1, 3),
        triangles=(triangles.astype(np.int32)[None] + starts[:, None, None]).reshape(-1, 3),
        normals=normals.reshape(-1, 3) if facing is None else None,
    )


def detail_of(glyphs: int) -> int:
    """How finely to draw so many glyphs: a level of ``icosphere``, 4 for a few, 2 for many."""
    return 4 if glyphs * 2562 <= MOST_POINTS else 3 if glyphs * 642 <= MOST_POINTS else 2


@cache
def _sphere(detail: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes of the harmonics where glyphs have their points, for volumes that have not been moved."""
    directions, _ = icosphere(detail)
    return value_matrix(directions, order), slope_matrix(directions, order)


def _template(field: OrientationField, detail: int, order: int) -> _Template:
    directions, triangles = icosphere(detail)
    if field.rotation is None:
        values, slopes = _sphere(detail, order)
    else:
        stored = directions @ field.rotation
        values = value_matrix(stored, order)
        slopes = np.einsum("ij,njk->nik", field.rotation, slope_matrix(stored, order))
    return _Template(
        directions.astype(np.float32),
        triangles,
        values.T.astype(np.float32),
        slopes.reshape(-1, slopes.shape[2]).T.astype(np.float32),
    )


def _normals(template: _Template, radii: np.ndarray, slopes: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """(N, M, 3) outward unit normals: those of a surface r(u) u are along r u - grad r."""
    normals = radii[:, :, None] * template.directions
    # Where values below zero are drawn, their absolute values are; where they are hidden, the radius is level.
    signs = np.where(negative, np.where(radii > 0, -1, 0), 1).astype(np.float32)
    normals -= slopes * signs[:, :, None]
    lengths = np.sqrt(np.einsum("nmc,nmc->nm", normals, normals))
    flat = lengths < 1e-9
    if flat.any():
        normals[flat] = np.broadcast_to(template.directions, normals.shape)[flat]
        lengths[flat] = 1
    normals /= lengths[:, :, None]
    return normals


def _shade(colours: np.ndarray, normals: np.ndarray, plane: Plane) -> np.ndarray:
    lamp = _LAMP @ np.stack([plane.right, plane.up, plane.towards_viewer])
    light = np.maximum(normals @ lamp.astype(np.float32), 0)
    light *= _DIFFUSE
    light += _AMBIENT
    return np.minimum(colours * light[:, :, None], 255).astype(np.uint8)


def _back_to_front(template: _Template, plane: Plane) -> np.ndarray:
    """The triangles of a glyph in the order in which to paint them.

    Along a line of sight beside the centre at distance d, a point of the surface in the direction u is d / tan(angle
    of u and the line) deep: the larger u's share of the line, the nearer, whatever the shape. So one order
    of the sphere's triangles does for all glyphs.
    """
    depth = template.directions[template.triangles].sum(axis=1) @ plane.towards_viewer
    return template.triangles[np.argsort(depth)]
