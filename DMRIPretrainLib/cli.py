"""The command ``dmri-pretrain``. Commands only parse, call the library, and print."""

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from . import __version__, cli_benchmark, cli_checks, cli_jobs, cli_scans, cli_training, console
from .cli_options import (
    B0Option,
    BvalOption,
    BvecOption,
    DeviceOption,
    JsonOption,
    MaskOption,
    OutOption,
    ScanArgument,
    show,
)
from .errors import UserError
from .files import to_json

app = typer.Typer(
    name="dmri-pretrain",
    help="Tissue, fibre crossings and fibre orientation from diffusion MRI, with any gradient table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def info(
    scan: ScanArgument,
    check_gradients: Annotated[
        bool, typer.Option(help="Check the axes of the gradient table by fibre coherence; takes some seconds.")
    ] = True,
    fix_gradients: Annotated[
        Path | None, typer.Option(help="If a corrected table is needed, write it here: b-vectors, or a .nrrd scan.")
    ] = None,
    mask: MaskOption = None,
    bval: BvalOption = None,
    bvec: BvecOption = None,
    b0_threshold: B0Option = 100.0,
    json: JsonOption = False,
) -> None:
    """Say what a scan is, and what is wrong with it.

    Example: dmri-pretrain info sub-01/dwi.nii.gz --fix-gradients corrected.bvec
    """
    from .scans.gradient_check import check_gradients as check
    from .scans.gradient_check import write_corrected
    from .scans.info import scan_info
    from .scans.load import read_scan
    from .scans.mask import choose_mask

    loaded = read_scan(scan, bval=bval, bvec=bvec, b0_threshold=b0_threshold)
    content = scan_info(loaded, mask=mask)
    if check_gradients or fix_gradients:
        result = check(replace(loaded, mask=choose_mask(loaded, mask)[0]))
        content["gradient_check"] = result.to_json() if json else result.summary()
        if fix_gradients:
            content["corrected"] = None
        if fix_gradients and result.verdict == "wrong":
            write_corrected(fix_gradients, loaded, result.best)
            content["corrected"] = str(fix_gradients)
    show(content, json, title=str(scan))


for _command in (
    cli_checks.doctor,
    cli_checks.check,
    cli_training.finetune,
    cli_training.pretrain,
    cli_scans.predict,
    cli_scans.label,
    cli_jobs.run,
    cli_jobs.sbatch,
):
    app.command()(_command)
app.add_typer(cli_jobs.jobs)
app.add_typer(cli_benchmark.benchmark)


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Folder with predicted maps.")],
    reference: Annotated[Path, typer.Argument(help="Folder with reference maps of the same scan.")],
    mask: Annotated[Path | None, typer.Option(help="Compare inside this mask only.")] = None,
    white_matter: Annotated[
        Path | None, typer.Option(help="Compare fibres inside this mask only; by default the reference's white matter.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the metrics to this JSON file.")] = None,
    json: JsonOption = False,
) -> None:
    """Compare predicted maps with reference maps.

    Example: dmri-pretrain evaluate sub-01/results sub-01/labels
    """
    from .evaluation.report import evaluate_folder, render_table
    from .files import write_json

    metrics = evaluate_folder(prediction, reference, mask, white_matter)
    if out:
        write_json(out, metrics)
    if json:
        print(to_json(metrics, indent=2))  # noqa: T201
    else:
        console.output.print(render_table(metrics))


