"""Fibre counts and directions of a model beside DIPY's CSD, on data that no model was trained on.

    .venv/bin/python Testing/Benchmarks/fibre_benchmark.py [--model FILE] [--quick] [--out results.json]

Four parts, of which ``--part`` chooses: ``force``, voxels of DIPY's own generator ``dipy.sims.force``; ``voxels``,
voxels of the library's simulator and of another one; ``brains``, whole simulated volumes; ``real``, a scan with
directions left out. Single voxels come in two arrangements: *scattered*, where neighbours have nothing in common,
and *blocks* of like voxels with noise of their own, of which the centre is scored. Seeds are fixed.

CSD is of order 8 (less where there are fewer directions), its peaks above a quarter of the strongest and 25 degrees
apart, its response made of the simulator's own noise-free single fibres. It sees each voxel alone; beside it stands
CSD of the mean of a block, which is what perfect use of the neighbours would give it. "Oracle gate" sets the voxels of
lowest anisotropy to no fibres, as many as truly have none. Angles are in degrees; angle 1/2/3 is the mean over voxels
of that number whose count is right; "none" is the share of fibre voxels without any peak; ECE is the calibration error
of the count. The aims judge the line "model", whose count is that of the crossings head.
"""

import argparse
import hashlib
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from fibres.aims import list_aims
from fibres.brains import BRAIN, WHITE_MATTER, run_brains
from fibres.tables import aims_table, dice_table, real_table, voxel_table
from fibres.voxel_tests import FORCE, MAIN, OTHER, OWN, PROTOCOLS, VoxelTest, run_voxel_test
from rich.console import Console

from DMRIPretrainLib.benchmark.repeatability import run_real_scan
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import require_writable, write_json
from DMRIPretrainLib.inference.loaded_model import load_models
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.networks.device import choose_device

#: Seeds of tests start here; training uses lower ones.
SEED = 100_000
SHARED_SCAN = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "toshiba_60dir_b1500" / "dwi.nii.gz"
console = Console()


def main() -> None:
    options = parse()
    try:
        results = run(options)
    except UserError as error:
        raise SystemExit(f"fibre_benchmark: {error}") from error
    if options.out:
        write_json(options.out, results)
        console.print(f"written to {options.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="file or name of a model of crossings and orientation; by default as predict")
    parser.add_argument("--quick", action="store_true", help="fewer voxels, volumes and protocols: two minutes")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="by default all")
    parser.add_argument("--out", type=Path, help="JSON file of all results")
    parser.add_argument("--block", type=int, default=3, choices=(3, 5, 7), help="edge of the blocks of like voxels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for DIPY's simulations")
    parser.add_argument("--scan", type=Path, help="real scan; by default the 60 directions of the shared data")
    return parser.parse_args()


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dmri-pretrain"


def run(options: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    if options.out:
        require_writable(options.out.parent)
    (loaded,) = load_models([options.model] if options.model else [])
    missing = {"crossings", "orientation"} - {head.task for head in loaded.model.architecture.heads}
    if missing:
        raise UserError(
            f"{loaded.path}: expected a model with the tasks crossings and orientation, found none for "
            f"{' and '.join(sorted(missing))}; choose another --model"
        )
    predictor = loaded.predictor(choose_device(options.device))
    results: dict[str, Any] = {
        "model": loaded.path,
        "sha256": hashlib.sha256(loaded.path.read_bytes()).hexdigest(),
        "recipe": loaded.card.recipe,
        "window": predictor.window,
        "block": options.block,
        "quick": options.quick,
        "versions": {package: version(package) for package in ("dipy", "numpy", "torch")},
    }
    for name in options.part or PARTS:
        start = time.monotonic()
        results[name] = PARTS[name](predictor, options)
        console.print(f"[dim]{name}: {time.monotonic() - start:.0f} s[/dim]\n")
    aims = list_aims(results)
    if aims:
        console.print(aims_table(aims))
    results["aims"] = [vars(aim) for aim in aims]
    results["seconds"] = round(time.monotonic() - begun, 1)
    return results


def run_force(predictor: Predictor, options: argparse.Namespace) -> dict[str, Any]:
    count = 600 if options.quick else 2100
    return run_tests([VoxelTest(FORCE, MAIN)], count, predictor, options)


def run_voxels(predictor: Predictor, options: argparse.Namespace) -> dict[str, Any]:
    protocols = (MAIN,) if options.quick else PROTOCOLS
    tests = [*(VoxelTest(OWN, protocol) for protocol in protocols), VoxelTest(OTHER, MAIN)]
    return run_tests(tests, 1000 if options.quick else 3000, predictor, options)


def run_tests(tests: list[VoxelTest], count: int, predictor: Predictor, options: argparse.Namespace) -> dict[str, Any]:
    results = {}
    for test in tests:
        voxels = test.voxels(count, SEED, options.cache)
        results[str(test)] = run_voxel_test(test, predictor, voxels, options.block, SEED)
        console.print(voxel_table(str(test), results[str(test)]))
    return results


def run_volumes(predictor: Predictor, options: argparse.Namespace) -> dict[str, Any]:
    seeds, size = ([SEED], 48) if options.quick else ([SEED, SEED + 1, SEED + 2], 64)
    results = run_brains(predictor, MAIN, seeds, size)
    for region in (BRAIN, WHITE_MATTER):
        console.print(voxel_table(f"simulated brains, {region}, {MAIN}", results[region]))
    if results["dice"]:
        console.print(dice_table(results["dice"]))
    return results


def run_real(predictor: Predictor, options: argparse.Namespace) -> dict[str, Any] | None:
    path = options.scan or SHARED_SCAN
    if options.scan is None and not path.is_file():
        console.print(f"real scan: skipped, there is none at {path}; give one with --scan")
        return None
    results = run_real_scan(predictor, path, [SEED] if options.quick else [SEED, SEED + 1, SEED + 2])
    console.print(real_table(results))
    return results


PARTS = {"force": run_force, "voxels": run_voxels, "brains": run_volumes, "real": run_real}

if __name__ == "__main__":
    main()
