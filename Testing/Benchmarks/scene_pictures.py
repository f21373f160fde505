"""Pictures of results as 3D Slicer shows them, drawn by Slicer's own displayable managers without its application.

    .venv/bin/python Testing/Benchmarks/scene_pictures.py [--scan FILE] [--results FOLDER] [--out FOLDER]

Without ``--scan`` it takes the real scans of the data folder. Where no results are given, the scan is predicted with
the shipped model first. For each scan there are PNGs: slices with the number of fibres and the peaks, the fODFs where
the corpus callosum and the corticospinal tract cross, the inspector at that place, the tissues and the peaks in 3D.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from PIL import Image, ImageDraw, ImageFont, ImageOps

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import atomic_path
from DMRIPretrainLib.inference.layers import Legend
from DMRIPretrainLib.inference.preview import CROSSING_LEGEND, TISSUE_LEGEND
from DMRIPretrainLib.scene.glyph_display import GlyphDisplay
from DMRIPretrainLib.scene.glyph_settings import (
    FodfSettings,
    GlyphKind,
    GlyphScale,
    GlyphSettings,
    PeakSettings,
    ShownIn3D,
)
from DMRIPretrainLib.scene.inspector import inspector_image
from DMRIPretrainLib.scene.offscreen_views import OffscreenApplication, OffscreenSliceView, OffscreenThreeDView
from DMRIPretrainLib.scene.orientation_field import OrientationField
from DMRIPretrainLib.scene.result import ShownResult, show_result
from DMRIPretrainLib.scene.scan_nodes import load_scan_node
from DMRIPretrainLib.scene.segmentation import show_segment
from DMRIPretrainLib.scene.slice_layers import show_in_slices
from DMRIPretrainLib.scene.voxel_report import inspected_maps

REPOSITORY = Path(__file__).resolve().parents[2]
#: The scans of the data folder, and which pictures of each to keep; of a scan of the user's all are made.
SCANS: dict[str, tuple[str, ...]] = {
    "toshiba_60dir_b1500": (),
    "prisma_20dir_b2500": ("slices", "fodf_crossing"),
}

#: Methods of ``Studio``.
PICTURES = ("slices", "peaks", "fodf_crossing", "inspector", "segmentation_3d", "peaks_3d")

Colour = tuple[int, int, int]
PAPER: Colour = (0, 0, 0)
INK: Colour = (236, 238, 240)
FAINT: Colour = (150, 155, 162)
DIRECTION_LEGEND = {
    1: ("left - right", (255, 60, 60)),
    2: ("anterior - posterior", (60, 235, 60)),
    3: ("superior - inferior", (80, 80, 255)),
}
#: Views are drawn larger and made smaller, which smooths their edges.
FINER = 2
#: A repository keeps every version of a picture for ever.
MOST_BYTES = 450_000
PIXELS_PER_MM = 6.0
MARGIN_MM = 5.0
CLOSEUP_MM = 58.0
#: Where 3D views look from, RAS: the patient's left, a little from the front and above; and more from above.
FROM_LEFT = np.array([-1.0, 0.55, 0.45])
FROM_ABOVE = np.array([-0.45, 0.6, 0.75])
HEAD, FOOT, GAP = 64, 48, 12
#: The axes of the world that run across and up each slice view, and what lies at its left, right, top and bottom.
SLICE_AXES = {"Red": (0, 1), "Green": (0, 2), "Yellow": (1, 2)}
LETTERS = {"Red": "RLAP", "Green": "RLSI", "Yellow": "APSI"}


def main() -> None:
    options = parse()
    scans = [options.scan] if options.scan else [options.data / name / "dwi.nii.gz" for name in SCANS]
    try:
        for scan in scans:
            if options.scan or scan.is_file():
                take_all(scan.resolve(), options)
            else:
                print(f"skipped, there is no {scan}")
    except UserError as error:
        raise SystemExit(f"scene_pictures: {error}") from error


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, help="a scan; by default the real ones of the data folder")
    parser.add_argument("--results", type=Path, help="results of ``predict`` for the scan; by default it is predicted")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of the scans")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "Resources" / "Screenshots")
    options = parser.parse_args()
    if options.results and not options.scan:
        parser.error("--results are those of one --scan")
    return options


def take_all(scan: Path, options: argparse.Namespace) -> None:
    """All pictures of one scan."""
    with tempfile.TemporaryDirectory() as folder:
        results = options.results or predict(scan, Path(folder))
        studio = Studio(scan, results)
        for name in SCANS.get(studio.name) or PICTURES:
            picture = getattr(studio, name)()
            path = options.out / f"{studio.name}_{name}.png"
            content = small_png(picture)
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
            print(f"wrote {path}, {len(content) / 1000:.0f} kB", flush=True)
        studio.close()


def small_png(picture: Image.Image) -> bytes:
    """The widest PNG that is small enough; 6 bits of each colour are kept."""
    for width in range(min(picture.width, 1600), 600, -50):
        resized = picture.resize((width, round(width * picture.height / picture.width)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        ImageOps.posterize(resized, 6).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            return buffer.getvalue()
    raise UserError(f"expected a picture that fits in {MOST_BYTES} bytes, found a larger one; make it simpler")


def predict(scan: Path, folder: Path) -> Path:
    """Results of the shipped model, made in another process."""
    command = [sys.executable, "-m", "DMRIPretrainLib", "predict", str(scan), "--out", str(folder), "--ensemble", "4"]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd=REPOSITORY).returncode:
        raise UserError(f"{scan}: could not be predicted; the lines above tell why")
    return folder


@dataclass(frozen=True)
class Places:
    """Where to look, RAS mm.

    Attributes:
        centre: of the brain.
        size: of the brain along R, A and S.
        axial: height of the slice with most of the corpus callosum and the corticospinal tract.
        sagittal: of the slice beside the middle with most of the cingulum.
        crossing: where the corpus callosum and the corticospinal tract cross.
    """

    centre: np.ndarray
    size: np.ndarray
    axial: float
    sagittal: float
    crossing: np.ndarray


def find_places(field: OrientationField, brain: np.ndarray) -> Places:
    """Tell where to look from the peaks; ``brain`` is (X, Y, Z) bool."""
    shape = field.shape
    voxels = np.argwhere(np.ones(shape, dtype=bool))
    peaks = field.world_peaks(voxels)
    amplitudes = np.linalg.norm(peaks, axis=2)
    units = np.abs(peaks) / np.maximum(amplitudes, 1e-6)[..., None]
    world = field.centres(voxels)
    inside = world[brain.ravel()]
    low, high = inside.min(axis=0), inside.max(axis=0)
    centre = (low + high) / 2
    beside = np.abs(world[:, 0] - centre[0])
    red, green, blue = (np.where(units[..., axis] > 0.75, amplitudes, 0).max(axis=1) for axis in range(3))
    upper = world[:, 2] > centre[2] - 5
    middle = np.abs(world[:, 2] - centre[2]) < 12
    axial = best_plane(
        world[:, 2], [red * (beside < 15) * middle, blue * (beside > 12) * (beside < 35) * middle], centre[2]
    )
    cingulum = green * (beside > 4) * (beside < 11) * (world[:, 2] > centre[2] + 5)
    sagittal = best_plane(world[:, 0], [cingulum], centre[0])
    # No direction is both: of two peaks one runs across and one up.
    across, up = (np.where(units[..., axis] > 0.72, amplitudes, 0).max(axis=1) for axis in (0, 2))
    both = np.minimum(across, up) * upper * (beside > 10) * (beside < 32)
    around = smoothed(both.reshape(shape)).ravel() * (both > 0)
    crossing = world[np.argmax(around)] if around.any() else centre
    return Places(centre, high - low, axial, sagittal, crossing)


def best_plane(positions: np.ndarray, weights: Sequence[np.ndarray], otherwise: float, width: float = 3.0) -> float:
    """The position, in steps of ``width``, where the least of several weights is largest."""
    bins = np.round(positions / width).astype(int)
    low = bins.min()
    least = np.minimum.reduce([np.bincount(bins - low, weight) for weight in weights])
    return float((int(np.argmax(least)) + low) * width) if least.any() else otherwise


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over each voxel and its 26 neighbours."""
    from scipy.ndimage import uniform_filter

    return uniform_filter(values, 3)


