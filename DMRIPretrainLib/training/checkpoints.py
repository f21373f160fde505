"""The state of a run on disk: whole or not at all, and never executed when it is read."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ..errors import UserError
from ..jobs.folder import JobFolder


def checkpoint_path(job: JobFolder) -> Path:
    """Where the state of a run is kept."""
    return job.checkpoints / "last.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when it is on the disk; Lightning goes by /tmp."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write; the former file stays until the new one is whole.

        Raises:
            OSError: if it cannot be written; the former one is intact.
        """
        path = Path(path)
        temporary = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def read_checkpoint(job: JobFolder) -> dict[str, Any] | None:
    """The state of a run; None where there is none. Tensors are mapped, not read.

    Raises:
        UserError: if it is no checkpoint, or holds anything but plain values and tensors.
    """
    path = checkpoint_path(job)
    if path.is_symlink():
        raise UserError(f"{path}: expected a checkpoint, found a link; do not use this job folder")
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content["global_step"], int) or not isinstance(content["callbacks"], dict):
            raise TypeError("it is of another program")
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: expected numbers alone in a checkpoint, found objects that could run code; do not use this job "
            "folder, or delete the checkpoint to begin anew"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: expected a checkpoint of this program, found another or a damaged one ({reason}); delete it to "
            "begin anew"
        ) from error
    return content


def steps_done(job: JobFolder) -> int:
    """The step of the last checkpoint, 0 where there is none. Its file is let go of, else it would still fill the disk.

    Raises:
        UserError: as :func:`read_checkpoint`.
    """
    checkpoint = read_checkpoint(job)
    return checkpoint["global_step"] if checkpoint else 0
