"""Supervised pretraining on simulated scans: three tasks, and the signal without noise."""

import torch
from torch import nn

from ..errors import UserError
from ..networks.model import Architecture, DiffusionModel
from ..networks.voxels import at_voxels, learned_voxels
from ..qspace.deconvolution import fodf_trust
from ..qspace.features import QSpaceFeatures
from ..tasks.orientation import fodf_of_peaks
from ..tasks.registry import TASKS, default_head, make_task
from .masked import Masked
from .recipe import Example, RawPatch
from .reconstruction import clean_of, reconstruct, voxel_errors, weighted_mean

_WEIGHTS = {"segmentation": 0.5, "crossings": 1.0, "orientation": 1.0, "reconstruction": 0.5}


class Simulated(nn.Module):
    """Learns tissue and number of fibres of simulated patches, and to undo noise and artifacts.

    The fODF is learned too where it is not fitted, which is by the network ``bvm``.

    The decoder must also tell the signal without noise and artifacts, of the b0 and of every shell: what it learns
    from is more than labels, and the error of the same reconstruction tells later how familiar a scan is. Patches of
    real scans among the simulated ones, whose truth is not known, are learned from by the recipe ``masked``.

    Args:
        network: the network.
        only: ``crossings`` to learn the head that counts fibres alone, on a network that stays as it is: many times
            faster, for a start that knows all else. None for everything.
    """

    name = "simulated"

    def __init__(self, network: str = "tiny", only: str | None = None) -> None:
        super().__init__()
        if only not in (None, "crossings"):
            raise UserError(f"--only: expected crossings, found {only!r}")
        self._network = network
        self._only = only
        self.masked = Masked(network)
        self._tasks = {task: make_task(default_head(task)) for task in TASKS}

    def architecture(self) -> Architecture:
        """The network with a head for each task and one for the reconstruction."""
        return Architecture(self._network, tuple(default_head(task) for task in TASKS), reconstruction=True)

    def example(self, patch: RawPatch, generator: torch.Generator) -> Example:
        """The noisy patch with its truth in some of its voxels, and its clean features; else that of ``Masked``."""
        if not patch.truth:
            return self.masked.example(patch, generator)
        acquisition = patch.acquisition
        features = patch.features()
        inside = torch.nonzero(acquisition.mask.flatten())[:, 0]
        count = learned_voxels(acquisition.mask.numel())
        chosen = torch.randint(len(inside), (count,), generator=generator).to(inside.device)
        voxels = inside[chosen]
        targets = {
            "voxels": voxels[None],
            "segmentation": patch.truth["segmentation"].flatten()[voxels][None],
            "crossings": patch.truth["crossings"].flatten()[voxels][None],
            "orientation": fodf_of_peaks(patch.truth["orientation"].flatten(0, 2)[voxels].float()).T[None],
        }
        return Example(features, targets, acquisition.mask[None].float(), clean=patch.clean_features())

    def losses(self, model: DiffusionModel, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Losses of the tasks and of the reconstruction on simulated patches, and those of ``masked`` on real ones."""
        known = [example for example in examples if "voxels" in example.targets]
        real = [example for example in examples if "voxels" not in example.targets]
        if self._only:
            return {"crossings": self._count_loss(model, known)}
        losses = self._known_losses(model, known) if known else {}
        if real:
            losses |= {f"masked {name}": loss for name, loss in self.masked.losses(model, real).items()}
        return losses

    def _count_loss(self, model: DiffusionModel, examples: list[Example]) -> torch.Tensor:
        """Loss of the number of fibres, of which only the head that counts is learned."""
        features = QSpaceFeatures.stack([example.features for example in examples])
        with torch.no_grad():
            adapted = model.adapter(features)
            decoded = model.backbone(adapted)
        voxels = torch.cat([example.targets["voxels"] for example in examples])
        target = torch.cat([example.targets["crossings"] for example in examples])[:, None, :, None, None]
        counts = model.answer_decoded(at_voxels(decoded, voxels), at_voxels(adapted, voxels), fodf_trust(features))[
            "crossings"
        ]
        everywhere = torch.ones(*voxels.shape, 1, 1, device=voxels.device)
        return self._tasks["crossings"].loss(counts.float(), target, everywhere)

    def _known_losses(self, model: DiffusionModel, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Losses of the tasks in the voxels, and of the reconstruction everywhere in the mask."""
        features = QSpaceFeatures.stack([example.features for example in examples])
        adapted = model.adapter(features)
        decoded = model.backbone(adapted)
        voxels = torch.cat([example.targets["voxels"] for example in examples])
        answers = model.answer_decoded(at_voxels(decoded, voxels), at_voxels(adapted, voxels), fodf_trust(features))
        everywhere = torch.ones(*voxels.shape, 1, 1, device=voxels.device)
        losses = {}
        for name, task in self._tasks.items():
            # The fODF of fitted fibres needs no training, and squared differences would teach it to melt near fibres.
            if name == "orientation" and model.fodf is not None:
                continue
            target = torch.cat([example.targets[name] for example in examples])
            target = target[..., None, None] if name == "orientation" else target[:, None, :, None, None]
            losses[name] = _WEIGHTS[name] * task.loss(answers[name].float(), target, everywhere)
        clean = clean_of(examples)
        shells, b0 = voxel_errors(reconstruct(model, decoded, clean.conditions[..., 0]), clean)
        mask = torch.cat([example.mask for example in examples])
        losses["reconstruction"] = _WEIGHTS["reconstruction"] * weighted_mean(shells + b0, mask)
        return losses
