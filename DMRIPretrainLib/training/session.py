"""The engine of every training run: Lightning's trainer for the devices and machines at hand."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch

from ..errors import UserError
from .checkpoints import WholeCheckpoints

#: What computes with which digits: ``auto`` takes bf16 where a GPU has it.
PRECISIONS = ("auto", "float32", "bf16")


def make_trainer(
    device: torch.device, folder: Path, conductor: L.Callback, precision: str = "auto", devices: int = 1, nodes: int = 1
) -> L.Trainer:
    """A trainer that goes once through its data and leaves all else to the conductor.

    Launched by torchrun or SLURM's srun, it joins the processes that these have started; otherwise it starts those of
    further devices itself.

    Args:
        device: where to compute.
        folder: of the job.
        conductor: leads the run.
        precision: one of ``PRECISIONS``.
        devices: on each machine; 0 for all CUDA devices where none of them is named.
        nodes: machines.

    Raises:
        UserError: if the precision is unknown, or there are not as many devices.
    """
    if precision not in PRECISIONS:
        raise UserError(f"--precision {precision}: expected {', '.join(PRECISIONS)}; choose one of them")
    # Lightning sets its own level when it is imported; what it tells is in our events.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    on_gpu = device.type == "cuda"
    half = precision == "bf16" or (precision == "auto" and on_gpu and torch.cuda.is_bf16_supported())
    chosen = _devices(device, devices)
    alone = nodes == 1 and chosen in (1, [device.index])
    return L.Trainer(
        accelerator="gpu" if on_gpu else device.type,
        devices=chosen,
        num_nodes=nodes,
        # Some examples leave parts of a recipe without gradients.
        strategy="auto" if alone else "ddp_find_unused_parameters_true",
        precision="bf16-mixed" if half else "32-true",
        deterministic=True if device.type == "cpu" else "warn",
        benchmark=False,
        max_epochs=1,
        gradient_clip_val=1.0,
        callbacks=[conductor],
        plugins=[WholeCheckpoints()],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _devices(device: torch.device, wanted: int) -> Any:
    if device.type == "cuda" and device.index is not None:
        if wanted > 1:
            raise UserError(f"--devices {wanted}: expected --device cuda with it, found {device}; leave out the number")
        return [device.index]
    if device.type != "cuda":
        return max(1, wanted)
    there = torch.cuda.device_count()
    if wanted > there:
        raise UserError(f"--devices {wanted}: expected at most {there}, the GPUs of this machine; choose fewer")
    return wanted or there
