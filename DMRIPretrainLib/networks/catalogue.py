"""The models that ship with the library: which there are, and whether their files are whole. Needs no PyTorch.

``python -m DMRIPretrainLib.networks.catalogue FOLDER`` writes the catalogue and the model cards of a folder of model
files anew, from what the files say of themselves.
"""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UserError
from ..files import atomic_path, to_json
from .model_card import ModelCard, card_text, read_header

CATALOGUE = "catalogue.json"
#: The shipped model that is taken where none is named.
DEFAULT_MODEL = "tiny"
#: Packages put the models beside the code; a checkout has them among the resources.
_PACKAGED = Path(__file__).resolve().parents[1] / "models"
_CHECKOUT = Path(__file__).resolve().parents[2] / "Resources" / "Models"


@dataclass(frozen=True)
class ShippedModel:
    """An entry of the catalogue.

    Attributes:
        name: what to call it, such as ``tiny``.
        file: name of its file.
        sha256: of the file.
        network: ``tiny``, ``base`` or ``bvm``.
        tasks: what it answers.
        description: one line.
    """

    name: str
    file: str
    sha256: str
    network: str
    tasks: tuple[str, ...]
    description: str


def models_folder() -> Path:
    """Where the shipped models are."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def shipped_models() -> list[ShippedModel]:
    """All of them, by name; none in a build without models.

    Raises:
        UserError: if the catalogue cannot be read.
    """
    path = models_folder() / CATALOGUE
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["models"]
        return [ShippedModel(**entry | {"tasks": tuple(entry["tasks"])}) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected the catalogue of models, found none that can be read ({error}); install it again"
        ) from error


def shipped_model(name: str = DEFAULT_MODEL) -> Path:
    """File of a shipped model, whose checksum is right.

    Raises:
        UserError: if there is no such model, or its file is missing or damaged.
    """
    models = {model.name: model for model in shipped_models()}
    if not models:
        raise UserError(
            f"{models_folder()}: expected the model {name}, found no models in this build; name a model file with "
            "--model (predict) or --from (finetune), or train one with finetune --from scratch"
        )
    if name not in models:
        raise UserError(f"model {name}: expected one of {', '.join(models)}; choose one of them or name a file")
    path = models_folder() / models[name].file
    if not path.is_file():
        raise UserError(f"{path}: expected the model {name}, found no file; install DMRIPretrain again")
    expected, found = models[name].sha256, checksum(path)
    if found != expected:
        raise UserError(
            f"{path}: expected SHA-256 {expected[:12]}..., found {found[:12]}...: the file is damaged or another one; "
            "install DMRIPretrain again"
        )
    return path


def find_model(name_or_file: str) -> Path:
    """File of a model that a user names: a shipped one, else a path.

    Raises:
        UserError: if it is neither, or a shipped one is damaged.
    """
    names = [model.name for model in shipped_models()]
    if name_or_file in names:
        return shipped_model(name_or_file)
    path = Path(name_or_file)
    if not path.is_file():
        shipped = f"or one of {', '.join(names)}" if names else "(none is shipped with this build)"
        raise UserError(f"{path}: expected a model file (.safetensors) {shipped}, found neither; check the path")
    return path


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_folder(folder: Path) -> dict[str, str]:
    """Text of the catalogue and of the model cards, by file name, for the model files in a folder.

    Raises:
        UserError: if a file is no model.
    """
    entries, texts = [], {}
    for path in sorted(folder.glob("*.safetensors")):
        header = read_header(path)
        architecture = header["architecture"]
        tasks = tuple(head["task"] for head in architecture["heads"])
        description = ModelCard.from_header(header).description
        entries.append(ShippedModel(path.stem, path.name, checksum(path), architecture["network"], tasks, description))
        texts[f"{path.stem}.md"] = card_text(path.stem, header)
    content = {"models": [asdict(entry) for entry in entries]}
    return {CATALOGUE: to_json(content, indent=2) + "\n", **texts}


def write_catalogue(folder: Path) -> None:
    """Write ``catalogue.json`` and a model card beside each model file.

    Raises:
        UserError: if a file is no model, or the folder cannot be written.
    """
    for name, text in describe_folder(folder).items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_catalogue(Path(sys.argv[1]))
