"""The whole model: adapter, backbone, and one head a task."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from ..qspace.deconvolution import fodf_trust
from ..qspace.features import QSpaceFeatures
from ..qspace.fibre_fit import fit_fibres
from ..qspace.harmonics import coefficient_count
from .adapters import ReferenceDirectionsAdapter, ShellSetAdapter
from .bvm_unet import BVMUNet
from .crossings_head import CrossingsHead
from .fodf_head import FODFHead
from .heads import PlainHead, TaskHead
from .reconstruction import ReconstructionHead
from .residual_unet import ResidualUNet

#: Channels and residual blocks of each level. ``tiny`` is for CPUs, ``base`` for GPUs.
_RESIDUAL_SIZES = {
    "tiny": ((16, 32, 64, 128), (1, 2, 2, 3)),
    "base": ((24, 48, 96, 192), (1, 2, 2, 3)),
}
NETWORKS = (*_RESIDUAL_SIZES, "bvm")
FODF_COEFFICIENTS = coefficient_count(8)


@dataclass(frozen=True)
class HeadSpec:
    """What a head answers.

    Attributes:
        task: ``segmentation``, ``crossings`` or ``orientation``.
        labels: name of every label, the background first; empty for orientation.
        colours: (R, G, B) of every label, 0-255.
        values: value of every label in images, 0 for the background.
    """

    task: str
    labels: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network.

    Attributes:
        network: ``tiny``, ``base`` or ``bvm``.
        heads: what each head answers, at most one a task.
        skips: whether the decoder sees the encoder's features of its resolution.
        reconstruction: whether there is a head that reconstructs the signal, as pretraining needs.
    """

    network: str
    heads: tuple[HeadSpec, ...] = ()
    skips: bool = True
    reconstruction: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists, as kept in a model file."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> "Architecture":
        """Rebuild from :meth:`to_json`.

        Raises:
            ValueError: if anything in it is not what a model file may hold.
        """
        try:
            heads = tuple(
                HeadSpec(
                    str(head["task"]),
                    tuple(str(label) for label in head["labels"]),
                    tuple((int(r), int(g), int(b)) for r, g, b in head["colours"]),
                    tuple(int(value) for value in head["values"]),
                )
                for head in content["heads"]
            )
            architecture = Architecture(
                str(content["network"]), heads, bool(content["skips"]), bool(content["reconstruction"])
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"incomplete architecture ({error})") from error
        if any(not len(head.labels) == len(head.colours) == len(head.values) for head in heads):
            raise ValueError("labels, colours and values of a head differ in number")
        if any(head.values[0] != 0 or list(head.values) != sorted(set(head.values)) for head in heads if head.values):
            raise ValueError("label values of a head are not 0 and ascending numbers")
        if len({head.task for head in heads}) != len(heads):
            raise ValueError("two heads for one task")
        if architecture.network not in NETWORKS:
            raise ValueError(f"unknown network {architecture.network!r}")
        return architecture


class DiffusionModel(nn.Module):
    """A network for diffusion scans with any gradient table.

    Directions of all inputs and outputs are in the grid frame of an image in RAS voxel order. Fibres are counted from
    fits of one, two and three, and the fODF is that of as many as are counted; ``bvm`` has plain heads, as the seed
    paper.

    Args:
        architecture: network and heads.
        output_channels: channels of each head, in the order of ``architecture.heads``.
    """

    def __init__(self, architecture: Architecture, output_channels: Sequence[int]) -> None:
        super().__init__()
        self.architecture = architecture
        self.adapter: ShellSetAdapter | ReferenceDirectionsAdapter
        self.backbone: ResidualUNet | BVMUNet
        if architecture.network == "bvm":
            self.adapter = ReferenceDirectionsAdapter()
            self.backbone = BVMUNet(self.adapter.output_channels, skips=architecture.skips)
        else:
            widths, blocks = _RESIDUAL_SIZES[architecture.network]
            self.adapter = ShellSetAdapter()
            self.backbone = ResidualUNet(self.adapter.output_channels, widths, blocks, architecture.skips)
        seen = self.backbone.output_channels + self.adapter.output_channels
        channels = dict(zip((head.task for head in architecture.heads), output_channels, strict=True))
        self.fodf = None
        if architecture.network == "bvm":
            decoded = self.backbone.output_channels
            kinds: dict[str, nn.Module] = {task: PlainHead(decoded, count) for task, count in channels.items()}
        else:
            if "orientation" in channels:
                self.fodf = FODFHead(seen, FODF_COEFFICIENTS)
            kinds = {
                task: (CrossingsHead if task == "crossings" else TaskHead)(seen, count)
                for task, count in channels.items()
                if task != "orientation"
            }
        self.heads = nn.ModuleDict(kinds)
        self.reconstruction = ReconstructionHead(self.backbone.output_channels) if architecture.reconstruction else None

    def forward(self, features: QSpaceFeatures) -> dict[str, torch.Tensor]:
        """Raw output (B, C, X, Y, Z) of every head, by task."""
        return self.answer(self.adapter(features), fodf_trust(features))

    def answer(self, adapted: torch.Tensor, trust: torch.Tensor) -> dict[str, torch.Tensor]:
        """The same from what the adapter made, (B, A, X, Y, Z), and the (B, 4) ``fodf_trust`` of the features."""
        return self.answer_decoded(self.backbone(adapted), adapted, trust)

    def fit(self, adapted: torch.Tensor, trust: torch.Tensor) -> torch.Tensor | None:
        """(B, 30, X, Y, Z) fit of fibres that heads look at, see ``qspace.fibre_fit``; None where none does."""
        if (self.fodf is None and "crossings" not in self.heads) or self.architecture.network == "bvm":
            return None
        return fit_fibres(ShellSetAdapter.fodf(adapted), trust)

    def answer_decoded(
        self, decoded: torch.Tensor, adapted: torch.Tensor, trust: torch.Tensor, fit: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The same from (B, D, X, Y, Z) decoder features, what the adapter made, the trust, and :meth:`fit`.

        A fit that is not given is made.
        """
        fit = self.fit(adapted, trust) if fit is None else fit
        if fit is None:
            return {task: head(decoded, adapted) for task, head in self.heads.items()}
        answers = {}
        if "crossings" in self.heads:
            answers["crossings"] = self.heads["crossings"](decoded, adapted, trust, fit)
        if self.fodf is not None:
            answers["orientation"] = self.fodf(decoded, adapted, fit, answers.get("crossings"))
        if "segmentation" in self.heads:
            answers["segmentation"] = self.heads["segmentation"](decoded, adapted)
        return {head.task: answers[head.task] for head in self.architecture.heads}


def is_of_head(name: str) -> bool:
    """Whether a weight of a :class:`DiffusionModel` belongs to the head of a task."""
    return name.startswith(("heads.", "fodf."))
