"""Time and memory of ``predict`` beside DIPY's constrained spherical deconvolution on the same scan.

    .venv/bin/python Testing/Benchmarks/predict_speed.py [--model FILE] [--processes 2]

Simulates a scan of 90 x 90 x 54 voxels of about 2 mm with 1 b0 and 64 directions, then runs, each in a process of
its own: all three tasks with ``predict`` (network ``tiny``), and ``peaks_from_model`` of a CSD fit of order 8 in the
same mask, in one process, as is its default, and in as many as there are cores. Times are those of whole programs,
from starting Python to the last file. Weights do not change the time of a convolution; without ``--model`` they are
random.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from DMRIPretrainLib.simulation.phantom import Phantom

SHAPE = (90, 90, 54)


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model with the three tasks; by default random weights")
    parser.add_argument("--processes", type=int, default=2, help="cores for either side")
    parser.add_argument("--only", choices=["predict", "csd"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run = run_prediction if options.only == "predict" else run_csd
        run(options)
        json.dump(peak_memory_gb(), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as folder:
        voxels = make_scan(Path(folder), options)
        prediction = in_own_process("predict", folder, options.processes, options.model)
        serial = in_own_process("csd", folder, 1)
        parallel = in_own_process("csd", folder, options.processes)
    print(f"{SHAPE[0]}x{SHAPE[1]}x{SHAPE[2]}, 1 b0 + 64 x 1000, {voxels} voxels in the mask, {options.processes} cores")
    names = ("predict, three tasks", "DIPY CSD order 8, 1 process", f"DIPY CSD order 8, {options.processes} processes")
    for name, result in zip(names, (prediction, serial, parallel), strict=True):
        ratio = result["seconds"] / prediction["seconds"]
        print(f"{name:30s} {result['seconds']:7.1f} s  x {ratio:4.1f}   peak memory {result['memory_gb']:.2f} GB")


def make_scan(folder: Path, options: argparse.Namespace) -> int:
    """Write the scan, and the model where none is given; returns the voxels of the mask."""
    from DMRIPretrainLib.networks.model import Architecture
    from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
    from DMRIPretrainLib.simulation.export import save_scan
    from DMRIPretrainLib.simulation.phantom import simulate_brain
    from DMRIPretrainLib.simulation.signal import simulate_signal
    from DMRIPretrainLib.simulation.tables import make_gradient_table
    from DMRIPretrainLib.tasks.registry import TASKS, default_head

    phantom = slab(simulate_brain((SHAPE[0], SHAPE[1], 72), seed=0))
    scan = simulate_signal(phantom, make_gradient_table([(1000, 64)], b0_count=1), snr=20)
    save_scan(folder / "dwi.nii.gz", scan)
    if options.model is None:
        model = build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS)))
        save_model(folder / "model.safetensors", model, ModelCard())
    return int(phantom.mask.sum())


def slab(phantom: Phantom) -> Phantom:
    """The middle slices of a phantom: at this voxel size a scan of this shape does not cover the whole brain."""
    first = (phantom.mask.shape[2] - SHAPE[2]) // 2
    part = (slice(None), slice(None), slice(first, first + SHAPE[2]))
    affine = phantom.affine.copy()
    affine[:3, 3] += first * affine[:3, 2]
    names = ("fractions", "directions", "fibre_fractions", "mask", "lesions")
    return replace(phantom, affine=affine, **{name: getattr(phantom, name)[part] for name in names})


def in_own_process(side: str, folder: str, processes: int, model: Path | None = None) -> dict:
    """One side alone, so that neither sees the other's memory or threads."""
    command = [sys.executable, __file__, "--only", side, "--folder", folder, "--processes", str(processes)]
    command += ["--model", str(model)] if model else []
    # DIPY's own processes are the cores of CSD; threads under each would fight over them.
    threads = str(processes) if side == "predict" else "1"
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    environment["OMP_WAIT_POLICY"] = "PASSIVE"  # as the command line sets it
    begun = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    seconds = time.monotonic() - begun
    return {"seconds": seconds, "memory_gb": json.loads(done.stdout.splitlines()[-1])}


def run_prediction(options: argparse.Namespace) -> None:
    """The whole of ``predict``: reading, features, networks, peaks, writing, preview."""
    from DMRIPretrainLib.inference.loaded_model import load_models
    from DMRIPretrainLib.inference.predict import predict
    from DMRIPretrainLib.scans.load import load_scan

    model = options.model or options.folder / "model.safetensors"
    predict(load_scan(options.folder / "dwi.nii.gz"), load_models([model]), options.folder / "out", device="cpu")


def run_csd(options: argparse.Namespace) -> None:
    """Reading, response, CSD fit and peaks; nothing is written."""
    import numpy as np
    from dipy.core.gradients import gradient_table
    from dipy.data import get_sphere
    from dipy.direction import peaks_from_model
    from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel, auto_response_ssst

    from DMRIPretrainLib.scans.load import load_scan

    scan = load_scan(options.folder / "dwi.nii.gz")
    table = gradient_table(scan.gradients.bvals, bvecs=scan.gradients.directions)
    data = np.asarray(scan.signal)
    response, _ = auto_response_ssst(table, data, roi_radii=10, fa_thr=0.6)
    model = ConstrainedSphericalDeconvModel(table, response, sh_order_max=8)
    peaks_from_model(
        model,
        data,
        get_sphere(name="repulsion724"),
        relative_peak_threshold=0.25,
        min_separation_angle=25,
        mask=scan.mask,
        npeaks=3,
        parallel=options.processes > 1,
        num_processes=options.processes,
    )


def peak_memory_gb() -> float:
    """Largest resident memory of this process and of its largest child."""
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + child) / 1e6


if __name__ == "__main__":
    main()
