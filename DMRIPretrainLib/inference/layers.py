"""What a slice of a preview shows: the anatomy, labels over it, or peaks as sticks."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from ..scans.frames import grid_to_world_rotation
from ..tasks.maps import Colour
from .slices import Slice

#: Name and colour of each label.
Legend = Mapping[int, tuple[str, Colour]]

_SUPERSAMPLING = 3


class Anatomy:
    """A volume in shades of grey, and the brain in it.

    Args:
        image: (X, Y, Z) in RAS voxel order.
        mask: (X, Y, Z) bool, the brain, in which the window of grey is set.
    """

    def __init__(self, image: np.ndarray, mask: np.ndarray) -> None:
        image = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
        low, high = np.percentile(image[mask] if mask.any() else image, (1, 99))
        grey = np.clip((image - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
        # The exponent lifts brain tissue, which is dark beside the fluid of a b0 image.
        self.levels = (grey**0.75 * 235).astype(np.uint8)
        self.mask = mask

    def paint(self, view: Slice) -> Image.Image:
        """The slice as RGB."""
        return view.picture(view.take(self.levels), Image.Resampling.BICUBIC).convert("RGB")


class Overlay:
    """Labels in colour over the anatomy; 0, and what the legend lacks, stays uncoloured.

    Args:
        anatomy: what lies below.
        labels: (X, Y, Z) integers in RAS voxel order.
        legend: name and colour of each label.
    """

    def __init__(self, anatomy: Anatomy, labels: np.ndarray, legend: Legend) -> None:
        self.anatomy = anatomy
        self.labels = labels
        self.legend = {label: entry for label, entry in legend.items() if label != 0}

    def paint(self, view: Slice) -> Image.Image:
        """The slice as RGB."""
        labels = view.take(self.labels)
        colours = np.zeros((*labels.shape, 3), dtype=np.uint8)
        opacity = np.zeros(labels.shape, dtype=np.uint8)
        for label, (_, colour) in self.legend.items():
            colours[labels == label] = colour
            opacity[labels == label] = 150
        # Nearest neighbours: a voxel is one label, and the picture shall not look finer than the result.
        above, weight = (view.picture(pixels, Image.Resampling.NEAREST) for pixels in (colours, opacity))
        return Image.composite(above, self.anatomy.paint(view), weight)


class Sticks:
    """Peaks as sticks over the darkened anatomy, each projected onto the slice.

    The colour is that of the world direction. Length, width and brightness grow with the
    amplitude up to the 95th percentile; a stick that points at the viewer is a dot.

    Args:
        anatomy: what lies below; sticks are drawn inside its mask.
        peaks: (X, Y, Z, K, 3) unit vector times amplitude in the world frame, voxels in RAS order;
            zero or NaN where there is none.
        affine: (4, 4) voxel indices in RAS order to RAS mm.
    """

    def __init__(self, anatomy: Anatomy, peaks: np.ndarray, affine: np.ndarray) -> None:
        self.anatomy = anatomy
        self.world = np.nan_to_num(np.asarray(peaks, dtype=np.float32), posinf=0, neginf=0)
        self.rotation = grid_to_world_rotation(affine).astype(np.float32)
        amplitudes = np.linalg.norm(self.world[anatomy.mask], axis=-1)
        self.full_amplitude = float(np.percentile(amplitudes[amplitudes > 0], 95)) if amplitudes.any() else 1.0

    def paint(self, view: Slice) -> Image.Image:
        """The slice as RGB."""
        canvas = self.anatomy.paint(view).point(lambda level: round(level * 0.35))
        canvas = canvas.resize((view.size[0] * _SUPERSAMPLING, view.size[1] * _SUPERSAMPLING))
        pen = ImageDraw.Draw(canvas)
        centres, world = self._visible(view)
        amplitudes = np.linalg.norm(world, axis=-1)
        units = world / amplitudes[:, None]
        strengths = np.minimum(amplitudes / self.full_amplitude, 1)

        reach = float(view.voxel_pixels.min()) * _SUPERSAMPLING / 2
        radii = np.maximum(reach * (0.08 + 0.14 * strengths), _SUPERSAMPLING / 2)
        # Grid = rotation^T @ world. Both axes of a picture run against the grid's, which leaves a line as it is.
        in_plane = (units @ self.rotation)[:, list(view.axes)]
        halves = in_plane * (strengths * reach - radii).clip(0)[:, None]
        colours = np.rint(direction_colours(units) * (0.4 + 0.6 * strengths[:, None])).astype(int)
        for index in np.argsort(strengths):
            _stroke(pen, centres[index], halves[index], radii[index], tuple(colours[index]))
        return canvas.reduce(_SUPERSAMPLING)

    def _visible(self, view: Slice) -> tuple[np.ndarray, np.ndarray]:
        """(N, 2) places of the peaks of a slice in pixels of the canvas, and (N, 3) world vectors."""
        world = view.take(self.world)
        row, column, peak = np.nonzero(world.any(axis=-1) & view.take(self.anatomy.mask)[..., None])
        return view.voxel_centres()[row, column] * _SUPERSAMPLING, world[row, column, peak]


def direction_colours(directions: np.ndarray) -> np.ndarray:
    """(..., 3) RGB, 0 to 255, of (..., 3) world unit vectors: |x| red, |y| green, |z| blue.

    The usual colours of diffusion MRI (Pajevic and Pierpaoli, Magn Reson Med 42:526, 1999), all a
    little lighter, or blue would be too dark to see on black.
    """
    return 255 * (0.15 + 0.85 * np.abs(directions))


def _stroke(pen: ImageDraw.ImageDraw, centre: np.ndarray, half: np.ndarray, radius: float, colour: tuple) -> None:
    """A line with round ends."""
    ends = (centre - half, centre + half)
    pen.line([tuple(end) for end in ends], fill=colour, width=max(round(2 * radius), 1))
    for x, y in ends:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
