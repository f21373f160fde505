"""The Lightning module that pretrains a model with a recipe, and the examples it is shown."""

from collections.abc import Callable
from typing import Any, Protocol

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from ..networks.model import DiffusionModel
from ..pretext.recipe import Example, RawPatch, Recipe
from .schedule import warm_up_and_cosine

RATE = 1e-3
#: The learning rate rises over this share of the steps, but over no more than this many.
WARM_UP, LONGEST_WARM_UP = 0.1, 500


class PatchSource(Protocol):
    """Where patches come from."""

    def draw(self, generator: torch.Generator) -> RawPatch:
        """A patch; equal states of the generator, which is on the CPU, give equal patches."""
        ...


class ExampleDataset(Dataset[Example]):
    """Endless examples by number: the same number and seed give the same example, in whatever order.

    Args:
        open_source: makes the source when the first example is asked for, so that it is made in the process that
            draws from it.
        recipe: makes examples of patches.
        seed: of the examples.
    """

    def __init__(self, open_source: Callable[[], PatchSource], recipe: Recipe, seed: int) -> None:
        self._open_source = open_source
        self._source: PatchSource | None = None
        self._recipe = recipe
        self._seed = seed

    @torch.no_grad()
    def __getitem__(self, number: int) -> Example:
        """The example of this number."""
        if self._source is None:
            self._source = self._open_source()
        state = np.random.SeedSequence([self._seed, number]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0]))
        return self._recipe.example(self._source.draw(generator), generator)


class Pretraining(L.LightningModule):
    """Learns a model, and what the recipe learns beside it.

    Args:
        model: the model.
        recipe: a recipe, which is a module.
        steps: length of the schedule.
    """

    def __init__(self, model: DiffusionModel, recipe: Recipe, steps: int) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self._steps = steps
        #: Of the last step.
        self.losses: dict[str, torch.Tensor] = {}
        if not isinstance(recipe, nn.Module):
            raise TypeError(f"recipe {recipe.name} is no module")

    def transfer_batch_to_device(self, batch: list[Example], device: torch.device, dataloader_idx: int) -> Any:
        """Examples are made on the device they are used on, or moved there."""
        return [example.to(device) for example in batch]

    def training_step(self, batch: list[Example], batch_idx: int) -> torch.Tensor:
        """Sum of the recipe's losses."""
        losses = self.recipe.losses(self.model, batch)
        total = torch.stack(list(losses.values())).sum()
        self.losses = {"loss": total.detach(), **{f"loss {name}": loss.detach() for name, loss in losses.items()}}
        return total

    def configure_optimizers(self) -> Any:
        """AdamW; linear warm-up, then a cosine to zero."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=0.02)
        warm_up = max(1, min(LONGEST_WARM_UP, round(WARM_UP * self._steps)))
        return warm_up_and_cosine(optimizer, warm_up, self._steps)
