"""Voxels of DIPY's own generator of the FORCE method, ``dipy.sims.force`` (BSD-3).

Its prior: white matter of one to three populations (sticks and zeppelins of independent diffusivities, Bingham
dispersion), mixed with GM and CSF; two populations at least 30, three at least 60 degrees apart. Populations are
vertices of DIPY's default sphere, whose 362 entries ``labels`` are 1 there, in the order of the sphere and not of the
populations; ``fraction_array`` is in the order of the populations. Voxels with less white matter than a
threshold have no labels although ``num_fibers`` still counts; there is none without fibres.
"""

from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.spatial.transform import Rotation

from ...files import atomic_path
from ...scans.gradient_table import GradientTable
from ..methods.csd import dipy_table
from .voxel_set import MOST_FIBRES, VoxelSet

#: White matter of a voxel that is used; below it, fibres are hard to see for anyone.
LEAST_WHITE_MATTER = 0.6
#: Voxels generated at once; a 30th of them are of one population with enough white matter.
_BATCH = 3000
_NAMES = ("signals", "labels", "num_fibers", "fraction_array", "wm_fraction", "odfs")


def force_voxels(gradients: GradientTable, each: int, seed: int, cache: Path | None = None) -> VoxelSet:
    """Voxels with one, two and three populations, ``each`` of every number.

    All is turned by a random rotation after the simulation: DIPY looks for peaks on the very directions that
    the generator takes fibres from, which would favour it.

    Args:
        gradients: table to acquire, directions in the world frame.
        each: voxels of each number.
        seed: of the generator and the rotation.
        cache: folder where simulations are kept, since they take half a minute.
    """
    turn = Rotation.random(random_state=seed).as_matrix()
    found = _simulated(gradients.transformed(turn.T), each, seed, cache)
    peaks = label_peaks(found) @ turn.T
    return VoxelSet(gradients, found["signals"] / 100.0, found["num_fibers"].astype(int), peaks)


def _simulated(gradients: GradientTable, each: int, seed: int, cache: Path | None) -> dict[str, np.ndarray]:
    path = cache and cache / f"force_{gradients.describe().replace(' ', '')}_{each}_{seed}.npz"
    if path and path.is_file():
        with np.load(path, allow_pickle=False) as file:
            if np.array_equal(file["directions"], gradients.directions):
                return {name: file[name] for name in _NAMES}
    found = _choose(gradients, each, seed)
    if path:
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, directions=gradients.directions, **found)  # type: ignore[arg-type]
    return found


def _choose(gradients: GradientTable, each: int, seed: int) -> dict[str, np.ndarray]:
    """Simulate until there are enough voxels of each number."""
    kept: list[dict[str, np.ndarray]] = []
    still = np.array([0, each, each, each])
    while still.any():
        batch = simulate_force(gradients, _BATCH, seed + 1000 * len(kept))
        numbers = np.where(batch["wm_fraction"] > LEAST_WHITE_MATTER, batch["num_fibers"], 0).astype(int)
        chosen = np.concatenate([np.flatnonzero(numbers == n)[: still[n]] for n in range(1, MOST_FIBRES + 1)])
        still -= np.bincount(numbers[chosen], minlength=4)
        kept.append({name: batch[name][chosen] for name in _NAMES})
    return {name: np.concatenate([part[name] for part in kept]) for name in _NAMES}


def simulate_force(gradients: GradientTable, count: int, seed: int) -> dict[str, np.ndarray]:
    """What DIPY returns with its default prior; b0 signal 100, no noise."""
    from dipy.sims import force

    # DIPY seeds numpy's global generator with process number and time: here with a number that can be repeated.
    state = np.random.get_state()  # noqa: NPY002
    try:
        with mock.patch.object(force, "init_worker", partial(np.random.seed, seed)):
            return force.generate_force_simulations(
                dipy_table(gradients), num_simulations=count, compute_dti=False, verbose=False
            )
    finally:
        np.random.set_state(state)  # noqa: NPY002


def label_peaks(simulations: dict[str, np.ndarray]) -> np.ndarray:
    """(V, 3, 3) unit vector times share of the white matter, strongest first, in the frame of the gradients.

    The populations of a voxel have the same dispersion: the larger one has the higher ODF.
    """
    from dipy.data import default_sphere

    peaks = np.zeros((len(simulations["labels"]), MOST_FIBRES, 3))
    odfs = simulations["odfs"].astype(float)
    for voxel, labels in enumerate(simulations["labels"]):
        vertices = np.flatnonzero(labels)
        vertices = vertices[np.argsort(-odfs[voxel, vertices], kind="stable")]
        shares = -np.sort(-simulations["fraction_array"][voxel])[: len(vertices)]
        peaks[voxel, : len(vertices)] = default_sphere.vertices[vertices] * shares[:, None]
    return peaks
