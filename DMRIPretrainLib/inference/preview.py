"""One picture of all that was predicted: tissue, fibre populations and peaks beside the anatomy."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..files import atomic_path
from ..scans.grid import GridOrientation
from ..tasks.maps import CROSSING_COLOURS, CROSSING_LABELS, TISSUE_COLOURS, TISSUES, Colour
from .layers import Anatomy, Legend, Overlay, Sticks, direction_colours
from .slices import Slice, overview


def legend_of(names: Sequence[str], colours: Sequence[Colour], values: Sequence[int] | None = None) -> Legend:
    """Legend of labels, such as a head's; ``values`` are 0, 1, ... by default; 0, the background, is left out."""
    values = range(len(names)) if values is None else values
    return {value: (name, colour) for value, name, colour in zip(values, names, colours, strict=True) if value != 0}


TISSUE_LEGEND = legend_of(TISSUES, TISSUE_COLOURS)
CROSSING_LEGEND = legend_of(CROSSING_LABELS, CROSSING_COLOURS)

_PAPER: Colour = (14, 15, 18)
_INK: Colour = (236, 238, 240)
_FAINT: Colour = (150, 155, 162)
_MARGIN = 24
_GAP = 10
_GUTTER = 250
_TITLE_LINE = 32
_LEGEND_TOP = 62
_LEGEND_LINE = 28


@dataclass(frozen=True)
class _Row:
    heading: str
    note: str
    legend: Legend
    layer: Anatomy | Overlay | Sticks

    def height(self, views: Sequence[Slice]) -> int:
        return max(_LEGEND_TOP + _LEGEND_LINE * len(self.legend), *(view.size[1] for view in views))


def render_preview(
    path: Path,
    background: np.ndarray,
    affine: np.ndarray,
    mask: np.ndarray,
    *,
    segmentation: np.ndarray | None = None,
    crossings: np.ndarray | None = None,
    peaks: np.ndarray | None = None,
    title: Sequence[str] = (),
    labels: Legend = TISSUE_LEGEND,
) -> None:
    """Write a PNG with a row of slices for the anatomy and one for each result given.

    All volumes are in the voxel order of ``affine``, whichever it is: the same scan stored another
    way round gives the same picture. Radiological convention, see ``slices``.

    Args:
        path: the file to write, atomically.
        background: (X, Y, Z) image to see the anatomy in, such as the mean b0 or the mean of a shell.
        affine: (4, 4) voxel indices to RAS mm.
        mask: (X, Y, Z) bool, the brain; slices are cropped to it.
        segmentation: (X, Y, Z) integer labels; 0 stays uncoloured.
        crossings: (X, Y, Z) number of fibre populations, 0 to 3.
        peaks: (X, Y, Z, K, 3) unit vector times amplitude, world frame; zero or NaN where there is none.
        title: lines above the picture: what the scan is first, then what made the results.
        labels: name and colour of each label of ``segmentation``.

    Raises:
        UserError: if the file cannot be written.
    """
    x, y, z = background.shape
    orientation = GridOrientation(np.asarray(affine, dtype=float), (x, y, z))
    mask = orientation.apply(mask.astype(bool))
    anatomy = Anatomy(orientation.apply(background), mask)
    rows = [_Row("Anatomy", "mean signal", {}, anatomy)]
    if segmentation is not None:
        rows.append(_Row("Segmentation", "", labels, Overlay(anatomy, orientation.apply(segmentation), labels)))
    if crossings is not None:
        layer = Overlay(anatomy, orientation.apply(crossings), CROSSING_LEGEND)
        rows.append(_Row("Fibre crossings", "populations in a voxel", CROSSING_LEGEND, layer))
    if peaks is not None:
        sticks = Sticks(anatomy, orientation.apply(peaks), orientation.affine)
        rows.append(_Row("Fibre orientation", "peaks, length by amplitude", _direction_legend(), sticks))

    voxel_size = np.linalg.norm(orientation.affine[:3, :3], axis=0)
    page = _compose(rows, overview(mask, voxel_size), orientation.affine, title)
    with atomic_path(path) as temporary:
        page.save(temporary, format="PNG", compress_level=3)


