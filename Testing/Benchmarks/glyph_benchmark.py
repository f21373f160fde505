"""How fast orientation glyphs are built and follow a slice, besides rendering, and what they need of memory.

    .venv/bin/python Testing/Benchmarks/glyph_benchmark.py

Each time is the smallest of several; a volume of 200 x 200 x 100 voxels with three random peaks and an fODF of order 8
each is in the scene, and a slice view with Slicer's displayable managers watches. A slice change counts from the new
position of the slice node to the return of all observers, displayable managers included; drawing the picture is apart.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from DMRIPretrainLib.scene.fodf_glyphs import fodf_meshes
from DMRIPretrainLib.scene.glyph_display import GlyphDisplay
from DMRIPretrainLib.scene.glyph_node import add_glyph_node
from DMRIPretrainLib.scene.glyph_settings import FodfSettings, GlyphKind, GlyphSettings, PeakSettings
from DMRIPretrainLib.scene.offscreen_views import OffscreenApplication, OffscreenSliceView
from DMRIPretrainLib.scene.orientation_field import OrientationField
from DMRIPretrainLib.scene.peak_glyphs import peak_lines
from DMRIPretrainLib.scene.slab import Plane
from DMRIPretrainLib.scene.vector_volumes import add_vector_volume

AXIAL = Plane(np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Line:
    """One line of the benchmark.

    Attributes:
        name: what was measured.
        value: milliseconds, or bytes.
        unit: of the value.
        limit: that the value should stay below; None where there is none.
    """

    name: str
    value: float
    unit: str = "ms"
    limit: float | None = None

    def __str__(self) -> str:
        verdict = "" if self.limit is None else f"   (limit {self.limit:g} {self.unit})"
        return f"{self.name:62s} {self.value:9.1f} {self.unit}{verdict}"


def main() -> None:
    for line in [*measure_building(), *measure_following()]:
        print(line, flush=True)


def fastest(task: Callable[[], object], repeats: int = 20) -> float:
    """Milliseconds of the fastest run."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        task()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


def make_field(shape: tuple[int, int, int], seed: int = 0) -> OrientationField:
    """Random peaks and fODFs of two lobes in every voxel."""
    generator = np.random.default_rng(seed)
    peaks = generator.normal(size=(*shape, 3, 3)).astype(np.float32)
    fodf = 0.1 * generator.normal(size=(*shape, 45)).astype(np.float32)
    fodf[..., 0] = 0.5
    return OrientationField(AFFINE, peaks, fodf)


def measure_building(repeats: int = 20) -> list[Line]:
    """Meshes alone, from voxels that are chosen already, out of the memory of a volume node."""
    field = make_field((200, 100, 1))
    voxels = np.argwhere(np.ones(field.shape, dtype=bool))
    few = voxels[:2000]
    _ = field.full_peak, field.full_fodf  # found once for a volume
    sticks, shapes = PeakSettings(lower=0.0), FodfSettings(lower=0.0)
    slow = replace(sticks, cones=True)
    uncertain = replace(field, uncertainty=np.full(field.shape, 10, np.float32))
    lines = [
        Line("20,000 voxels x 3 peaks, lines", fastest(lambda: peak_lines(field, voxels, sticks), repeats), limit=20),
        Line("the same with cones", fastest(lambda: peak_lines(uncertain, voxels, slow), repeats)),
        Line("2,000 fODFs, 162 points, for a slice", _shapes(field, few, shapes, AXIAL, repeats), limit=150),
        Line("2,000 fODFs, 162 points, for 3D", _shapes(field, few, shapes, None, repeats), limit=150),
    ]
    for count in (2_000, 20_000):
        size = peak_lines(field, voxels[:count], sticks).GetActualMemorySize() / 1024
        lines.append(Line(f"memory of {count:,} voxels x 3 peaks", size, "MiB"))
    for count in (200, 2_000):
        mesh = fodf_meshes(field, voxels[:count], replace(shapes, detail=2), facing=AXIAL)
        lines.append(Line(f"memory of {count:,} fODFs", mesh.GetActualMemorySize() / 1024, "MiB"))
    return lines


def _shapes(
    field: OrientationField, voxels: np.ndarray, settings: FodfSettings, facing: Plane | None, repeats: int
) -> float:
    return fastest(lambda: fodf_meshes(field, voxels, settings, facing=facing), repeats)


def measure_following(shape: tuple[int, int, int] = (200, 200, 100), repeats: int = 20) -> list[Line]:
    """Slices that move, with all that watches them."""
    application = OffscreenApplication()
    view = application.slice_view("Red", (800, 800))
    field = make_field(shape)
    peaks = add_vector_volume(application.scene, field.peaks, AFFINE, "peaks")
    fodf = add_vector_volume(application.scene, field.fodf, AFFINE, "fODF")
    del field
    centre = (np.array(shape) - 1) / 2
    view.centre_on(centre, 300.0)
    display = GlyphDisplay(add_glyph_node(application.scene, peaks=peaks, fodf=fodf))
    count = int(np.prod(shape[:2]))
    lines = [Line(f"slice change, {count:,} voxels x 3 peaks", _move(view, centre, repeats), limit=50)]
    lines.append(Line("rendering them", fastest(view.image, 3)))
    display.settings = replace(GlyphSettings(), kind=GlyphKind.FODF)
    view.centre_on(centre, 43.0)
    lines.append(Line("slice change, 2,000 fODFs in view", _move(view, centre, repeats), limit=150))
    lines.append(Line("rendering them", fastest(view.image, 3)))
    display.close()
    application.close()
    return lines


def _move(view: OffscreenSliceView, centre: np.ndarray, repeats: int) -> float:
    offsets = iter(range(1, 1000))
    return fastest(lambda: view.node.SetSliceOffset(float(centre[2] + next(offsets))), repeats)


if __name__ == "__main__":
    main()
