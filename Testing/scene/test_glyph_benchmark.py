"""Glyphs are not many times slower than they should be, and their memory is that of what is shown."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[1] / "Benchmarks" / "glyph_benchmark.py"
#: Machines that are busy with other work.
GENEROUS = 5


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location(PATH.stem, PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PATH.stem] = module
    spec.loader.exec_module(module)
    return module


def test_building_is_fast_enough(benchmark: ModuleType) -> None:
    lines = {line.name: line for line in benchmark.measure_building(repeats=3)}
    slow = [str(line) for line in lines.values() if line.limit is not None and line.value > GENEROUS * line.limit]
    assert not slow
    for few, many in (
        ("memory of 2,000 voxels x 3 peaks", "memory of 20,000 voxels x 3 peaks"),
        ("memory of 200 fODFs", "memory of 2,000 fODFs"),
    ):
        assert 8 < lines[many].value / lines[few].value < 12


def test_following_a_slice_is_fast_enough(benchmark: ModuleType) -> None:
    lines = benchmark.measure_following((100, 100, 20), repeats=3)
    assert not [str(line) for line in lines if line.limit is not None and line.value > GENEROUS * line.limit]
