"""Simulated scans of two sites that differ as a research study and a hospital do; their truth is known.

Networks are pretrained at one site and fine-tuned and tested at the other, which has another b-value, fewer
directions, a lower SNR, larger voxels, and artifacts. Both sites scan slabs of brains: all tissues are in them, and a
benchmark is done in hours rather than days.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..errors import UserError
from ..files import write_json
from ..jobs.folder import read_json
from ..jobs.lock import locked
from ..progress import Progress, silent
from ..simulation.artifacts.corrupt import corrupt_scan
from ..simulation.artifacts.draws import uniform
from ..simulation.export import SimulatedStudy
from ..simulation.microstructure import Microstructure, draw_b0_signal
from ..simulation.phantom import simulate_brain
from ..simulation.signal import simulate_signal
from ..simulation.tables import make_gradient_table

_DONE = "site.json"
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Site:
    """How a site scans.

    Attributes:
        shells: (b-value in s/mm², number of directions) of each shell.
        b0s: volumes without diffusion weighting.
        snr: b0 signal of white matter over the noise.
        voxel_size: edge of a voxel in mm.
        shape: grid of a scan in voxels, centred on the brain.
        artifacts: names of those that corrupt every scan, each anew.
    """

    shells: tuple[tuple[float, int], ...]
    b0s: int
    snr: float
    voxel_size: float
    shape: tuple[int, int, int]
    artifacts: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for people."""
        shells = " and ".join(f"{count} directions of b = {bvalue:g} s/mm²" for bvalue, count in self.shells)
        corrupted = ", ".join(self.artifacts).replace("_", " ") or "no artifacts"
        size = "x".join(map(str, self.shape))
        return f"{shells}, SNR {self.snr:g}, voxels of {self.voxel_size:g} mm ({size}), {corrupted}"


PRETRAINING = Site(((1000.0, 64), (2500.0, 64)), b0s=6, snr=30.0, voxel_size=2.5, shape=(56, 56, 24))
FINE_TUNING = Site(
    ((1500.0, 32),),
    b0s=3,
    snr=15.0,
    voxel_size=4.0,
    shape=(28, 28, 16),
    artifacts=("eddy", "slice_dropout", "bias_field", "gibbs", "ghost"),
)

#: Seed of the first brain of each set; the recipe ``simulated`` and the shipped model have seen brains from 0 on.
FIRST_SEEDS = {"pretraining": 1000, "training": 2000, "validation": 3000, "test": 4000}


def protocols(site: Site) -> dict[str, Site]:
    """The site with other SNR, and with other numbers of directions; the rest stays as it is."""
    bvalue = site.shells[0][0]
    by_snr = {f"SNR {snr:g}": replace(site, snr=snr) for snr in (8.0, 15.0, 30.0)}
    by_directions = {f"{count} directions": replace(site, shells=((bvalue, count),)) for count in (12, 20, 32, 64)}
    return by_snr | by_directions


def simulate_site(folder: Path, site: Site, first_seed: int, subjects: int, progress: Progress = silent) -> Path:
    """Scans of different brains at a site, a BIDS folder with the truth in ``derivatives/truth``.

    What is there already is kept; of several processes that want it one makes it, and the others wait.

    Args:
        folder: where to.
        site: how they are scanned.
        first_seed: of the first brain; equal seeds give equal scans.
        subjects: number of brains.
        progress: told how far it is.

    Returns:
        The folder.

    Raises:
        UserError: if the folder holds something else, or cannot be written.
    """
    wanted = {"site": site.describe(), "first_seed": first_seed, "subjects": subjects}
    while not (folder / _DONE).is_file():
        with locked(folder / ".lock") as mine:
            if mine:
                _simulate(folder, site, first_seed, subjects, progress)
                write_json(folder / _DONE, wanted)
        if not mine:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if (found := read_json(folder / _DONE, "what was simulated")) != wanted:
        raise UserError(f"{folder}: expected scans of {wanted}, found {found}; choose another --out")
    return folder


def _simulate(folder: Path, site: Site, first_seed: int, subjects: int, progress: Progress) -> None:
    study = SimulatedStudy(folder, {f"{first_seed + index}": first_seed + index for index in range(subjects)})
    for index in range(subjects):
        progress(f"simulating {folder.name}", index / subjects)
        _add(study, site, first_seed + index)


def _add(study: SimulatedStudy, site: Site, seed: int) -> None:
    phantom = simulate_brain(site.shape, seed, voxel_size=site.voxel_size)
    table = make_gradient_table(site.shells, site.b0s, seed=seed)
    tissue = _tissue(seed)
    sigma = tissue.b0_signal[2] / site.snr
    if site.artifacts:
        clean = simulate_signal(phantom, table, None, microstructure=tissue)
        scan, applied = corrupt_scan(clean, site.artifacts, sigma, seed)
        study.add(str(seed), scan, phantom, applied)
    else:
        study.add(str(seed), simulate_signal(phantom, table, site.snr, seed, tissue), phantom)


def _tissue(seed: int) -> Microstructure:
    """Diffusivities and contrast of a brain: people and scanners differ."""
    generator = torch.Generator().manual_seed(seed)
    return Microstructure(
        parallel_diffusivity=uniform(generator, 1.7e-3, 2.2e-3),
        stick_fraction=uniform(generator, 0.45, 0.65),
        dispersion=uniform(generator, 0.0, 0.1),
        gm_diffusivity=uniform(generator, 0.7e-3, 0.95e-3),
        b0_signal=draw_b0_signal(generator),
    )
