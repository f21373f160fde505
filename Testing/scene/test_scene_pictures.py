"""The program that makes the pictures: where it looks, and that real brains have their usual colours."""

import importlib.util
import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from DMRIPretrainLib.scene.orientation_field import OrientationField

PATH = Path(__file__).resolve().parents[1] / "Benchmarks" / "scene_pictures.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location(PATH.stem, PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PATH.stem] = module
    spec.loader.exec_module(module)
    return module


def brain_of_bars() -> tuple[OrientationField, np.ndarray]:
    """A box with a red bar across the middle, two blue ones along it, and green ones above it."""
    peaks = np.zeros((30, 36, 30, 3, 3), dtype=np.float32)
    peaks[6:24, 14:22, 17, 0] = [0.8, 0, 0]
    for column in (8, 21):
        peaks[column, 14:22, 4:28, 1] = [0, 0, 0.6]
    peaks[11:13, 4:32, 22, 0] = [0, 0.7, 0]
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-43.5, -50, -40]
    return OrientationField(affine, peaks), np.ones((30, 36, 30), dtype=bool)


def test_the_places_are_where_the_fibres_are(program: ModuleType) -> None:
    field, brain = brain_of_bars()
    places = program.find_places(field, brain)
    np.testing.assert_allclose(places.centre, [0, 2.5, 3.5])
    np.testing.assert_allclose(places.size, [87, 105, 87])
    column, row, layer = np.round(np.linalg.solve(field.affine, [*places.crossing, 1])[:3]).astype(int)
    assert column in (8, 21) and 14 <= row < 22 and layer == 17
    assert abs(places.sagittal - (-43.5 + 3 * 11.5)) <= 3
    assert abs(places.axial - (-40 + 3 * 17)) <= 1.5


def test_without_any_fibres_it_looks_at_the_middle(program: ModuleType) -> None:
    field, brain = brain_of_bars()
    places = program.find_places(replace(field, peaks=np.zeros_like(field.peaks)), brain)
    np.testing.assert_allclose([places.sagittal, places.axial], places.centre[[0, 2]])
    np.testing.assert_allclose(places.crossing, places.centre)


def test_pictures_are_made_small_enough(program: ModuleType) -> None:
    pixels = np.zeros((600, 1200, 3), dtype=np.uint8)
    pixels[:, :500] = np.random.default_rng(0).integers(0, 255, (600, 500, 3))
    content = program.small_png(Image.fromarray(pixels))
    assert len(content) <= program.MOST_BYTES
    with Image.open(io.BytesIO(content)) as picture:
        assert 600 < picture.width < 1200
        assert abs(picture.width - 2 * picture.height) <= 1


@pytest.mark.slow
def test_a_real_brain_has_its_usual_colours(
    program: ModuleType, shared_scan_path: Callable[[str], Path], tmp_path: Path, monkeypatch: Any
) -> None:
    scan = shared_scan_path("toshiba")
    results = program.predict(scan, tmp_path / "results")
    out = tmp_path / "pictures"
    monkeypatch.setattr(sys, "argv", ["pictures", "--scan", str(scan), "--results", str(results), "--out", str(out)])
    program.main()
    names = {path.name.removeprefix("toshiba_60dir_b1500_").removesuffix(".png") for path in out.iterdir()}
    assert names == set(program.PICTURES)
    with Image.open(out / "toshiba_60dir_b1500_peaks_3d.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)[150:800]
    # Saturated colours alone: the legend is above, the anatomy grey.
    spread = pixels.max(axis=2) - pixels.min(axis=2) > 120
    shares = np.bincount(pixels[spread].argmax(axis=1), minlength=3) / spread.sum()
    assert shares.min() > 0.1

    studio = program.Studio(scan, results)
    field, places = studio.display.field, studio.places
    voxels = np.argwhere(np.ones(field.shape, dtype=bool))
    world, peaks = field.centres(voxels), field.world_peaks(voxels)[:, 0]
    near_middle = np.abs(world[:, 0] - places.centre[0]) < 4
    studio.close()
    amplitudes = np.linalg.norm(peaks, axis=1)
    strong = amplitudes > 0.6
    # In the middle the strongest fibres are those of the corpus callosum.
    assert np.median(np.abs(peaks[strong & near_middle, 0]) / amplitudes[strong & near_middle]) > 0.9
