"""Several artifacts in one scan."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch

from ...scans.frames import grid_to_world_rotation
from ...scans.scan import Scan
from .artifact import Acquisition, Artifact
from .noise import Noise
from .registry import artifact_class, in_order


def corrupt(
    acquisition: Acquisition, names: Collection[str], generator: torch.Generator, strength: float = 1.0
) -> tuple[Acquisition, dict[str, Artifact]]:
    """Draw and apply artifacts in the order of ``registry.ARTIFACTS``.

    Args:
        acquisition: the scan; best without noise, which is the last to enter a real one.
        names: of the artifacts, or ``all``.
        generator: on the CPU; equal states give equal results.
        strength: see ``Artifact.draw``.

    Returns:
        The corrupted scan, and what was applied, by name.

    Raises:
        UserError: if a name is unknown.
    """
    applied: dict[str, Artifact] = {}
    for name in in_order(names):
        applied[name] = artifact_class(name).draw(acquisition, generator, strength)
        acquisition = applied[name](acquisition)
    return acquisition, applied


def corrupt_scan(
    scan: Scan, names: Collection[str], sigma: float = 0.0, seed: int = 0
) -> tuple[Scan, dict[str, Artifact]]:
    """Corrupt a scan without noise, with a mask, in RAS voxel order.

    Args:
        scan: as simulated without noise.
        names: of the artifacts, or ``all``.
        sigma: standard deviation of Rician noise that is added at last, unless ``noise`` is among the artifacts.
        seed: equal seeds give equal results.

    Returns:
        The corrupted scan, with float32 signal and its own gradient table, and what was applied, by name.

    Raises:
        UserError: if a name is unknown.
        ValueError: if the scan has no mask.
    """
    generator = torch.Generator().manual_seed(seed)
    acquisition, applied = corrupt(acquisition_of(scan), names, generator)
    if sigma > 0 and "noise" not in applied:
        applied["noise"] = Noise(sigma, seed=seed)
        acquisition = applied["noise"](acquisition)
    gradients = acquisition.gradients.transformed(grid_to_world_rotation(scan.affine))
    return replace(scan, signal=np.moveaxis(acquisition.signal.numpy(), 0, -1), gradients=gradients), applied


def acquisition_of(scan: Scan) -> Acquisition:
    """What artifacts see of a scan, on the CPU.

    Raises:
        ValueError: if the scan has no mask.
    """
    if scan.mask is None:
        raise ValueError("the scan needs a mask")
    x, y, z = scan.voxel_size.tolist()
    signal = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scan.signal, -1, 0), dtype=np.float32))
    return Acquisition(signal, scan.grid_gradients(), (x, y, z), torch.from_numpy(np.ascontiguousarray(scan.mask)))
