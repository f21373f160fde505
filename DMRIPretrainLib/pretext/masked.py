"""Masked modelling in space and in q-space."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ..errors import UserError
from ..networks.adapters import ReferenceDirectionsAdapter, ShellSetAdapter
from ..networks.model import Architecture, DiffusionModel
from ..qspace.features import QSpaceFeatures, unscaled_coefficients
from ..qspace.harmonics import evaluate
from ..qspace.shells import FEATURE_COEFFICIENTS, FEATURE_ORDER, usable_shells
from ..simulation.artifacts.artifact import Acquisition
from .artifact import corrupt_at_random
from .blocks import draw_hidden
from .directions import draw_kept
from .normalised import normalise
from .recipe import Example, RawPatch, fit
from .reconstruction import clean_of, reconstruct, voxel_errors, weighted_mean

#: Directions that were not shown and are asked for.
QUERIES = 16
#: Weight of voxels that are seen, against 1 of those that are not.
_VISIBLE = 0.3
#: The mean squared error of the signal over the sphere, times its area, is that of the coefficients (Parseval).
_QUERY = 4 * np.pi
#: Largest share of all artifacts in one patch.
_LARGEST_SHARE = 0.2


class Masked(nn.Module):
    """Tell the whole signal from a part of the patch and a part of the gradient table.

    Most blocks of voxels are hidden behind a learned token where the backbone's input is (He et al., CVPR 2022; for 3D
    U-Nets Wald et al., CVPR 2025), most directions and some shells are dropped before the q-space fit, and what is left
    has light artifacts. Learned are the clean features of the whole table, and the signals in directions that were
    dropped, as they were measured: their noise is not that of what is seen (Lehtinen et al., ICML 2018).

    Args:
        network: ``tiny``, ``base`` or ``bvm``.
        artifacts: largest strength of the artifacts, 0 (none) to 1.

    Raises:
        UserError: if that strength is out of range.
    """

    name = "masked"

    def __init__(self, network: str = "tiny", artifacts: float = 0.3) -> None:
        super().__init__()
        if not 0 <= artifacts <= 1:
            raise UserError(f"artifacts {artifacts:g}: expected a strength from 0 to 1; choose one in that range")
        self._network = network
        self._artifacts = artifacts
        adapter = ReferenceDirectionsAdapter() if network == "bvm" else ShellSetAdapter()
        self.token = nn.Parameter(torch.zeros(adapter.output_channels))

    def architecture(self) -> Architecture:
        """The network with a head for the reconstruction alone."""
        return Architecture(self._network, reconstruction=True)

    def example(self, patch: RawPatch, generator: torch.Generator) -> Example:
        """A part of the patch, its clean features, and signals that were held out."""
        measured = patch.acquisition
        kept = draw_kept(measured.gradients, generator)
        hidden = draw_hidden(measured.mask, generator)
        shown = _select(measured, kept)
        if self._artifacts > 0:
            shown = corrupt_at_random(shown, generator, self._artifacts, _LARGEST_SHARE)
        # Hidden voxels are kept out of the measurement of the noise, too.
        features = fit(shown.signal, shown.gradients, measured.mask & ~hidden, patch.b0_median)
        return Example(
            features,
            _queries(patch, kept, generator),
            measured.mask[None].float(),
            clean=patch.clean_features(),
            hidden=hidden[None],
        )

    def losses(self, model: DiffusionModel, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Squared errors of hidden and of visible voxels, and of the held-out signals."""
        features = QSpaceFeatures.stack([example.features for example in examples])
        target = clean_of(examples)
        hidden = torch.stack([_hidden(example) for example in examples])
        decoded = model.backbone(self.hide(model.adapter(features), hidden))
        answer = reconstruct(model, decoded, target.conditions[..., 0])
        shells, b0 = voxel_errors(answer, target, squared=True)
        mask = torch.cat([example.mask for example in examples])
        return {
            "hidden": weighted_mean(shells + b0, mask * hidden),
            "visible": _VISIBLE * weighted_mean(shells + b0, mask * ~hidden),
            "queries": _QUERY * _query_error(answer[0], examples),
        }

    def hide(self, adapted: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """(B, A, X, Y, Z) what the adapter made, with the token in the (B, X, Y, Z) hidden voxels."""
        return torch.where(hidden[:, None], self.token.to(adapted.dtype)[:, None, None, None], adapted)


def _hidden(example: Example) -> torch.Tensor:
    """(X, Y, Z) bool, nothing where the example hides nothing."""
    return example.mask[0] < 0 if example.hidden is None else example.hidden[0]


def _select(acquisition: Acquisition, volumes: np.ndarray) -> Acquisition:
    return replace(acquisition, signal=acquisition.signal[volumes], gradients=acquisition.gradients.subset(volumes))


def _queries(patch: RawPatch, kept: np.ndarray, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Held-out volumes of the table's shells, at most ``QUERIES``, none where all are shown.

    Returns:
        ``query_signals`` (1, Q, X, Y, Z) E, and ``query_matrix`` (1, Q, S, 28) which gives E from the coefficients of
        all shells.
    """
    table = patch.acquisition.gradients
    shells = usable_shells(table)
    volumes = np.concatenate([shell.indices for shell in shells])
    numbers = np.repeat(np.arange(len(shells)), [len(shell.indices) for shell in shells])
    dropped = np.flatnonzero(~np.isin(volumes, kept))
    dropped = dropped[torch.randperm(len(dropped), generator=generator)[:QUERIES].numpy()]
    volumes, numbers = volumes[dropped], numbers[dropped]

    device = patch.acquisition.signal.device
    directions = torch.as_tensor(table.directions[volumes], dtype=torch.float32, device=device)
    matrix = torch.zeros(len(volumes), len(shells), FEATURE_COEFFICIENTS, device=device)
    matrix[torch.arange(len(volumes)), torch.from_numpy(numbers)] = evaluate(directions, FEATURE_ORDER)
    truth = patch.acquisition if patch.clean is None else patch.acquisition.with_signal(patch.clean)
    b0s = np.flatnonzero(table.is_b0)
    signals = normalise(_select(truth, np.concatenate([b0s, volumes])), patch.b0_median).signal[len(b0s) :]
    return {"query_signals": signals[None], "query_matrix": matrix[None]}


def _query_error(shells: torch.Tensor, examples: list[Example]) -> torch.Tensor:
    """Mean squared error of E in the mask, in the directions that each example asks for."""
    coefficients = unscaled_coefficients(shells)
    error, count = shells.new_zeros(()), shells.new_zeros(())
    for example, answer in zip(examples, coefficients, strict=True):
        signals, matrix = example.targets["query_signals"][0], example.targets["query_matrix"][0]
        with torch.autocast(answer.device.type, enabled=False):
            predicted = torch.einsum("qsk,skxyz->qxyz", matrix, answer[: matrix.shape[1]])
        error = error + ((predicted - signals).square() * example.mask).sum()
        count = count + len(signals) * example.mask.sum()
    return error / count.clamp(min=1)
