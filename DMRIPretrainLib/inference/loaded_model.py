"""Models to predict with: shipped ones by name, others by file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import UserError
from ..networks.catalogue import DEFAULT_MODEL, find_model, shipped_model
from ..networks.model import DiffusionModel
from ..networks.model_file import ModelCard, load_model
from .predictor import Predictor

_DEFAULT_WINDOW = 64
#: Edges of windows in voxels that make sense, for prediction and so for the patches of training.
SENSIBLE_WINDOWS = range(8, 257)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        path: its file.
        model: the model.
        card: what the file says of it.
    """

    path: Path
    model: DiffusionModel
    card: ModelCard

    @property
    def name(self) -> str:
        """The job's name for the model of a job, else that of the file."""
        return self.path.parent.parent.name if self.path.parent.name == "result" else self.path.stem

    def predictor(self, device: torch.device | str = "cpu") -> Predictor:
        """The model, ready to answer with windows of the size of the patches in training."""
        patch = self.card.settings.get("patch")
        window = patch if isinstance(patch, int) and patch in SENSIBLE_WINDOWS else _DEFAULT_WINDOW
        return Predictor(self.model, window, device)


def load_models(names: Iterable[str | Path] = ()) -> list[LoadedModel]:
    """Models by file or by the name of a shipped one; without any, the default of the shipped ones.

    Raises:
        UserError: if one cannot be used, or answers nothing.
    """
    paths = [find_model(str(name)) for name in names] or [shipped_model(DEFAULT_MODEL)]
    models = [LoadedModel(path, *load_model(path)) for path in paths]
    for loaded in models:
        if not loaded.model.architecture.heads:
            raise UserError(
                f"{loaded.path}: expected a model that answers a task, found one that was pretrained only; start "
                "finetune from it"
            )
    return models
