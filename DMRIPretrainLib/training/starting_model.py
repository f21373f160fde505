"""What fine-tuning starts from: a shipped model, a file, or random weights."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import torch

from ..errors import UserError
from ..networks.catalogue import checksum, find_model
from ..networks.model import Architecture, DiffusionModel, HeadSpec
from ..networks.model_file import ModelCard, build_model, load_model
from .choose_start import SCRATCH, Start

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StartingModel:
    """A model before its first step.

    Attributes:
        model: the model.
        fresh: names of its weights that are random; the others were trained before.
        limits: what scans it has seen; empty where nothing is known.
    """

    model: DiffusionModel
    fresh: frozenset[str]
    limits: Mapping[str, object]


def open_start(start: Start, heads: tuple[HeadSpec, ...]) -> StartingModel:
    """The model to train: the start's network and weights, with the heads that are asked for and no others.

    Weights that the start does not have, and those of a head that answered another question, are random.

    Raises:
        UserError: if the file cannot be used, or is not the one that was chosen.
    """
    if start.name == SCRATCH:
        model = build_model(Architecture(start.network, heads))
        return StartingModel(model, frozenset(model.state_dict()), {})
    path = find_model(start.name)
    if start.sha256 and checksum(path) != start.sha256:
        raise UserError(
            f"{path}: expected the model that the job was made with (SHA-256 {start.sha256[:12]}...), found another; "
            "bring it back or start a new job"
        )
    known, card = load_model(path)
    return _with_heads(known, card, heads)


def _with_heads(start: DiffusionModel, card: ModelCard, wanted: tuple[HeadSpec, ...]) -> StartingModel:
    known = {head.task: head for head in start.architecture.heads}
    # The same label values mean the same question: its head, with its names, is kept.
    heads = tuple(known[h.task] if h.task in known and known[h.task].values == h.values else h for h in wanted)
    model = build_model(replace(start.architecture, heads=heads, reconstruction=False))
    others = tuple(f"heads.{head.task}." for head in heads if known.get(head.task) != head)
    kept = {name: value for name, value in start.state_dict().items() if not name.startswith(others)}
    weights = model.state_dict()
    model.load_state_dict({name: kept.get(name, value) for name, value in weights.items()})
    return StartingModel(model, frozenset(weights.keys() - kept.keys()), card.limits)


def blend(start: Weights, tuned: Weights, share: float, fresh: Set[str]) -> Weights:
    """Weights between the starting ones (share 0) and the fine-tuned ones (share 1); fresh ones stay tuned."""
    return {name: tuned[name] if name in fresh else torch.lerp(start[name], tuned[name], share) for name in start}
