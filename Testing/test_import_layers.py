"""The three layers and what each may import: library, scene, module."""

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "DMRIPretrainLib"
SCENE = LIBRARY / "scene"
MODULE = REPOSITORY / "DMRIPretrain"

SLICER = {"slicer", "vtk", "vtkmodules", "ctk", "qt", "PythonQt", "SampleData", "LoadableModule"}
QT = {"qt", "ctk", "PythonQt", "PySide6", "PyQt5", "PyQt6"}
TORCH = {"torch", "lightning", "pytorch_lightning", "monai", "torchio"}

#: Modules that Slicer's own process imports: standard library and numpy alone, at any depth.
LIGHT_MODULES = [
    "DMRIPretrainLib",
    "DMRIPretrainLib.errors",
    "DMRIPretrainLib.files",
    "DMRIPretrainLib.findings",
    "DMRIPretrainLib.networks.catalogue",
    "DMRIPretrainLib.networks.model_card",
    "DMRIPretrainLib.pretext.registry",
    "DMRIPretrainLib.progress",
    "DMRIPretrainLib.scans.frames",
    "DMRIPretrainLib.scans.gradient_table",
    "DMRIPretrainLib.scans.scan",
    "DMRIPretrainLib.studies.settings",
    "DMRIPretrainLib.tasks.maps",
    "DMRIPretrainLib.training.step_memory",
    *(f"DMRIPretrainLib.computer.{path.stem}" for path in sorted((LIBRARY / "computer").glob("[!_]*.py"))),
    "DMRIPretrainLib.training.choose_start",
    "DMRIPretrainLib.training.settings",
    *(f"DMRIPretrainLib.jobs.{path.stem}" for path in sorted((LIBRARY / "jobs").glob("[!_]*.py"))),
]


def imported_packages(source: str) -> set[str]:
    """Top-level names of all absolute imports in a file, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def offences(files: list[Path], forbidden: set[str]) -> dict[str, set[str]]:
    """What each file imports although it must not."""
    found = {path.name: imported_packages(path.read_text(encoding="utf-8")) & forbidden for path in files}
    return {name: names for name, names in found.items() if names}


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import os.path as p\nfrom .torch import x\ndef f():\n    from vtk.util import y\n    import torch.nn, qt\n"
    )
    assert imported_packages(source) == {"os", "vtk", "torch", "qt"}


def test_the_library_knows_nothing_of_slicer() -> None:
    files = [path for path in LIBRARY.rglob("*.py") if SCENE not in path.parents]
    assert len(files) > 10
    assert offences(files, SLICER) == {}


def test_the_scene_knows_neither_torch_nor_qt() -> None:
    assert offences(list(SCENE.rglob("*.py")), TORCH | QT) == {}


def test_the_slicer_module_never_imports_torch() -> None:
    assert offences(list(MODULE.rglob("*.py")), TORCH) == {}


#: What slicer-core is made of; Slicer has the same beside numpy.
SLICER_CORE = ("slicer", "slicer_core", "vtk", "vtkmodules")


def import_with_numpy_alone(module: str, others: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Import a module in a fresh interpreter that has the standard library, numpy, this package and ``others`` only."""
    program = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "DMRIPretrainLib", *{others!r}):
            raise ImportError(f"{{name}} is imported")

sys.path.insert(0, {str(REPOSITORY)!r})
sys.meta_path.insert(0, Refuse())
import {module}
"""
    return subprocess.run(
        [sys.executable, "-S", "-c", _with_site(program)], capture_output=True, text=True, check=False
    )


def _with_site(program: str) -> str:
    """Find numpy without running the hooks of installed packages, which import what they like."""
    import numpy as np

    return f"import sys; sys.path.append({str(Path(np.__file__).parents[1])!r})\n{program}"


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_what_slicer_imports_needs_numpy_alone(module: str) -> None:
    result = import_with_numpy_alone(module)
    assert result.returncode == 0, result.stderr


def test_the_scene_needs_numpy_and_slicer_alone() -> None:
    if importlib.util.find_spec("slicer") is None:
        pytest.skip("slicer-core is not installed")
    # All in one process: it takes a second to load Slicer's libraries.
    modules = [f"DMRIPretrainLib.scene.{path.stem}" for path in sorted(SCENE.glob("[!_]*.py"))]
    assert len(modules) > 10
    result = import_with_numpy_alone(", ".join(modules), SLICER_CORE)
    assert result.returncode == 0, result.stderr or "does Testing/scene/test_environment.py pass?"


def test_the_scene_can_be_imported_before_slicer_has_loaded_its_modules() -> None:
    """Slicer adds the classes of a module as it loads it, in an order that nobody knows: core classes are there."""
    if importlib.util.find_spec("slicer") is None:
        pytest.skip("slicer-core is not installed")
    modules = [path.stem for path in sorted(SCENE.glob("[!_]*.py")) if path.stem != "offscreen_views"]
    program = f"""
import importlib, sys
import slicer
late = [name for name, value in vars(slicer).items() if "Module" in (getattr(value, "__module__", None) or "")]
assert "vtkMRMLColorLegendDisplayNode" in late and "vtkMRMLSegmentationNode" not in late
for name in late:
    delattr(slicer, name)
for name in {modules!r}:
    importlib.import_module("DMRIPretrainLib.scene." + name)
"""
    run = [sys.executable, "-c", program]
    result = subprocess.run(run, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["scipy.ndimage", "torch", "DMRIPretrainLib.scans.grid"])
def test_the_check_above_notices_other_packages(module: str) -> None:
    result = import_with_numpy_alone(module)
    assert "is imported" in result.stderr


def test_requirements_for_slicer_are_those_of_the_package() -> None:
    """Two statements of one range are two downloads, or a conflict; PyTorch comes with its own extension."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (REPOSITORY / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    stated = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    assert stated == {need for need in project["dependencies"] if not need.startswith("torch")}
