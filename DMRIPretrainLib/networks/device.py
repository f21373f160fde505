"""Where to compute."""

import torch

from ..errors import UserError


def choose_device(name: str) -> torch.device:
    """``auto`` takes a CUDA device if there is one, else the CPU; other names as PyTorch knows them.

    Raises:
        UserError: if the device does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device {name}: expected a device of this machine, found none ({reason}); try cpu"
        ) from error
    return device
