"""The module, opened in the host."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.Host.fixtures import *  # noqa: F403

MODULE = Path(__file__).resolve().parents[2] / "DMRIPretrain"


@pytest.fixture(autouse=True)
def library_stays() -> Iterator[None]:
    """Reloading the module loads the library anew; the tests of others hold on to the library that they know."""

    def loaded() -> dict[str, Any]:
        return {name: found for name, found in sys.modules.items() if name.split(".")[0] == "DMRIPretrainLib"}

    kept = loaded()
    yield
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.fixture
def module(host: Any, tmp_path: Path) -> Any:
    """The widget object of the module, in the open window; jobs go to a folder of the test."""
    import qt

    host.load(MODULE)
    qt.QSettings().setValue("DMRIPretrain/JobsFolder", str(tmp_path / "jobs"))
    return host.open("DMRIPretrain")


@pytest.fixture
def panel(module: Any) -> Any:
    """Returns a panel by the name of its class."""
    return lambda name: next(panel for panel in module.panels if type(panel).__name__ == name)


@pytest.fixture
def small_scan() -> Any:
    """Makes a node as Slicer's own readers do: a noisy ball with a b0 and some directions, on an oblique grid."""
    import slicer

    from DMRIPretrainLib.scans.gradient_table import GradientTable
    from DMRIPretrainLib.scans.scan import Scan
    from DMRIPretrainLib.scene.scan_nodes import scan_to_node

    def make(directions: int = 12, name: str = "small scan") -> Any:
        random = np.random.default_rng(0)
        vectors = random.normal(size=(1 + directions, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[0] = 0
        bvals = np.array([0.0] + [1000.0] * directions)
        affine = np.array([[-1.9, 0.3, 0, 20], [0.3, 1.9, 0, -10], [0, 0, 2.5, 5], [0, 0, 0, 1]])
        i, j, k = np.indices((20, 20, 16))
        ball = (i - 10) ** 2 + (j - 10) ** 2 + (k - 8) ** 2 < 50
        attenuation = np.exp(-bvals * 0.0017 * vectors[:, 0] ** 2 - bvals * 0.0004)
        signal = 1000 * ball[..., None] * attenuation + random.normal(20, 5, (*ball.shape, 1 + directions))
        return scan_to_node(
            slicer.mrmlScene, Scan(np.abs(signal).astype(np.float32), affine, GradientTable(bvals, vectors)), name
        )

    return make
