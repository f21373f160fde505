"""Model files: safetensors with a JSON header. Nothing in them is ever executed or unpickled."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import UserError
from ..files import atomic_path, to_json
from ..tasks.registry import make_task
from .model import Architecture, DiffusionModel
from .model_card import FORMAT_VERSION, HEADER_KEY, ModelCard, read_header

__all__ = ["ModelCard", "build_model", "load_model", "save_model"]


def build_model(architecture: Architecture) -> DiffusionModel:
    """A model with fresh weights.

    Raises:
        ValueError: if a head names an unknown task.
    """
    return DiffusionModel(architecture, [make_task(head).output_channels for head in architecture.heads])


def save_model(path: Path, model: DiffusionModel, card: ModelCard, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and header atomically.

    Args:
        path: the file.
        model: what to write.
        card: what to say of it.
        dtype: of the weights in the file: ``bfloat16`` or ``float16`` halve it, ``float16`` with 3 digits against 2.

    Raises:
        UserError: if the file cannot be written.
        ValueError: if a weight is too large for the type.
    """
    header = {"format_version": FORMAT_VERSION, "architecture": model.architecture.to_json(), **vars(card)}
    tensors = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError(f"weights that {dtype} cannot hold")
    with atomic_path(path) as temporary:
        # Safetensors' own writer makes files that only their owner may read.
        temporary.write_bytes(save(tensors, metadata={HEADER_KEY: to_json(header)}))


def load_model(path: Path) -> tuple[DiffusionModel, ModelCard]:
    """Read a model file, on the CPU, in evaluation mode.

    Raises:
        UserError: if the file is missing, is no model of this library, is of a later format, or if its
            weights do not fit its header.
    """
    path = Path(path)
    header = read_header(path)
    try:
        architecture = Architecture.from_json(header["architecture"])
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        model = build_model(architecture)
        model.load_state_dict(tensors)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: expected a .safetensors model, found another or a damaged file ({error})") from error
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: weights and header of the model do not fit together ({reason})") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"{path}: expected finite weights, found NaN or infinity; get the model file again")
    return model.eval(), ModelCard.from_header(header)
