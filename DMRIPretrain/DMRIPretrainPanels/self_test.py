"""What the module's own test needs: a small scan, and patience."""

import tempfile
import time
from contextlib import contextmanager

import numpy as np
import slicer

from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.scene.scan_nodes import scan_to_node

from . import settings


def makeBall(directions=12):
    """A ball with fibres from left to right and a little noise, as a scan in the scene."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(1 + directions, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    bvals = np.array([0.0] + [1000.0] * directions)
    i, j, k = np.indices((20, 20, 16))
    inside = (i - 10) ** 2 + (j - 10) ** 2 + (k - 8) ** 2 < 50
    attenuation = np.exp(-bvals * (0.0004 + 0.0017 * vectors[:, 0] ** 2))
    signal = np.abs(1000 * inside[..., None] * attenuation + random.normal(20, 5, (*inside.shape, 1 + directions)))
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    return scan_to_node(
        slicer.mrmlScene, Scan(signal.astype(np.float32), affine, GradientTable(bvals, vectors)), "ball"
    )


@contextmanager
def jobsInTemporaryFolder():
    """Jobs of a test leave nothing among those of the user."""
    folder, last = settings.jobsFolder(), settings.lastPrediction()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        settings.setJobsFolder(temporary)
        settings.setLastPrediction("")
        try:
            yield
        finally:
            settings.setJobsFolder(str(folder))
            settings.setLastPrediction(last)


def waitFor(condition, seconds):
    """Run the event loop until a condition holds; False where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        slicer.app.processEvents()
        time.sleep(0.01)
    return True