class Studio:
    """A scan and its results in a scene, with views to take pictures of."""

    def __init__(self, scan: Path, results: Path) -> None:
        stem = scan.name.split(".")[0]
        self.name = scan.parent.name if stem in ("dwi", "data") else stem
        self.application = OffscreenApplication()
        self.scene = self.application.scene
        node = load_scan_node(self.scene, scan)
        self.result: ShownResult = show_result(results, node, name="Shipped model")
        if self.result.glyphs is None or self.result.crossings is None or self.result.segmentation is None:
            raise UserError(f"{results}: expected all tasks, found some missing; predict the scan again")
        self.caption = describe(self.name, self.result.report)
        self.display = GlyphDisplay(self.result.glyphs)
        labels = slicer.util.arrayFromVolume(self.result.labels).transpose(2, 1, 0)
        self.places = find_places(self.display.field, labels > 0)
        self.views = {name: self._slice_view(name) for name in SLICE_AXES}
        self.space = self.application.three_d_view((900 * FINER, 760 * FINER))

    def close(self) -> None:
        self.display.close()
        self.application.close()

    def _slice_view(self, name: str) -> OffscreenSliceView:
        """A slice view that the brain fills."""
        size = (self.places.size + 2 * MARGIN_MM)[list(SLICE_AXES[name])]
        view = self.application.slice_view(name, tuple(round(mm * PIXELS_PER_MM * FINER) for mm in size))
        centre = self.places.centre.copy()
        across = ({0, 1, 2} - set(SLICE_AXES[name])).pop()
        centre[across] = (self.places.sagittal, self.places.crossing[1], self.places.axial)[across]
        view.centre_on(centre, float(size[0]))
        return view

    def _dim(self, brightness: float) -> None:
        """Show the anatomy as dark as lets glyphs stand out."""
        display = self.result.background.GetDisplayNode()
        values = slicer.util.arrayFromVolume(self.result.background)
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0, float(np.percentile(values[values > 0], 99)) / brightness)

    def peaks(self) -> Image.Image:
        """Axial, coronal and sagittal: the peaks over the anatomy."""
        self._dim(0.55)
        sticks = PeakSettings(length=1.6, lower=0.1, line_width=2 * FINER)
        self._show(over=False, glyphs=GlyphSettings(peaks=sticks))
        page = self._three_slices("Peaks, length by amplitude")
        return self._explained(page, {"Direction": DIRECTION_LEGEND})

    def slices(self) -> Image.Image:
        """The peaks over the numbers of fibre populations."""
        self._dim(0.6)
        sticks = PeakSettings(length=1.6, lower=0.1, line_width=2 * FINER)
        self._show(over=True, glyphs=GlyphSettings(peaks=sticks), opacity=0.3)
        page = self._three_slices("Fibre populations and peaks")
        return self._explained(page, {"Fibre populations": CROSSING_LEGEND, "Direction of peaks": DIRECTION_LEGEND})

    def _show(self, *, over: bool, glyphs: GlyphSettings, opacity: float | None = None) -> None:
        crossings = self.result.crossings if over else None
        show_in_slices(self.scene, self.result.background, over=crossings, opacity=opacity)
        self.display.settings = glyphs
        self.result.segmentation.GetDisplayNode().SetVisibility2D(False)
        for index in range(self.scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")):
            self.scene.GetNthNodeByClass(index, "vtkMRMLColorLegendDisplayNode").SetVisibility(False)

    def _three_slices(self, title: str) -> Image.Image:
        """The axial slice on the left, the coronal one above the sagittal one on the right."""
        panels = {name: framed(finer_image(view), LETTERS[name]) for name, view in self.views.items()}
        red, green, yellow = panels["Red"], panels["Green"], panels["Yellow"]
        height = HEAD + green.height + GAP + yellow.height + FOOT
        page = Image.new("RGB", (red.width + GAP + yellow.width, height), PAPER)
        page.paste(red, (0, HEAD))
        page.paste(green, (red.width + GAP + (yellow.width - green.width) // 2, HEAD))
        page.paste(yellow, (red.width + GAP, HEAD + green.height + GAP))
        return signed(page, title, f"{self.caption}. R is the patient's right.")

    def _explained(self, page: Image.Image, legends: dict[str, Legend]) -> Image.Image:
        top = HEAD + round(self.views["Red"].image().shape[0] / FINER) + 30
        for column, (title, entries) in enumerate(legends.items()):
            legend(page, (30 + 320 * column, top), title, entries)
        return page

    def fodf_crossing(self) -> Image.Image:
        """fODFs in a coronal slice where the corpus callosum and the corticospinal tract cross."""
        self._dim(0.5)
        shapes = FodfSettings(length=1.9, lower=0.08)
        self._show(over=False, glyphs=GlyphSettings(kind=GlyphKind.FODF, fodf=shapes, views=("Closeup",)))
        view = self.application.slice_view("Closeup", (1100 * FINER, 1000 * FINER))
        view.node.SetOrientation("Coronal")
        show_in_slices(self.scene, self.result.background)
        view.centre_on(self.places.crossing, CLOSEUP_MM)
        picture = framed(finer_image(view), LETTERS["Green"])
        page = Image.new("RGB", (picture.width, HEAD + picture.height + FOOT), PAPER)
        page.paste(picture, (0, HEAD))
        title = "fODFs where callosal and corticospinal fibres cross"
        return signed(page, title, f"{self.caption}. R is the patient's right.")

    def inspector(self) -> Image.Image:
        """The voxel of that crossing."""
        maps = inspected_maps(self.result.glyphs)
        voxel = maps.voxel_at(self.places.crossing)
        assert voxel is not None
        report = maps.report(voxel)
        picture = Image.fromarray(inspector_image(maps, report, (1400 * FINER, 700 * FINER))).reduce(FINER)
        page = Image.new("RGB", (picture.width, HEAD + picture.height + FOOT), PAPER)
        page.paste(picture, (0, HEAD))
        return signed(page, "The inspector, at a voxel where they cross", self.caption)

    def segmentation_3d(self) -> Image.Image:
        """The tissues as surfaces: all of them, then white matter in the glass of grey matter."""
        self._show(over=False, glyphs=GlyphSettings(visible=False))
        segmentation = self.result.segmentation
        show_segment(segmentation, "CSF", visible=False)
        parts = []
        for opacity in (1.0, 0.2):
            show_segment(segmentation, "GM", opacity_3d=opacity)
            parts.append(self._space(FROM_LEFT, zoom=1.55))
        page = Image.new("RGB", (2 * parts[0].width, HEAD + parts[0].height + FOOT), PAPER)
        for column, part in enumerate(parts):
            page.paste(part, (column * part.width, HEAD))
        legend(page, (30, HEAD), "Tissue", {label: TISSUE_LEGEND[label] for label in (2, 3)})
        return signed(page, "Segmentation", self.caption)

    def peaks_3d(self) -> Image.Image:
        """The strong peaks of the whole volume in space, as tubes, below them the axial slice."""
        self._dim(0.6)
        tubes = PeakSettings(scale=GlyphScale.UNITY, length=1.1, lower=0.42, tubes=True, tube_radius=0.13)
        view = self.views["Red"]
        self._show(over=False, glyphs=GlyphSettings(peaks=tubes, in_3d=ShownIn3D.VOLUME))
        surfaces = self.result.segmentation.GetDisplayNode()
        surfaces.SetVisibility3D(False)
        view.node.SetSliceVisible(True)
        view.image()
        picture = self._space(FROM_ABOVE, zoom=1.9)
        view.node.SetSliceVisible(False)
        surfaces.SetVisibility3D(True)
        page = Image.new("RGB", (picture.width, HEAD + picture.height + FOOT), PAPER)
        page.paste(picture, (0, HEAD))
        legend(page, (30, HEAD), "Direction", DIRECTION_LEGEND)
        return signed(page, "Strong peaks", self.caption)

    def _space(self, direction: np.ndarray, zoom: float) -> Image.Image:
        """The 3D view on black."""
        node = self.space.node
        node.SetUseDepthPeeling(True)
        node.SetBackgroundColor(0, 0, 0)
        node.SetBackgroundColor2(0, 0, 0)
        self.space.look_from(direction, zoom=zoom)
        return finer_image(self.space)


def describe(name: str, report: dict[str, Any]) -> str:
    """Such as ``sub-01_dwi: 5 b0 + 60 x 1500, model tiny``."""
    models = ", ".join(Path(path).stem for path in report.get("models", {}))
    return f"{name}: {report.get('gradient_table', 'scan')}, model {models or 'unknown'}"


def finer_image(view: OffscreenSliceView | OffscreenThreeDView) -> Image.Image:
    """The picture of a view at its intended size."""
    return Image.fromarray(view.image()).reduce(FINER)


def framed(picture: Image.Image, letters: str) -> Image.Image:
    """A slice with what lies at its left, right, top and bottom."""
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    places = ((8, height / 2, "lm"), (width - 8, height / 2, "rm"), (width / 2, 6, "mt"), (width / 2, height - 6, "mb"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        pen.text((x, y), letter, INK, ImageFont.load_default(20), anchor=anchor, stroke_width=2, stroke_fill=PAPER)
    return picture


def legend(page: Image.Image, corner: tuple[int, int], title: str, entries: Legend) -> None:
    """Names of colours below a title."""
    pen = ImageDraw.Draw(page)
    x, y = corner
    pen.text((x, y), title, INK, ImageFont.load_default(22))
    for line, (name, colour) in enumerate(entries.values(), start=1):
        pen.rounded_rectangle((x, y + 10 + 32 * line, x + 20, y + 30 + 32 * line), radius=4, fill=colour)
        pen.text((x + 32, y + 20 + 32 * line), name, INK, ImageFont.load_default(20), anchor="lm")


def signed(page: Image.Image, title: str, caption: str) -> Image.Image:
    """A page with its title above and what it shows below."""
    pen = ImageDraw.Draw(page)
    pen.text((20, HEAD / 2), title, INK, ImageFont.load_default(28), anchor="lm")
    pen.text((20, page.height - FOOT / 2), caption, FAINT, ImageFont.load_default(18), anchor="lm")
    return page


if __name__ == "__main__":
    main()
