"""Make a shipped model of a pretrained one: measure its limits, add what was measured, write card and catalogue.

    .venv/bin/python Testing/Benchmarks/ship_model.py job/result/model.safetensors --name tiny \
        --description "..." --benchmark results.json --command "..." --command "..."

The reconstruction error of familiar scans is measured on simulated brains that training has not seen, each with tissue,
gradient table and noise of its own. Weights are stored as float16.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from DMRIPretrainLib.inference.familiarity import reconstruction_error
from DMRIPretrainLib.inference.loaded_model import LoadedModel, load_models
from DMRIPretrainLib.networks.catalogue import write_catalogue
from DMRIPretrainLib.networks.model_file import save_model
from DMRIPretrainLib.qspace.prepare import PreparedScan, prepare_scan
from DMRIPretrainLib.simulation.artifacts import draws
from DMRIPretrainLib.simulation.microstructure import Microstructure, draw_b0_signal, draw_fibres, draw_isotropic
from DMRIPretrainLib.simulation.phantom import shape_around_brain, simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import BVALUE_RANGE, DIRECTION_RANGE, draw_gradient_table
from DMRIPretrainLib.training.simulated_source import SimulationPrior

#: Seeds of brains that neither training nor the benchmark use.
SEED = 300_000
MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"
console = Console()


def main() -> None:
    options = parse()
    (loaded,) = load_models([options.model])
    limits = {
        "bvalue": list(BVALUE_RANGE),
        "directions": list(DIRECTION_RANGE),
        "shells": [1, 3],
        "voxel_size": list(SimulationPrior().voxel_size),
        "reconstruction_error": familiar_errors(loaded, options.scans),
    }
    card = replace(
        loaded.card,
        description=options.description,
        commands=options.command,
        training_data=[*loaded.card.training_data, *options.note],
        limits=limits,
        metrics=benchmark_metrics(options.benchmark) if options.benchmark else loaded.card.metrics,
    )
    path = options.out / f"{options.name}.safetensors"
    save_model(path, loaded.model, card, torch.float16)
    write_catalogue(options.out)
    console.print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB", highlight=False)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="file of the pretrained model")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--description", default="")
    parser.add_argument("--benchmark", type=Path, help="JSON that fibre_benchmark.py wrote for this model")
    parser.add_argument("--command", action="append", default=[], help="a command that made it; repeat, in order")
    parser.add_argument("--note", action="append", default=[], help="a line on what it was trained on; repeat")
    parser.add_argument("--scans", type=int, default=12, help="simulated scans that tell its limits")
    parser.add_argument("--out", type=Path, default=MODELS)
    return parser.parse_args()


def familiar_errors(loaded: LoadedModel, count: int) -> dict[str, float]:
    """Median and largest (of a hundred scans: the 99th percentile) reconstruction error of familiar scans."""
    predictor = loaded.predictor()
    errors = []
    for number in range(count):
        scan = familiar_scan(SEED + number)
        errors.append(reconstruction_error(predictor, scan))
        console.print(f"scan {number + 1} of {count}: reconstruction error {errors[-1]:.2f}", highlight=False)
    return {"median": round(float(np.median(errors)), 3), "p99": round(float(np.percentile(errors, 99)), 3)}


def familiar_scan(seed: int) -> PreparedScan:
    """A scan as training has seen, of a brain that it has not seen."""
    generator = torch.Generator().manual_seed(seed)
    prior = SimulationPrior()
    edge = draws.uniform(generator, *prior.voxel_size)
    brain = simulate_brain(shape_around_brain(edge), seed, voxel_size=edge)
    drawn = draw_fibres(generator, ()) | draw_isotropic(generator, ())
    values = {name: value.item() for name, value in drawn.items()}
    tissue = Microstructure(**values, b0_signal=draw_b0_signal(generator))
    table = draw_gradient_table(np.random.default_rng(seed))
    return prepare_scan(simulate_signal(brain, table, draws.log_uniform(generator, *prior.snr), seed, tissue))


def benchmark_metrics(path: Path) -> dict[str, Any]:
    """The aims of the benchmark: the model's figure, and CSD's where there is one."""
    metrics: dict[str, Any] = {}
    for aim in json.loads(path.read_text(encoding="utf-8"))["aims"]:
        baseline = "" if aim["baseline"] is None else f" (CSD {aim['baseline']:.3g})"
        verdict = f"aim {aim['aim']}: {'reached' if aim['reached'] else 'not reached'}"
        known = metrics.get(aim["name"], f"{aim['figure']:.3g}{baseline}")
        metrics[aim["name"]] = f"{known}; {verdict}"
    return metrics


if __name__ == "__main__":
    main()
