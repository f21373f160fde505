"""Time and memory of ``predict`` by stage: ``python -m DMRIPretrainLib.benchmark.time_prediction FOLDER``.

Prints a JSON object: ``stages`` and ``cpu_stages`` in seconds; ``memory`` in bytes; ``voxels`` of the mask;
``operations`` of the network and ``peak`` operations a second of the device (floating point); ``gpu_memory`` of a GPU;
``after`` and ``cpu_after``, seconds spent on measuring once all was written.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from .device_rate import peak_rate
from .own_process import peak_memory
from .stopwatch import Stopwatch


def main() -> None:
    """Predict and print."""
    begun = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    import torch

    from ..inference import predict as prediction
    from ..inference.loaded_model import load_models
    from ..scans.load import load_scan

    on_gpu = options.device.startswith("cuda")
    watch = Stopwatch(torch.cuda.synchronize if on_gpu else lambda: None)
    watch.seconds["start"], watch.cpu_seconds["start"] = time.perf_counter() - begun, time.process_time()
    with watch.stage("reading"):
        scan = load_scan(options.folder / "dwi.nii.gz")
    with watch.stage("start"):
        models = load_models([options.model] if options.model else [])
        network = models[0].model.backbone
    shapes: list[torch.Size] = []
    hook = network.register_forward_hook(lambda module, inputs, output: shapes.append(inputs[0].shape))
    with watch.watching(_stages(type(network))), watch.stage("other"):
        prediction.predict(scan, models, options.folder / "out", device=options.device)
    ended, cpu_ended = time.perf_counter(), time.process_time()
    told: dict[str, Any] = {
        "stages": watch.seconds,
        "cpu_stages": watch.cpu_seconds,
        "memory": peak_memory(),
        "voxels": int(scan.mask.sum()) if scan.mask is not None else 0,
    }
    if on_gpu:
        told["gpu_memory"] = torch.cuda.max_memory_allocated()
    hook.remove()
    told["operations"] = sum(shape[0] for shape in shapes) * window_operations(network, *shapes[0][1:3])
    told["peak"] = peak_rate(options.device)
    told |= {"after": time.perf_counter() - ended, "cpu_after": time.process_time() - cpu_ended}
    json.dump(told, sys.stdout)


def _stages(network: type) -> dict[str, tuple[Any, str]]:
    from ..inference import predict as prediction
    from ..inference.predictor import Predictor
    from ..networks import model

    return {
        "features": (Predictor, "_adapt"),
        "fit of fibres": (model, "fit_fibres"),
        "network": (network, "forward"),
        "heads": (model.DiffusionModel, "answer_decoded"),
        "maps": (Predictor, "answers"),
        # Three tasks and the picture are written at the same time.
        "turning to the file's frame": (prediction, "_in_file_order"),
        "writing": (prediction, "_write"),
    }


def window_operations(network: Any, channels: int, window: int) -> int:
    """Floating point operations of a network for one window."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    parameter = next(network.parameters())
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, channels, *(window,) * 3, device=parameter.device))
    return int(counter.get_total_flops())


if __name__ == "__main__":
    main()
