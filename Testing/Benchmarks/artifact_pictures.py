"""Pictures of every artifact on a simulated brain, or on a scan, to be looked at: clean, corrupted, difference.

    .venv/bin/python Testing/Benchmarks/artifact_pictures.py FOLDER [--artifact NAME] [--scan FILE] [--seed 0]

Each file shows the volume that changed most, a column each for clean, corrupted and difference (grey: none), and a
row each for an axial, a coronal and a sagittal slice through the place of largest change. Noise is left out save for
the artifact ``noise``. ``drift`` and ``gradient_errors`` change too little to be seen: their numbers are printed.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from DMRIPretrainLib.scans.grid import to_ras_order
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.mask import choose_mask
from DMRIPretrainLib.simulation.artifacts.artifact import Acquisition
from DMRIPretrainLib.simulation.artifacts.corrupt import acquisition_of, corrupt
from DMRIPretrainLib.simulation.artifacts.registry import ALL, ARTIFACTS
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table

SCALE = 4  # pixels a voxel


def main() -> None:
    """Draw each artifact and save its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--artifact", action="append", choices=[*ARTIFACTS, ALL], help="by default each, and all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64, help="edge of the volume in voxels")
    parser.add_argument("--volume", type=int, help="show this volume")
    parser.add_argument("--scan", type=Path, help="a scan instead of the simulated brain")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    clean = read(options.scan) if options.scan else simulate(options.size, options.seed)
    for name in options.artifact or [*ARTIFACTS, ALL]:
        generator = torch.Generator().manual_seed(options.seed)
        corrupted, applied = corrupt(clean, [name], generator)
        picture(clean, corrupted, options.volume).save(options.folder / f"{name}.png")
        print(f"{name}: {str([asdict(artifact) for artifact in applied.values()])[:400]}")
        if name in ("drift", "gradient_errors"):
            print_numbers(clean, corrupted)


def simulate(size: int, seed: int) -> Acquisition:
    """A simulated brain without noise."""
    table = make_gradient_table([(1000, 8), (2500, 8)], b0_count=2, seed=seed)
    return acquisition_of(simulate_signal(simulate_brain((size,) * 3, seed=seed), table, snr=None))


def read(path: Path) -> Acquisition:
    """A scan, with the mask beside it or a computed one."""
    scan, _ = to_ras_order(load_scan(path))
    return acquisition_of(scan if scan.mask is not None else replace(scan, mask=choose_mask(scan)[0]))


def picture(clean: Acquisition, corrupted: Acquisition, volume: int | None) -> Image.Image:
    """Rows of slices, columns clean, corrupted, difference."""
    change = (corrupted.signal - clean.signal).abs()
    worst = int(change.sum(dim=(1, 2, 3)).argmax()) if volume is None else volume
    before, after = clean.signal[worst].numpy(), corrupted.signal[worst].numpy()
    top = np.quantile(before[clean.mask.numpy()], 0.99)
    rows = []
    for axis in (2, 1, 0):
        others = tuple(other for other in range(3) if other != axis)
        # The brain's middle slices say most, unless the artifact is in some slices alone.
        in_slice = change[worst].sum(dim=others).numpy()
        index = int(in_slice.argmax()) if in_slice.max() > 3 * np.median(in_slice) else before.shape[axis] // 2
        one, two = before.take(index, axis), after.take(index, axis)
        columns = (one / top, two / top, 0.5 + (two - one) / top)
        rows.append(np.concatenate([pixels(column) for column in columns], axis=1))
    width = max(row.shape[1] for row in rows)
    return Image.fromarray(np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]))


def pixels(values: np.ndarray) -> np.ndarray:
    """A slice as pixels, its second axis upwards, from black (0) to white (1)."""
    levels = np.uint8(255 * np.clip(values, 0, 1)).T[::-1]
    return np.pad(levels.repeat(SCALE, axis=0).repeat(SCALE, axis=1), 2, constant_values=90)


def print_numbers(clean: Acquisition, corrupted: Acquisition) -> None:
    """Signal over clean signal of each volume; errors of the table."""
    ratio = corrupted.signal.sum(dim=(1, 2, 3)) / clean.signal.sum(dim=(1, 2, 3))
    one, two = clean.gradients, corrupted.gradients
    cosine = np.clip(np.sum(one.directions * two.directions, axis=1), -1, 1)[~one.is_b0]
    print("  signal ratio", np.round(ratio.numpy(), 3))
    print("  b-value change, %", np.round(100 * (two.bvals / np.maximum(one.bvals, 1) - 1)[~one.is_b0], 1))
    print("  angle, degrees", np.round(np.degrees(np.arccos(cosine)), 2))


if __name__ == "__main__":
    main()