@app.command()
def simulate(
    out: OutOption,
    subjects: Annotated[int, typer.Option(min=1, max=999, help="Number of brains, each with a seed of its own.")] = 1,
    geometry: Annotated[
        Path | None, typer.Option(help="JSON file of fibre tubes to simulate instead of brains (see README).")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, max=256, help="Edge of the volume in voxels; by default it holds the brain.")
    ] = None,
    voxel_size: Annotated[
        float | None, typer.Option(min=0.5, max=10, help="mm; by default 64 voxels, or --size, hold the brain.")
    ] = None,
    lesions: Annotated[int, typer.Option(min=0, max=100, help="White matter lesions of each brain.")] = 0,
    shell: Annotated[
        list[str] | None, typer.Option(help="b-value and directions, such as 1000x64; repeat for more.")
    ] = None,
    b0: Annotated[int, typer.Option(min=1, help="Number of b0 volumes.")] = 6,
    snr: Annotated[float, typer.Option(min=1, help="b0 signal of white matter over the noise.")] = 25.0,
    artifact: Annotated[
        list[str] | None, typer.Option(help="Corrupt the scans, such as with motion or ghost; repeat, or all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first brain; same seed, same brain.")] = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Simulate brain scans with known tissue, crossings and orientation: a BIDS dataset with derivatives/truth.

    Artifacts corrupt the scan, not the truth; what was drawn is in artifacts.json beside the truth.

    Example: dmri-pretrain simulate --out study --subjects 2 --shell 1000x64 --artifact motion --artifact ghost
    """
    from .networks.device import choose_device
    from .simulation.artifacts.corrupt import corrupt_scan
    from .simulation.artifacts.registry import in_order
    from .simulation.export import SimulatedStudy
    from .simulation.geometry import read_geometry, simulate_geometry
    from .simulation.phantom import shape_around_brain, simulate_brain
    from .simulation.signal import DEFAULT_MICROSTRUCTURE, simulate_signal
    from .simulation.tables import make_gradient_table

    if geometry and (size or lesions):
        raise UserError(f"--geometry {geometry}: expected neither --size nor --lesions with it; leave them out")
    shells = [_shell(text) for text in shell or ["1000x64"]]
    names = in_order(artifact or [])
    where = choose_device(device)
    tubes = read_geometry(geometry) if geometry else None
    shape = (size or 64,) * 3 if size or voxel_size is None else shape_around_brain(voxel_size)
    study = SimulatedStudy(out, {f"{index + 1:02d}": seed + index for index in range(subjects)})
    for index in range(subjects):
        own = seed + index
        if tubes is None:
            phantom = simulate_brain(shape, own, where, voxel_size, lesions)
        else:
            phantom = simulate_geometry(tubes, voxel_size or 2.0, own, where)
        table = make_gradient_table(shells, b0, seed=own)
        scan, applied = simulate_signal(phantom, table, None if names else snr, seed=own), None
        if names:
            scan, applied = corrupt_scan(scan, names, DEFAULT_MICROSTRUCTURE.b0_signal[2] / snr, own)
        path = study.add(f"{index + 1:02d}", scan, phantom, applied)
        console.output.print(f"wrote {path}", highlight=False, soft_wrap=True)
    console.output.print(f"the truth is in {study.truth}", highlight=False, soft_wrap=True)


@app.command()
def demo(
    scan: Annotated[Path | None, typer.Option(help="Your own scan; by default the small one inside DIPY.")] = None,
    out: OutOption = Path("demo"),
) -> None:
    """Predict a real scan and a simulated brain with the shipped model, fine-tune it, compare; takes some minutes.

    Example: dmri-pretrain demo --scan sub-01/dwi.nii.gz
    """
    from .demo import run_demo

    run_demo(scan, out)


@app.callback(invoke_without_command=True)
def _common(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.output.print(f"dmri-pretrain {__version__}", highlight=False)
        raise typer.Exit


def _shell(text: str) -> tuple[float, int]:
    bvalue, _, count = text.partition("x")
    try:
        shell = float(bvalue), int(count)
    except ValueError as error:
        raise UserError(f"--shell {text}: expected b-value x directions, such as 1000x64") from error
    if not (100 < shell[0] <= 50_000 and 6 <= shell[1] <= 1000):
        raise UserError(f"--shell {text}: expected a b-value above 100 s/mm² and 6 to 1000 directions")
    return shell


def main() -> None:
    """Run the command; exit with 2 for the user's mistakes, 1 for ours."""
    # Threads that wait busily for each other are slow beyond measure on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    console.quieten_libraries()
    try:
        app()
    except UserError as error:
        console.fail(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        console.fail("stopped")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("DMRI_PRETRAIN_DEBUG"):
            raise
        console.fail(
            f"internal error, please report it: {type(error).__name__}: {error} (DMRI_PRETRAIN_DEBUG=1 says more)"
        )
        sys.exit(1)
