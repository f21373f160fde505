"""Commands that train: ``finetune`` and ``pretrain``."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_checks import rehearse
from .cli_options import (
    B0Option,
    BackgroundOption,
    BvalOption,
    BvecOption,
    DeviceOption,
    DevicesOption,
    JsonOption,
    MaskOption,
    NodesOption,
    TaskOption,
    absolute,
    begin,
    chosen_tasks,
)
from .errors import UserError


def finetune(
    cases: Annotated[Path, typer.Argument(help="CSV table of cases, BIDS folder, or one scan (see README).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Job folder; the model goes to its result/ folder.")],
    task: TaskOption = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label folder of the scan, or of the BIDS folder's scans.")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="shipped, the name of a shipped model, a model file, or scratch.")
    ] = "shipped",
    network: Annotated[
        str | None, typer.Option(help="tiny, base or bvm; by default that of the start, from scratch tiny.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 600,
    interval: Annotated[int, typer.Option(min=1, help="Steps between validations and checkpoints.")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="Patches a step.")] = 2,
    patch: Annotated[int, typer.Option(min=0, help="Edge of a patch in voxels; 0: 32 on a CPU, 64 on a GPU.")] = 0,
    patience: Annotated[int, typer.Option(min=1, help="Validations without improvement before it stops.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same result (on a CPU).")] = 0,
    device: DeviceOption = "auto",
    label_names: Annotated[
        Path | None, typer.Option(help="TSV with the columns index and name (BIDS dseg.tsv).")
    ] = None,
    mask: MaskOption = None,
    bval: BvalOption = None,
    bvec: BvecOption = None,
    b0_threshold: B0Option = 100.0,
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
    background: BackgroundOption = False,
    resume: Annotated[bool, typer.Option(help="Go on with the job in --out.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the data and tell how much time and memory it takes; learn nothing."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Learn tasks from annotated scans; the result is never worse than the start.

    It starts from the model that ships with the program; --mask, --bval and --bvec are for a single scan.

    Example: dmri-pretrain finetune cases.csv --task segmentation --out job
    """
    from .networks.model import NETWORKS
    from .training.cases import read_label_names
    from .training.choose_start import choose_start
    from .training.settings import FinetuneSettings

    if network not in (None, *NETWORKS):
        raise UserError(f"--network {network}: expected {', '.join(NETWORKS)}; choose one of them")
    if patch:
        _check_patch(patch)
    chosen = choose_start(start, network)
    settings = FinetuneSettings(
        cases=str(cases.absolute()),
        tasks=chosen_tasks(task),
        labels=absolute(labels),
        start=chosen.name,
        start_sha256=chosen.sha256,
        network=chosen.network,
        steps=steps,
        interval=min(interval, steps),
        batch=batch,
        patch=patch,
        patience=patience,
        seed=seed,
        device=device,
        devices=devices,
        nodes=nodes,
        label_names=read_label_names(label_names) if label_names else None,
        b0_threshold=b0_threshold,
        mask=absolute(mask),
        bval=absolute(bval),
        bvec=absolute(bvec),
    )
    if dry_run:
        rehearse(settings, as_json=json)
    else:
        begin(settings.to_json(), out, resume=resume, background=background, as_json=json)


def pretrain(
    recipe: Annotated[
        str, typer.Argument(help="autoencoder, restoration, distortion, artifact, masked or simulated (see README).")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Job folder; the model goes to its result/ folder.")],
    data: Annotated[
        list[str], typer.Option("--data", help="BIDS or HCP folder, list of scans, or simulated; repeat for several.")
    ],
    start: Annotated[str, typer.Option("--from", help="Model to go on from: a file, a shipped name, or scratch.")] = (
        "scratch"
    ),
    network: Annotated[str, typer.Option(help="tiny, base or bvm.")] = "tiny",
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 10_000,
    interval: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="Patches a step, on each device.")] = 2,
    patch: Annotated[int, typer.Option(min=0, help="Edge of a patch in voxels; 0: 32 on a CPU, 64 on a GPU.")] = 0,
    strength: Annotated[
        str | None, typer.Option(help="Of the recipe distortion: light, normal, strong or all.")
    ] = None,
    skips: Annotated[bool | None, typer.Option(help="Of the recipe autoencoder: with or without skips.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Of the recipe simulated: crossings, to learn to count fibres and nothing else.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same result (on a CPU).")] = 0,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="auto (bf16 on a GPU), float32 or bf16.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare data for a CPU.")] = 1,
    b0_threshold: B0Option = 100.0,
    devices: DevicesOption = 0,
    nodes: NodesOption = 1,
    background: BackgroundOption = False,
    resume: Annotated[bool, typer.Option(help="Go on with the job in --out.")] = False,
    json: JsonOption = False,
) -> None:
    """Pretrain a network on scans without labels, or on simulation; start fine-tuning from it with --from.

    Example: dmri-pretrain pretrain masked --data study --data more.csv --steps 20000 --out job
    """
    from .networks.catalogue import find_model
    from .networks.model import NETWORKS
    from .training.settings import PretrainSettings

    if network not in NETWORKS:
        raise UserError(f"--network {network}: expected {', '.join(NETWORKS)}; choose one of them")
    if patch:
        _check_patch(patch)
    given = {"strength": strength, "skips": skips, "only": only}
    settings = PretrainSettings(
        recipe,
        tuple(source if source == "simulated" else str(Path(source).absolute()) for source in data),
        {name: value for name, value in given.items() if value is not None},
        start=start if start == "scratch" else str(find_model(start).absolute()),
        network=network,
        steps=steps,
        interval=min(interval, steps),
        batch=batch,
        patch=patch,
        seed=seed,
        device=device,
        devices=devices,
        nodes=nodes,
        precision=precision,
        workers=workers,
        b0_threshold=b0_threshold,
    )
    begin(settings.to_json(), out, resume=resume, background=background, as_json=json)


def _check_patch(patch: int) -> None:
    from .inference.loaded_model import SENSIBLE_WINDOWS

    if patch not in SENSIBLE_WINDOWS:
        raise UserError(f"--patch {patch}: expected 0, or {SENSIBLE_WINDOWS[0]} to {SENSIBLE_WINDOWS[-1]} voxels")
