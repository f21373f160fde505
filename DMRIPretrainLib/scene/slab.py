"""Which voxels a plane passes: found from the plane, so that the rest of the volume is never looked at."""

from dataclasses import dataclass

import numpy as np

#: Voxels this little beyond half the slab still count, or rounding would mix two layers where the plane lies
#: exactly between them. In voxels.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Plane:
    """A slice view's plane in the world.

    Attributes:
        origin: (3,) a point of the plane, RAS mm: the centre of the view.
        right: (3,) unit vector to the right of the view, RAS.
        up: (3,) unit vector to its top, at a right angle.
        size: width and height of what is seen, mm.
    """

    origin: np.ndarray
    right: np.ndarray
    up: np.ndarray
    size: tuple[float, float] = (np.inf, np.inf)

    @property
    def towards_viewer(self) -> np.ndarray:
        """(3,) unit normal that points out of the screen, RAS."""
        return np.cross(self.right, self.up)

    def in_view(self, points: np.ndarray, margin: float) -> np.ndarray:
        """(N,) bool: whether (N, 3) points, RAS mm, lie in the view or less than ``margin`` mm beside it."""
        offsets = points - self.origin
        width, height = self.size
        return (np.abs(offsets @ self.right) <= width / 2 + margin) & (np.abs(offsets @ self.up) <= height / 2 + margin)


def voxels_in_slab(
    shape: tuple[int, int, int], affine: np.ndarray, plane: Plane, thickness: float = 0.0, step: int = 1
) -> np.ndarray:
    """Indices of the voxels whose centres lie within half a slab of a plane.

    The plane is followed along the voxel axis that is nearest to its normal: the work grows with the area of the
    slice, not with the volume.

    Args:
        shape: (X, Y, Z) voxels.
        affine: (4, 4) voxel indices to RAS mm.
        plane: where to cut.
        thickness: of the slab in mm; 0 for one layer, that is one voxel in each column along that axis.
        step: take every second (2) or fourth (4) voxel along the two other axes.

    Returns:
        (N, 3) int indices.
    """
    affine = np.asarray(affine, dtype=float)
    normal = plane.towards_viewer
    # The distance of a voxel from the plane is slope @ index + offset.
    slope = normal @ affine[:3, :3]
    offset = float(normal @ (affine[:3, 3] - plane.origin))
    depth = int(np.argmax(np.abs(slope)))
    first, second = (axis for axis in range(3) if axis != depth)
    columns = np.meshgrid(np.arange(0, shape[first], step), np.arange(0, shape[second], step), indexing="ij")
    i, j = columns[0].ravel(), columns[1].ravel()
    crossing = -(slope[first] * i + slope[second] * j + offset) / slope[depth] + _TOLERANCE
    reach = max(thickness / abs(slope[depth]), 1.0) / 2
    start = np.floor(crossing - reach).astype(np.int64) + 1
    found = []
    for layer in range(int(np.ceil(2 * reach))):
        k = start + layer
        inside = (k >= 0) & (k < shape[depth]) & (k <= crossing + reach)
        voxels = np.empty((int(inside.sum()), 3), dtype=np.int64)
        voxels[:, first], voxels[:, second], voxels[:, depth] = i[inside], j[inside], k[inside]
        found.append(voxels)
    return np.concatenate(found)


def voxels_in_mask(mask: np.ndarray, step: int, most: int) -> tuple[np.ndarray, int]:
    """Indices of the voxels of a mask, on a coarser and coarser grid until they are few enough.

    Args:
        mask: (X, Y, Z) bool.
        step: take every second (2) or fourth (4) voxel along each axis, to begin with.
        most: how many voxels are allowed.

    Returns:
        (N, 3) int indices, and the step that was taken.
    """
    while True:
        voxels = np.argwhere(mask[::step, ::step, ::step]) * step
        if len(voxels) <= most:
            return voxels, step
        step += 1
