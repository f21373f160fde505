from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.networks.model import DiffusionModel
from DMRIPretrainLib.pretext.artifact import corrupt_at_random
from DMRIPretrainLib.pretext.blocks import draw_hidden
from DMRIPretrainLib.pretext.directions import can_be_fitted, draw_kept
from DMRIPretrainLib.pretext.masked import Masked
from DMRIPretrainLib.qspace.features import unscaled_coefficients
from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scans.gradient_table import GradientTable, count_directions
from DMRIPretrainLib.simulation.tables import make_gradient_table

THREE_SHELLS = ((700.0, 16), (1000.0, 30), (2000.0, 40))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("network", ["tiny", "bvm"])
def test_the_backbone_sees_nothing_of_hidden_voxels(make_patch, network):
    recipe, patch = Masked(network, artifacts=0.0), make_patch()
    torch.nn.init.normal_(recipe.token)
    model = DiffusionModel(recipe.architecture(), [])
    example = recipe.example(patch, seeded())
    hidden = example.hidden

    def seen(example) -> torch.Tensor:
        return recipe.hide(model.adapter(example.features), example.hidden)

    signal = patch.acquisition.signal
    other = torch.where(hidden, signal * torch.rand(signal.shape, generator=seeded(1)), signal)
    changed = recipe.example(replace(patch, acquisition=patch.acquisition.with_signal(other)), seeded())
    assert torch.equal(changed.hidden, hidden)
    assert torch.equal(seen(changed), seen(example))
    inside = seen(example)[0][:, hidden[0]]
    assert torch.equal(inside, recipe.token[:, None].expand_as(inside))
    # And the same change where it is visible is seen.
    other = torch.where(hidden, signal, signal * torch.rand(signal.shape, generator=seeded(1)))
    changed = recipe.example(replace(patch, acquisition=patch.acquisition.with_signal(other)), seeded())
    assert not torch.equal(seen(changed), seen(example))


def test_what_is_asked_for_was_held_out(make_patch):
    # Each volume has a brightness of its own, by which it is known.
    patch = make_patch(THREE_SHELLS, sigma=0.0, known=False)
    table, mask = patch.acquisition.gradients, patch.acquisition.mask
    weighted = np.flatnonzero(~table.is_b0)
    levels = torch.ones(len(table))
    levels[weighted] = torch.linspace(0.1, 0.9, len(weighted))
    signal = (1000 * levels[:, None, None, None] * mask).float()
    acquisition = patch.acquisition.with_signal(signal)
    patch = replace(patch, acquisition=acquisition, b0_median=1000.0)
    recipe = Masked(artifacts=0.0)
    for seed in range(10):
        kept = draw_kept(table, seeded(seed))
        example = recipe.example(patch, seeded(seed))
        queries = example.targets["query_signals"][0][:, mask]
        assert len(queries) == 16
        asked = [int((levels - value).abs().argmin()) for value in queries.mean(dim=1)]
        assert len(set(asked)) == 16
        assert not set(asked) & set(kept.tolist())
        # Another signal in what was held out shows in nothing that is shown.
        other = signal.clone()
        other[np.setdiff1d(np.arange(len(table)), kept)] *= 0.5
        changed = recipe.example(replace(patch, acquisition=acquisition.with_signal(other)), seeded(seed))
        assert torch.equal(changed.features.shells, example.features.shells)
        assert not torch.equal(changed.targets["query_signals"], example.targets["query_signals"])
        # The matrix has the direction of the volume, in the place of its shell.
        matrix = example.targets["query_matrix"][0]
        for row, volume in zip(matrix, asked, strict=True):
            shell = next(i for i, s in enumerate(table.shells()) if volume in s.indices)
            expected = torch.zeros(3, 28)
            expected[shell] = torch.tensor(evaluation_matrix(table.directions[[volume]], 6)[0])
            torch.testing.assert_close(row, expected, rtol=0, atol=1e-4)


def test_queries_of_an_isotropic_signal_are_known_from_its_coefficients(make_patch):
    patch = make_patch(THREE_SHELLS, isotropic=True, known=False, sigma=0.0)
    example = Masked(artifacts=0.0).example(patch, seeded())
    coefficients = unscaled_coefficients(example.clean.shells)[0]
    predicted = torch.einsum("qsk,skxyz->qxyz", example.targets["query_matrix"][0], coefficients)
    torch.testing.assert_close(predicted, example.targets["query_signals"][0], rtol=0, atol=1e-4)


def test_queries_are_clean_where_that_is_known_and_measured_elsewhere(make_patch):
    known, unknown = make_patch(sigma=50.0), make_patch(sigma=50.0, known=False)
    clean, measured = (Masked().example(patch, seeded()).targets["query_signals"] for patch in (known, unknown))
    inside = known.acquisition.mask
    difference = (clean - measured)[0][:, inside]
    # Noise of the signal and of the mean of two b0s, over a b0 of about 1000.
    assert 0.03 < difference.std() < 0.09


def test_hidden_and_visible_voxels_have_their_weights(make_patch):
    recipe = Masked(artifacts=0.0)
    example = recipe.example(make_patch(isotropic=True), seeded())
    hidden = example.hidden[0].float()

    def losses(wrong_where: torch.Tensor) -> dict[str, torch.Tensor]:
        model = SimpleNamespace(
            adapter=lambda features: features.shells.new_zeros(1, 61, *hidden.shape),
            backbone=lambda adapted: adapted,
            reconstruction=lambda decoded, bvalues: (
                example.clean.shells[:, :, :28],
                example.clean.b0 + wrong_where,
            ),
        )
        return {name: loss.item() for name, loss in recipe.losses(model, [example]).items()}

    assert losses(hidden) == pytest.approx({"hidden": 1.0, "visible": 0.0, "queries": 0.0}, abs=1e-6)
    assert losses(1 - hidden) == pytest.approx({"hidden": 0.0, "visible": 0.3, "queries": 0.0}, abs=1e-6)


