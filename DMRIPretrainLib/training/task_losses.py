"""The losses of all tasks in some voxels of patches."""

from collections.abc import Mapping

import torch

from ..networks.model import DiffusionModel
from ..networks.voxels import at_voxels
from ..qspace.deconvolution import fodf_trust
from ..qspace.features import QSpaceFeatures
from ..tasks.task import Task


def task_losses(
    model: DiffusionModel,
    tasks: Mapping[str, Task],
    features: QSpaceFeatures,
    targets: Mapping[str, torch.Tensor],
    voxels: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Loss of each task; the network sees all of the patches, heads answer in the voxels alone.

    Args:
        model: with a head for each task.
        tasks: by name.
        features: of B patches.
        targets: (B, T, X, Y, Z) target of each task.
        voxels: (B, V) flat indices of voxels, of which some may come more than once.
    """
    adapted = model.adapter(features)
    decoded = model.backbone(adapted)
    answers = model.answer_decoded(at_voxels(decoded, voxels), at_voxels(adapted, voxels), fodf_trust(features))
    everywhere = torch.ones(*voxels.shape, 1, 1, device=voxels.device)
    return {
        name: task.loss(answers[name].float(), at_voxels(targets[name], voxels), everywhere)
        for name, task in tasks.items()
    }
