"""What a model file says of itself; read and told without PyTorch."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError

#: 2: fibres are counted from fits of one, two and three.
FORMAT_VERSION = 2
#: Where the description lies in the metadata of a safetensors file.
HEADER_KEY = "dmri_pretrain"
_LARGEST_HEADER = 1_000_000
_LARGEST_TABLE_OF_TENSORS = 10_000_000


@dataclass
class ModelCard:
    """What a model file says of itself beside its weights.

    Attributes:
        recipe: how it was trained, such as ``scratch`` or ``finetuned``.
        training_data: one line a data set or case.
        metrics: measured results, by name: numbers, or a few words.
        settings: what is needed to train it again.
        licence: SPDX identifier of the weights' licence.
        description: one line for a list of models.
        commands: what to run, in order, to make it again.
        limits: what scans it has seen, see ``inference.familiarity``; empty where nothing is known.
    """

    recipe: str = "scratch"
    training_data: list[str] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    description: str = ""
    commands: list[str] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_header(header: dict[str, Any]) -> "ModelCard":
        """What a header says; an entry of another type than it should have counts as missing."""
        known = vars(ModelCard())
        return ModelCard(
            **{name: header[name] for name, default in known.items() if isinstance(header.get(name), type(default))}
        )


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a model file: ``format_version``, ``architecture``, and the card's entries.

    A safetensors file begins with the length of its JSON table, 8 bytes little-endian, and that table, whose entry
    ``__metadata__`` holds strings.

    Raises:
        UserError: if the file is missing, is no model of this library, or is of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: expected a model file (.safetensors), found none; check the path")
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LARGEST_TABLE_OF_TENSORS:
                raise ValueError("it begins as no such file does")
            text = json.loads(file.read(size)).get("__metadata__", {}).get(HEADER_KEY)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: expected a .safetensors model, found another or a damaged file ({error})") from error
    if not isinstance(text, str) or len(text) > _LARGEST_HEADER:
        raise UserError(f"{path}: expected a model of DMRIPretrain, found a safetensors file of something else")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected a header in JSON, found another ({error}); get the file again") from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        older = isinstance(version, int) and version < FORMAT_VERSION
        advice = "train it again, or use the version of DMRIPretrain that made it" if older else "update DMRIPretrain"
        raise UserError(f"{path}: expected model format {FORMAT_VERSION}, found {version}; {advice}")
    if not isinstance(header.get("architecture"), dict):
        raise UserError(f"{path}: expected an architecture in the header, found none; get the file again")
    return header


def card_text(name: str, header: dict[str, Any]) -> str:
    """The model card in Markdown.

    Args:
        name: of the model.
        header: from :func:`read_header`.
    """
    card, architecture = ModelCard.from_header(header), header["architecture"]
    tasks = ", ".join(head["task"] for head in architecture["heads"]) or "none"
    extras = [word for word, there in (("reconstruction of the signal", architecture["reconstruction"]),) if there]
    sections = {
        "What it is": _table(
            ("", ""),
            {
                "network": architecture["network"] + ("" if architecture["skips"] else ", without skips"),
                "tasks": ", ".join([tasks, *extras]),
                "recipe": card.recipe,
                "licence of the weights": card.licence,
            },
        ),
        "Trained on": "\n".join(f"- {line}" for line in card.training_data),
        "Measured": _table(("what", "value"), card.metrics),
        "Scans it has seen": _table(("what", "from, to"), card.limits),
        "Settings": _table(("setting", "value"), card.settings),
        "How to make it again": "```sh\n" + "\n".join(card.commands) + "\n```" if card.commands else "",
    }
    parts = [f"# {name}", card.description or "A model of DMRIPretrain.", "For research, not for diagnosis."]
    parts += [f"## {title}\n\n{content}" for title, content in sections.items() if content]
    return "\n\n".join(parts) + "\n"


def _table(columns: tuple[str, str], rows: dict[str, Any]) -> str:
    if not rows:
        return ""
    lines = [f"| {columns[0]} | {columns[1]} |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{name} {_cell(item)}" for name, item in value.items())
    elif isinstance(value, (list, tuple)):
        text = ", ".join(map(_cell, value))
    else:
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