def test_the_token_is_learned(make_patch):
    recipe = Masked()
    model = DiffusionModel(recipe.architecture(), [])
    sum(recipe.losses(model, [recipe.example(make_patch(), seeded())]).values()).backward()
    assert recipe.token.grad.abs().max() > 0
    assert "token" in recipe.state_dict()


def test_a_table_that_allows_no_drop_asks_for_nothing(make_patch):
    recipe, patch = Masked(artifacts=0.0), make_patch(((1000.0, 6),))
    example = recipe.example(patch, seeded())
    assert example.targets["query_signals"].shape[:2] == (1, 0)
    losses = recipe.losses(DiffusionModel(recipe.architecture(), []), [example])
    assert losses["queries"] == 0
    assert losses["hidden"] > 0


@pytest.mark.parametrize(("size", "edge"), [(16, 4), (32, 8), (20, 4), (36, 8)])
def test_whole_blocks_of_the_brain_are_hidden(size, edge):
    mask = torch.zeros((size,) * 3, dtype=torch.bool)
    mask[: size // 2 + 1] = True
    shares = []
    for seed in range(20):
        hidden = draw_hidden(mask, seeded(seed))
        padded = torch.zeros((-(-size // edge) * edge,) * 3, dtype=torch.int)
        padded[:size, :size, :size] = 1 + hidden.int()
        blocks = padded.unfold(0, edge, edge).unfold(1, edge, edge).unfold(2, edge, edge).flatten(3)
        assert not ((blocks == 1).any(3) & (blocks == 2).any(3)).any()
        slabs = size // 2 // edge + 1
        hidden_blocks = (blocks == 2).any(3)
        assert not hidden_blocks[slabs:].any()
        shares.append(hidden_blocks[:slabs].float().mean().item())
    assert 0.58 < min(shares) < 0.64
    assert 0.71 < max(shares) < 0.77


@pytest.mark.parametrize("brain", [0, 1, 5])
def test_some_of_the_smallest_brain_stays(brain):
    mask = torch.zeros(16, 16, 16, dtype=torch.bool)
    mask.view(-1)[:brain] = True
    hidden = draw_hidden(mask, seeded())
    assert (mask & ~hidden).sum() >= min(brain, 1)


def test_directions_and_shells_are_dropped_as_stated():
    table = make_gradient_table([(700, 16), (1000, 60), (2000, 64)], 3)
    shells = table.shells()
    dropped, numbers = [], set()
    for seed in range(200):
        kept = draw_kept(table, seeded(seed))
        assert set(np.flatnonzero(table.is_b0)) <= set(kept)
        assert (np.diff(kept) > 0).all()
        counts = [int(np.isin(shell.indices, kept).sum()) for shell in shells]
        numbers.add(sum(count > 0 for count in counts))
        assert all(count == 0 or count >= 6 for count in counts)
        dropped += [1 - count / len(shell.indices) for count, shell in zip(counts, shells, strict=True) if count]
    assert numbers == {1, 2, 3}
    assert 0.29 < min(dropped) < 0.35
    assert 0.85 < max(dropped) < 0.91


def test_six_distinct_directions_stay():
    # Sixty volumes of seven directions: a few volumes hardly ever have six of them.
    seven = make_gradient_table([(1000, 7)], 0).directions
    table = GradientTable(
        np.concatenate([[0], np.full(60, 1000)]), np.concatenate([[[0, 0, 0]], np.resize(seven, (60, 3))])
    )
    for seed in range(20):
        kept = draw_kept(table, seeded(seed))
        assert count_directions(table.directions[kept]) >= 6


def test_a_shell_that_would_fall_apart_is_kept():
    # b-values in a chain: with gaps in it, no shell of six directions may be left.
    table = make_gradient_table([(1000, 12)], 1)
    bvals = np.concatenate([[0], 1000 + 25.0 * np.arange(12)])
    chain = replace(table, bvals=bvals)
    for seed in range(50):
        assert can_be_fitted(chain.subset(draw_kept(chain, seeded(seed))))


def test_errors_of_a_table_leave_a_usable_one(make_patch):
    # Two of six directions lie near each other, and any tilt may make them one.
    patch = make_patch(((1000.0, 6),))
    table = patch.acquisition.gradients
    directions = table.directions.copy()
    across = np.cross(directions[2], directions[4])
    directions[3] = directions[2] + np.tan(np.radians(1.1)) * across / np.linalg.norm(across)
    directions[3] /= np.linalg.norm(directions[3])
    acquisition = replace(patch.acquisition, gradients=replace(table, directions=directions))
    assert can_be_fitted(acquisition.gradients)
    fallen = 0
    for seed in range(60):
        corrupted = corrupt_at_random(acquisition, seeded(seed))
        assert can_be_fitted(corrupted.gradients)
        fallen += corrupted.gradients is acquisition.gradients
    assert fallen > 0


def test_a_table_without_b0_or_shell_cannot_be_fitted():
    assert can_be_fitted(make_gradient_table([(1000, 6)], 1))
    assert not can_be_fitted(make_gradient_table([(1000, 6)], 0))
    assert not can_be_fitted(make_gradient_table([(1000, 5)], 1))
