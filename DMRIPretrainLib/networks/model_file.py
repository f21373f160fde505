"""Model files: safetensors with a JSON header. Nothing in them is ever executed or unpickled."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import UserError
from ..files import atomic_path, to_json
from ..tasks.registry import make_task
from .model import Architecture, DiffusionModel

FORMAT_VERSION = 1
_HEADER_KEY = "dmri_pretrain"
_LARGEST_HEADER = 1_000_000


@dataclass
class ModelCard:
    """What a model file says of itself beside its weights.

    Attributes:
        recipe: how it was trained, such as ``scratch`` or ``finetuned``.
        training_data: one line a data set or case.
        metrics: measured results, by name.
        settings: what is needed to train it again.
        licence: SPDX identifier of the weights' licence.
    """

    recipe: str = "scratch"
    training_data: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"


def build_model(architecture: Architecture) -> DiffusionModel:
    """A model with fresh weights.

    Raises:
        ValueError: if a head names an unknown task.
    """
    return DiffusionModel(architecture, [make_task(head).output_channels for head in architecture.heads])


def save_model(path: Path, model: DiffusionModel, card: ModelCard) -> None:
    """Write weights and header atomically."""
    header = {"format_version": FORMAT_VERSION, "architecture": model.architecture.to_json(), **vars(card)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={_HEADER_KEY: to_json(header)})


def load_model(path: Path) -> tuple[DiffusionModel, ModelCard]:
    """Read a model file, on the CPU, in evaluation mode.

    Raises:
        UserError: if the file is missing, is no model of this library, is of a later format, or if its
            weights do not fit its header.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: expected a model file (.safetensors), found none; check the path given with --model")
    try:
        with safe_open(path, framework="pt") as file:
            header = _read_header(path, file.metadata() or {})
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        architecture = Architecture.from_json(header["architecture"])
        model = build_model(architecture)
        model.load_state_dict(tensors)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: expected a .safetensors model, found another or a damaged file ({error})") from error
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: weights and header of the model do not fit together ({reason})") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"{path}: expected finite weights, found NaN or infinity; get the model file again")
    return model.eval(), _card(header)


def _read_header(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    text = metadata.get(_HEADER_KEY)
    if text is None or len(text) > _LARGEST_HEADER:
        raise UserError(f"{path}: expected a model of DMRIPretrain, found a safetensors file of something else")
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(f"{path}: expected model format {FORMAT_VERSION}, found {version}; update DMRIPretrain")
    return header


def _card(header: dict[str, Any]) -> ModelCard:
    """What the header says; an entry of another type than it should have counts as missing."""
    known = vars(ModelCard())
    return ModelCard(
        **{name: header[name] for name, default in known.items() if isinstance(header.get(name), type(default))}
    )
