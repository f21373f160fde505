"""The sphere as triangles: an icosahedron whose faces are divided again and again."""

from functools import cache

import numpy as np


@cache
def icosphere(level: int) -> tuple[np.ndarray, np.ndarray]:
    """Even points on the unit sphere and the triangles between them.

    Args:
        level: how often the faces of the icosahedron are divided into four: 0 for 12 points, 1 for 42, 2 for 162,
            3 for 642, 4 for 2562.

    Returns:
        (N, 3) unit vectors, with each its opposite, and (2 N - 4, 3) indices of points, counter-clockwise seen
        from outside. Do not write into them: they are shared.
    """
    if level == 0:
        return _icosahedron()
    points, triangles = icosphere(level - 1)
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middles = points[unique].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(points) + inverse.reshape(-1, 3)).T
    a, b, c = triangles.T
    divided = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]).transpose(2, 0, 1).reshape(-1, 3)
    return np.concatenate([points, middles]), divided


def _icosahedron() -> tuple[np.ndarray, np.ndarray]:
    golden = (1 + 5**0.5) / 2
    points = np.array(
        [[s, t * golden, 0] for s in (-1, 1) for t in (-1, 1)]
        + [[0, s, t * golden] for s in (-1, 1) for t in (-1, 1)]
        + [[t * golden, 0, s] for s in (-1, 1) for t in (-1, 1)]
    )
    # An edge is 2 long: three corners that far from each other are a face.
    near = np.isclose(np.linalg.norm(points[:, None] - points[None], axis=2), 2.0)
    faces = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[c, a]
    ]
    triangles = np.array(faces)
    corners = points[triangles]
    inward = np.linalg.det(corners) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return points / np.linalg.norm(points[0]), triangles
