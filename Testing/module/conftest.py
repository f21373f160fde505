"""The module, opened in the host."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.status import read_status
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.export import save_scan, save_truth
from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from Testing.Host import pointer
from Testing.Host.fixtures import *  # noqa: F403

#: Voxels of the brains that are learned from.
SHAPE = (16, 16, 16)
MODULE = Path(__file__).resolve().parents[2] / "DMRIPretrain"


@pytest.fixture(autouse=True)
def library_stays() -> Iterator[None]:
    """Reloading the module loads the library anew; the tests of others hold on to the library that they know."""
    kept = _loaded("DMRIPretrainLib")
    yield
    if any(_loaded("DMRIPretrainLib").get(name) is not found for name, found in kept.items()):
        # Panels that know the other library would not recognise errors of this one.
        for name in _loaded("DMRIPretrainPanels"):
            del sys.modules[name]
    for name in _loaded("DMRIPretrainLib"):
        del sys.modules[name]
    sys.modules.update(kept)


def _loaded(package: str) -> dict[str, Any]:
    return {name: found for name, found in sys.modules.items() if name.split(".")[0] == package}


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


@pytest.fixture(scope="session")
def brains() -> list[tuple[Scan, Phantom]]:
    found = []
    for seed in range(2):
        phantom = simulate_brain(SHAPE, seed=seed)
        found.append((simulate_signal(phantom, make_gradient_table([(1000, 12)], 2), seed=seed), phantom))
    return found


@pytest.fixture(scope="session")
def study(brains: list[tuple[Scan, Phantom]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BIDS folder of the scans, and their truth in ``derivatives/truth``."""
    folder = tmp_path_factory.mktemp("study")
    for number, (scan, phantom) in enumerate(brains, start=1):
        name = f"sub-{number:02d}_dwi"
        save_scan(folder / f"sub-{number:02d}" / "dwi" / f"{name}.nii.gz", scan)
        save_truth(folder / "derivatives" / "truth" / name, phantom)
    return folder


@pytest.fixture
def train(panel: Any, host: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The training panel, open; workers take one thread, and end with the test."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    train = panel("TrainPanel")
    host.window.resize(1400, 1700)
    pointer.click(train.ui.section)
    host.settle(0.1)
    yield train
    root = Path(train.jobs.watch.job.path).parent if train.jobs.watch.job is not None else None
    for path in root.glob("*/job.json") if root is not None else ():
        for worker in read_status(JobFolder(path.parent)).workers:
            os.kill(worker.pid, signal.SIGKILL)


@pytest.fixture
def in_scene(brains: list[tuple[Scan, Phantom]]) -> Callable[..., tuple[Any, Any]]:
    """Puts one of the brains into the scene: scan and segmentation."""
    import slicer

    from DMRIPretrainLib.scene.labels import tissue_labels
    from DMRIPretrainLib.scene.scan_nodes import scan_to_node
    from DMRIPretrainLib.scene.segmentation import add_segmentation

    def add(number: int, labels: Any = None) -> tuple[Any, Any]:
        scan, phantom = brains[number]
        node = scan_to_node(slicer.mrmlScene, scan, f"brain {number}")
        labels = labels or tissue_labels()
        segmentation = add_segmentation(
            slicer.mrmlScene,
            f"tissue {number}",
            phantom.segmentation.cpu().numpy(),
            scan.affine,
            labels,
            node,
            surfaces=False,
        )
        return node, segmentation

    return add
