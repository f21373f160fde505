"""Slices of a volume as pictures: which voxels, which way round, in the right proportions.

Radiological convention, as in 3D Slicer: the patient's right is on the left of axial and coronal
pictures, anterior is on the left of sagittal ones, superior (axial: anterior) is up.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

#: For the axis across the slice: name, the two axes in it (horizontal, vertical), letters at left, right, top, bottom.
_PLANES = {
    0: ("sagittal", (1, 2), "APSI"),
    1: ("coronal", (0, 2), "RLSI"),
    2: ("axial", (0, 1), "RLAP"),
}


@dataclass(frozen=True)
class Slice:
    """One slice of a volume in RAS voxel order, cropped to a box.

    Attributes:
        axis: the voxel axis across the slice: 0 sagittal, 1 coronal, 2 axial.
        index: the voxel index along that axis.
        box: the voxels to show along each axis.
        voxel_size: (3,) mm.
        scale: pixels per mm.
    """

    axis: int
    index: int
    box: tuple[slice, slice, slice]
    voxel_size: np.ndarray
    scale: float

    @property
    def plane(self) -> str:
        """Axial, coronal or sagittal."""
        return _PLANES[self.axis][0]

    @property
    def axes(self) -> tuple[int, int]:
        """The voxel axes that run horizontally and vertically."""
        return _PLANES[self.axis][1]

    @property
    def letters(self) -> str:
        """What lies at the left, right, top and bottom: R, L, A, P, S or I."""
        return _PLANES[self.axis][2]

    @property
    def voxel_pixels(self) -> np.ndarray:
        """(2,) size of a voxel in pixels: width, height."""
        return self.voxel_size[list(self.axes)] * self.scale

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        counts = np.array([self.box[axis].stop - self.box[axis].start for axis in self.axes])
        width, height = np.maximum(np.rint(counts * self.voxel_pixels), 1).astype(int)
        return int(width), int(height)

    def take(self, volume: np.ndarray) -> np.ndarray:
        """(rows, columns, ...) of an (X, Y, Z, ...) volume in RAS voxel order, as it is shown.

        Row 0 is the top and column 0 the left: the far ends of both axes, since in RAS order they
        run to the right, to anterior and up.
        """
        region: list[slice | int] = list(self.box)
        region[self.axis] = self.index
        return np.swapaxes(volume[tuple(region)], 0, 1)[::-1, ::-1]

    def picture(self, pixels: np.ndarray, resampling: Image.Resampling) -> Image.Image:
        """A uint8 (rows, columns) or (rows, columns, 3) array of ``take``'s layout at the size of the picture."""
        return Image.fromarray(np.ascontiguousarray(pixels)).resize(self.size, resampling)

    def voxel_centres(self) -> np.ndarray:
        """(rows, columns, 2) centres of the voxels in pixels from the left and the top, in ``take``'s layout."""
        columns, rows = (self.box[axis].stop - self.box[axis].start for axis in self.axes)
        steps = np.array(self.size) / (columns, rows)
        x, y = np.meshgrid((np.arange(columns) + 0.5) * steps[0], (np.arange(rows) + 0.5) * steps[1])
        return np.stack([x, y], axis=-1)


def overview(mask: np.ndarray, voxel_size: np.ndarray) -> list[Slice]:
    """Slices that show a brain: three axial ones, and coronal and sagittal through the centre of mass.

    Args:
        mask: (X, Y, Z) bool in RAS voxel order; where it is empty the whole volume is shown.
        voxel_size: (3,) mm.
    """
    if not mask.any():
        mask = np.ones_like(mask)
    counts = [np.count_nonzero(mask, axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    inside = [np.flatnonzero(count) for count in counts]
    margin = 2
    low = [max(int(voxels[0]) - margin, 0) for voxels in inside]
    high = [min(int(voxels[-1]) + 1 + margin, size) for voxels, size in zip(inside, mask.shape, strict=True)]
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))

    centre = [round(float(np.average(np.arange(len(count)), weights=count))) for count in counts]
    step = len(inside[2]) // 6
    axial = sorted({int(np.clip(centre[2] + offset, low[2], high[2] - 1)) for offset in (-step, 0, step)})
    scale = _scale((np.array(high) - low) * voxel_size, float(voxel_size.min()))
    places = [*((2, index) for index in axial), (1, centre[1]), (0, centre[0])]
    return [Slice(axis, index, box, voxel_size, scale) for axis, index in places]


def _scale(extent: np.ndarray, smallest_voxel: float) -> float:
    """Pixels per mm: pictures of some 560 pixels, larger where voxels would be too small for sticks, up to a limit."""
    longest = float(extent.max())
    return min(max(560 / longest, 6 / smallest_voxel), 900 / longest)
