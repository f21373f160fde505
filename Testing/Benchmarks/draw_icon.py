"""Draw the icon of the extension: three bundles of fibres that cross, in the colours of their directions.

``python Testing/Benchmarks/draw_icon.py`` writes it to where Slicer looks for it.
"""

import argparse
import math
from pathlib import Path

from PIL import Image, ImageDraw

ICON = Path(__file__).resolve().parents[2] / "DMRIPretrain" / "Resources" / "Icons" / "DMRIPretrain.png"
SIZE = 128
#: Drawn larger and made smaller, for smooth edges.
_OVERSAMPLING = 8
_BACKGROUND = (24, 28, 38, 255)
#: Angle of each bundle in degrees from the horizontal, and its colour: left-right, front-back, up-down.
_BUNDLES = ((90.0, (64, 128, 255)), (210.0, (66, 205, 100)), (330.0, (255, 82, 82)))
_FIBRES = 3


def draw_icon(size: int = SIZE) -> Image.Image:
    """The icon as an RGBA picture with round corners."""
    edge = size * _OVERSAMPLING
    image = Image.new("RGBA", (edge, edge))
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((0, 0, edge - 1, edge - 1), radius=edge * 0.2, fill=_BACKGROUND)
    # One half of the first bundle is drawn again, over the last: each lies over the next, as in a plait.
    for (angle, colour), first in ((_BUNDLES[0], 0.0), (_BUNDLES[1], 0.0), (_BUNDLES[2], 0.0), (_BUNDLES[0], 0.5)):
        for fibre in range(_FIBRES):
            _draw_fibre(canvas, edge, angle, fibre - (_FIBRES - 1) / 2, colour, first)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _draw_fibre(
    canvas: ImageDraw.ImageDraw,
    edge: int,
    angle: float,
    offset: float,
    colour: tuple[int, int, int],
    first: float,
) -> None:
    """One fibre: a gentle bow that fans out towards its ends."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    width, points = edge * 0.062, []
    for index in range(201):
        along = 2 * (first + (1 - first) * index / 200) - 1
        # In units of half the edge; the bow passes beside the middle, so that the three leave a triangle.
        across = 0.26 - 0.36 * along**2 + offset * (0.16 + 0.07 * along**2)
        x, y = 0.80 * along, across
        points.append((edge / 2 * (1 + x * cosine - y * sine), edge / 2 * (1 - x * sine - y * cosine)))
    # The dark rim begins a little later, so that no seam shows where half a fibre joins its other half.
    for halo, skipped, fill in ((1.45, 10, _BACKGROUND), (1.0, 0, (*colour, 255))):
        radius = width * halo / 2
        for x, y in points[skipped:]:
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def main() -> None:
    """Write the icon."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ICON)
    parser.add_argument("--size", type=int, default=SIZE)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    draw_icon(chosen.size).save(chosen.out, optimize=True)
    print(chosen.out)


if __name__ == "__main__":
    main()
