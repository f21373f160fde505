"""The package of the extension: built from its CMake files, compared with the sources, and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "DMRIPretrain"
SLICER_BUILD = Path(__file__).parent / "slicer_build"
ROOT_FILE = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")

SITE_PACKAGES = Path("lib/Python/lib/python3.12/site-packages")
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")

#: Files of the sources that are no part of the package.
NOT_PACKAGED = {"CMakeLists.txt", ".gitignore"}


def cmake(*arguments: str | Path) -> str:
    program = Path(sys.executable).with_name("cmake")
    if not program.exists():
        pytest.skip("cmake is not installed beside Python; `make env` installs it")
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def configure(source: Path, build: Path) -> None:
    cmake("-S", source, "-B", build, f"-DSlicer_DIR={SLICER_BUILD}", "-DBUILD_TESTING=ON")


def copy_sources(to: Path) -> Path:
    """The sources of the extension; CMake is told that no compiler is needed."""
    to.mkdir()
    for name in ("DMRIPretrain", "DMRIPretrainLib", "Resources"):
        shutil.copytree(REPOSITORY / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = ROOT_FILE.replace("project(DMRIPretrain)", "project(DMRIPretrain NONE)")
    assert text != ROOT_FILE
    (to / "CMakeLists.txt").write_text(text, encoding="utf-8")
    return to


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``source``, ``build`` and ``installed``."""
    folder = tmp_path_factory.mktemp("extension")
    configure(copy_sources(folder / "source"), folder / "build")
    cmake("--install", folder / "build", "--prefix", folder / "installed")
    return folder


def files_below(folder: Path) -> set[str]:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in files if "__pycache__" not in name and Path(name).name not in NOT_PACKAGED}


def test_every_file_of_the_module_is_packaged(built: Path) -> None:
    assert files_below(built / "installed" / MODULES) == files_below(MODULE)


def test_every_file_of_the_library_is_packaged_with_models_and_requirements(built: Path) -> None:
    library = {f"DMRIPretrainLib/{name}" for name in files_below(REPOSITORY / "DMRIPretrainLib")}
    models = {f"DMRIPretrainLib/models/{name}" for name in files_below(REPOSITORY / "Resources" / "Models")}
    assert len(models) >= 3
    packaged = files_below(built / "installed" / SITE_PACKAGES)
    assert packaged == library | models | {"Resources/requirements.txt"}


def test_a_file_that_is_listed_but_missing_stops_the_build(tmp_path: Path) -> None:
    source = copy_sources(tmp_path / "source")
    (source / "DMRIPretrain" / "DMRIPretrainPanels" / "__init__.py").unlink()
    with pytest.raises(AssertionError, match=r"there is no file\s+DMRIPretrainPanels/__init__.py"):
        configure(source, tmp_path / "build")


def test_the_modules_own_test_is_registered_and_finds_the_library(built: Path) -> None:
    program = Path(sys.executable).with_name("ctest")
    listed = subprocess.run(
        [program, "--show-only=json-v1", "--test-dir", built / "build"], capture_output=True, text=True, check=True
    )
    tests = {test["name"]: test["properties"] for test in json.loads(listed.stdout)["tests"]}
    properties = {entry["name"]: entry["value"] for entry in tests["py_DMRIPretrain"]}
    assert properties["ENVIRONMENT_MODIFICATION"] == [f"PYTHONPATH=path_list_prepend:{built / 'source'}"]


_OPEN = """
import sys
from pathlib import Path
from Testing.Host import host as hosts

host = hosts.start()
installed = Path(sys.argv[1])
assert host.load(sys.argv[2]) == ["DMRIPretrain"], "more files than the module, or another"
widget = host.open("DMRIPretrain")
host.settle(0.2)
assert "torch" not in sys.modules
for name in ("DMRIPretrain", "DMRIPretrainPanels", "DMRIPretrainLib"):
    module = sys.modules[name] if name in sys.modules else __import__(name)
    assert Path(module.__file__).is_relative_to(installed), module.__file__
assert not host.module_manager.module("DMRIPretrain").icon.isNull()
from DMRIPretrainLib.networks.catalogue import shipped_model
assert shipped_model().is_relative_to(installed)
host.close()
assert not host.exceptions.take(), "something failed in a slot"
print("opened")
"""


def test_the_module_opens_from_the_package(built: Path) -> None:
    from Testing.Host import graphics

    if graphics.missing():
        pytest.skip(f"the host needs {', '.join(graphics.missing())}")
    installed = built / "installed"
    # As Slicer's launcher sets it; the checkout, for the host, comes after the package.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (installed / SITE_PACKAGES, REPOSITORY)))}
    command = [sys.executable, "-c", _OPEN, str(installed), str(installed / MODULES)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=built)
    assert result.returncode == 0, result.stderr
    assert "opened" in result.stdout


# --- what the extension index reads ---


def extension_variable(name: str) -> str:
    """The value as the checks of the index find it: on one line, in double quotes."""
    found = re.search(rf'^set\(EXTENSION_{name} "([^"\n]+)"\)$', ROOT_FILE, re.MULTILINE)
    assert found, f"EXTENSION_{name} is not on one line"
    return found[1]


def test_the_description_is_short_and_without_markup() -> None:
    assert 40 < len(extension_variable("DESCRIPTION")) < 250
    assert extension_variable("CONTRIBUTORS")


def test_pictures_that_the_index_shows_are_in_the_repository() -> None:
    urls = [extension_variable("ICONURL"), *extension_variable("SCREENSHOTURLS").split()]
    assert len(urls) >= 2
    for url in urls:
        owner_and_path = re.fullmatch(r"https://raw\.githubusercontent\.com/[^/]+/SlicerDMRIPretrain/main/(.+)", url)
        assert owner_and_path, url
        assert (REPOSITORY / owner_and_path[1]).is_file(), url


def test_the_icon_is_as_large_as_the_index_wants_it() -> None:
    with Image.open(MODULE / "Resources" / "Icons" / "DMRIPretrain.png") as icon:
        assert (icon.size, icon.format, icon.mode) == ((128, 128), "PNG", "RGBA")


def test_the_entry_of_the_index_agrees_with_the_build() -> None:
    path = REPOSITORY / "Resources" / "DMRIPretrain.json"
    content = path.read_bytes()
    assert b"\r" not in content
    entry = json.loads(content)
    project = re.search(r"^project\((\w+)", ROOT_FILE, re.MULTILINE)
    assert project and project[1] == path.stem
    assert entry.pop("$schema").endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry.pop("build_dependencies") == extension_variable("DEPENDS").split()
    assert extension_variable("HOMEPAGE").startswith(entry.pop("scm_url").removesuffix(".git"))
    assert entry == {
        "build_subdirectory": ".",
        "category": "Diffusion",
        "enabled": True,
        "scm_revision": "main",
        "scm_type": "git",
        "tier": 3,
    }
