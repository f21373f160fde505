"""What every training run shares: the device, the log, and the states that a job goes through."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError
from ..jobs.folder import JobFolder

#: What computes with which digits: ``auto`` takes bf16 where a GPU has it.
PRECISIONS = ("auto", "float32", "bf16")


def reported(job: JobFolder, run: Callable[[], Path]) -> Path:
    """Run something and write to the job folder what becomes of it.

    Raises:
        UserError: from the run; the job has failed.
        KeyboardInterrupt: if the run was interrupted; the job is stopped.
    """
    job.append("state", state="running")
    # Lightning sets its own level when it is imported; what it tells is in our events.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        with _log_to(job.log_path):
            path = run()
    except UserError as error:
        job.append("failure", code="input", message=str(error), action="mend the input and start again")
        job.append("state", state="failed")
        raise
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the latter of the former
        job.append("state", state="stopped")
        raise KeyboardInterrupt from None
    except BaseException as error:
        job.append("failure", code="unexpected", message=f"{type(error).__name__}: {error}", action="see log.txt")
        job.append("state", state="failed")
        raise
    job.append("state", state="stopped" if job.stop_requested() else "finished")
    return path


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Append what is logged, warnings included, to a file as well; tracebacks of failures too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    except BaseException:
        with path.open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def on_device(device: torch.device, precision: str = "auto", several: bool = False) -> dict[str, Any]:
    """Arguments of Lightning's trainer for a device.

    Args:
        device: where to compute.
        precision: one of ``PRECISIONS``.
        several: whether to take all CUDA devices where none of them is named.

    Raises:
        UserError: if the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise UserError(f"--precision {precision}: expected {', '.join(PRECISIONS)}; choose one of them")
    on_gpu = device.type == "cuda"
    half = precision == "bf16" or (precision == "auto" and on_gpu and torch.cuda.is_bf16_supported())
    devices: Any = [device.index] if on_gpu and device.index is not None else 1
    if on_gpu and device.index is None and several:
        devices = torch.cuda.device_count()
    return {
        # Some examples leave parts of a recipe without gradients.
        "strategy": "auto" if devices in (1, [device.index]) else "ddp_find_unused_parameters_true",
        "accelerator": "gpu" if on_gpu else device.type,
        "devices": devices,
        "precision": "bf16-mixed" if half else "32-true",
        "deterministic": True if device.type == "cpu" else "warn",
        "benchmark": False,
    }