def _direction_legend() -> Legend:
    names = ("left - right", "anterior - posterior", "superior - inferior")
    colours = np.rint(direction_colours(np.eye(3))).astype(int).tolist()
    return {axis: (name, tuple(colour)) for axis, (name, colour) in enumerate(zip(names, colours, strict=True))}


def _compose(rows: Sequence[_Row], views: Sequence[Slice], affine: np.ndarray, title: Sequence[str]) -> Image.Image:
    top = _MARGIN + _TITLE_LINE * len(title) + 36
    heights = [row.height(views) for row in rows]
    width = _GUTTER + sum(view.size[0] + _GAP for view in views) + 2 * _MARGIN
    page = Image.new("RGB", (width, top + sum(heights) + _GAP * len(rows) + 30 + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(page)
    _head(pen, title)
    y = top
    for row, height in zip(rows, heights, strict=True):
        _explain(pen, row, y)
        x = _MARGIN + _GUTTER
        for view in views:
            corner = (x, y + (height - view.size[1]) // 2)
            page.paste(row.layer.paint(view), corner)
            _letter(pen, view, corner)
            if row is rows[0]:
                pen.text((x + view.size[0] / 2, top - 8), _position(view, affine), _FAINT, _font(15), anchor="ms")
            x += view.size[0] + _GAP
        y += height + _GAP
    convention = "Radiological convention: R is the patient's right. For research, not for diagnosis."
    pen.text((_MARGIN, page.height - _MARGIN), convention, _FAINT, _font(15), anchor="ls")
    return page


def _head(pen: ImageDraw.ImageDraw, title: Sequence[str]) -> None:
    for line, text in enumerate(title):
        colour, size = (_INK, 24) if line == 0 else (_FAINT, 18)
        # The font lacks superscripts, as in mm²; compatibility normalisation makes plain digits of them.
        pen.text((_MARGIN, _MARGIN + _TITLE_LINE * line), unicodedata.normalize("NFKC", text), colour, _font(size))


def _explain(pen: ImageDraw.ImageDraw, row: _Row, y: int) -> None:
    pen.text((_MARGIN, y), row.heading, _INK, _font(22))
    pen.text((_MARGIN, y + 30), row.note, _FAINT, _font(15))
    for line, (name, colour) in enumerate(row.legend.values()):
        place = y + _LEGEND_TOP + _LEGEND_LINE * line
        pen.rounded_rectangle((_MARGIN, place, _MARGIN + 18, place + 18), radius=4, fill=colour)
        pen.text((_MARGIN + 28, place + 9), name, _INK, _font(16), anchor="lm")


def _letter(pen: ImageDraw.ImageDraw, view: Slice, corner: tuple[int, int]) -> None:
    (left, top), (width, height) = corner, view.size
    places = (
        (left + 5, top + height / 2),
        (left + width - 5, top + height / 2),
        (left + width / 2, top + 4),
        (left + width / 2, top + height - 4),
    )
    for letter, place, anchor in zip(view.letters, places, ("lm", "rm", "mt", "mb"), strict=True):
        pen.text(place, letter, _INK, _font(15), anchor=anchor, stroke_width=2, stroke_fill=_PAPER)


def _position(view: Slice, affine: np.ndarray) -> str:
    """Such as ``axial, z = 12 mm``: where the centre of the slice lies in the world."""
    centre = [(part.start + part.stop - 1) / 2 for part in view.box]
    centre[view.axis] = view.index
    world = affine[:3, :3] @ centre + affine[:3, 3]
    return f"{view.plane}, {'xyz'[view.axis]} = {world[view.axis]:.0f} mm"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
