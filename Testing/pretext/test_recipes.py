"""What every recipe must do that reconstructs; one patch, every recipe."""

from dataclasses import replace

import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.model import DiffusionModel
from DMRIPretrainLib.pretext.recipe import RawPatch
from DMRIPretrainLib.pretext.registry import RECIPES, make_recipe
from DMRIPretrainLib.qspace.features import QSpaceFeatures

CORRUPTING = ("restoration", "distortion", "artifact", "masked")
RECONSTRUCTING = ("autoencoder", *CORRUPTING)
TABLES = {
    "one shell": ((1000.0, 30),),
    "three shells": ((700.0, 16), (1000.0, 30), (2000.0, 40)),
    "six directions": ((1000.0, 6),),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensors(features: QSpaceFeatures) -> list[torch.Tensor]:
    return [features.shells, features.conditions, features.present, features.b0]


def same(one: QSpaceFeatures, other: QSpaceFeatures) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def patch_features(patch: RawPatch, signal: torch.Tensor) -> QSpaceFeatures:
    return patch.features(patch.acquisition.with_signal(signal))


@pytest.mark.parametrize("name", RECONSTRUCTING)
@pytest.mark.parametrize("network", ["tiny", "bvm"])
def test_a_few_steps_on_one_example_lower_the_loss(make_patch, name, network):
    torch.manual_seed(0)
    recipe = make_recipe(name, network)
    model = DiffusionModel(recipe.architecture(), [])
    examples = [recipe.example(make_patch(), seeded())]
    optimizer = torch.optim.AdamW([*model.parameters(), *recipe.parameters()], lr=2e-3)
    totals = []
    for _ in range(8):
        optimizer.zero_grad()
        total = torch.stack(list(recipe.losses(model, examples).values())).sum()
        total.backward()
        totals.append(total.item())
        optimizer.step()
    assert totals[-1] < 0.8 * totals[0]


@pytest.mark.parametrize("name", RECONSTRUCTING)
@pytest.mark.parametrize("network", ["tiny", "base", "bvm"])
def test_every_part_of_the_loss_reaches_the_deepest_features(make_patch, name, network):
    recipe = make_recipe(name, network)
    model = DiffusionModel(recipe.architecture(), [])
    deepest = next(model.backbone.encoder[-1].parameters())
    losses = recipe.losses(model, [recipe.example(make_patch(), seeded())])
    for part, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, deepest, retain_graph=True)
        assert loss > 0, part
        assert gradient.abs().max() > 0, part


@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_equal_generators_give_equal_examples_and_the_patch_stays(make_patch, name):
    recipe, patch = make_recipe(name, "tiny"), make_patch()
    before = patch.acquisition.signal.clone(), patch.clean.clone()
    first, second = (recipe.example(patch, seeded(5)) for _ in range(2))
    assert same(first.features, second.features)
    assert same(first.clean, second.clean)
    assert all(torch.equal(first.targets[key], second.targets[key]) for key in second.targets)
    assert first.hidden is None or torch.equal(first.hidden, second.hidden)
    assert torch.equal(before[0], patch.acquisition.signal)
    assert torch.equal(before[1], patch.clean)


@pytest.mark.parametrize("name", CORRUPTING)
def test_other_generators_give_other_examples(make_patch, name):
    recipe, patch = make_recipe(name, "tiny"), make_patch()
    first, second = (recipe.example(patch, seeded(seed)) for seed in (1, 2))
    assert not same(first.features, second.features)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", CORRUPTING)
def test_what_is_shown_is_corrupted_and_what_is_asked_for_is_not(make_patch, name, known):
    # In the seed's published code the corrupted patch was overwritten by the clean one.
    recipe, patch = make_recipe(name, "tiny"), make_patch(known=known)
    truth = patch.clean if known else patch.acquisition.signal
    inside = patch.acquisition.mask
    clean = patch_features(patch, truth)
    measured = patch.features()
    changes = []
    for seed in range(6):
        example = recipe.example(patch, seeded(seed))
        torch.testing.assert_close(example.clean.shells, clean.shells)
        torch.testing.assert_close(example.clean.b0, clean.b0)
        visible = inside if example.hidden is None else inside & ~example.hidden[0]
        signal = (example.features.shells[0, 0, :28] - measured.shells[0, 0, :28])[:, visible].abs().mean()
        b0 = (example.features.b0 - measured.b0)[0, :, visible].abs().mean()
        changes.append((signal + b0).item())
    assert min(changes) > 0.002
    assert sum(changes) / len(changes) > 0.05


@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_nothing_is_shown_or_asked_for_outside_the_mask(make_patch, name):
    patch = make_patch()
    example = make_recipe(name, "tiny").example(patch, seeded())
    outside = ~patch.acquisition.mask
    assert torch.equal(example.mask[0] > 0, patch.acquisition.mask)
    for features in (example.features, example.clean):
        assert features.shells[0, ..., outside].abs().max() == 0
        assert features.b0[0, ..., outside].abs().max() == 0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_every_table_works_alone_and_in_a_batch(make_patch, name, table):
    recipe = make_recipe(name, "tiny")
    model = DiffusionModel(recipe.architecture(), [])
    examples = [recipe.example(make_patch(TABLES[table]), seeded(seed)) for seed in range(3)]
    examples.append(recipe.example(make_patch(), seeded()))
    with torch.no_grad():
        losses = recipe.losses(model, examples)
    assert all(torch.isfinite(loss) and loss >= 0 for loss in losses.values())


@pytest.mark.gpu
@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_a_gpu_makes_the_examples_of_the_cpu(make_patch, name):
    # Noise is another one there.
    patch = make_patch()
    acquisition = replace(patch.acquisition, signal=patch.acquisition.signal.cuda(), mask=patch.acquisition.mask.cuda())
    there = replace(patch, acquisition=acquisition, clean=patch.clean.cuda())
    recipe = make_recipe(name, "tiny").cuda()
    here, example = (recipe.example(p, seeded(3)) for p in (patch, there))
    assert example.features.shells.is_cuda
    torch.testing.assert_close(example.clean.shells.cpu(), here.clean.shells, rtol=1e-3, atol=1e-3)
    assert example.features.shells.shape == here.features.shells.shape
    model = DiffusionModel(recipe.architecture(), []).cuda()
    assert all(torch.isfinite(loss) for loss in recipe.losses(model, [example]).values())


def test_every_recipe_can_be_made():
    for name in RECIPES:
        assert make_recipe(name, "tiny").name == name


@pytest.mark.parametrize(
    ("name", "network", "options", "found"),
    [
        ("genesis", "tiny", {}, "recipe genesis: expected autoencoder, "),
        ("masked", "huge", {}, "network huge: expected tiny, "),
        ("restoration", "tiny", {"strength": "light"}, "recipe restoration: expected none, found the option strength"),
        ("autoencoder", "tiny", {"skip": True}, "expected skips, found the option skip"),
        ("distortion", "tiny", {"strength": "huge"}, "strength huge: expected light, "),
        ("masked", "tiny", {"artifacts": 2.0}, "artifacts 2: expected a strength from 0 to 1"),
    ],
)
def test_what_there_is_not_is_the_users_mistake(name, network, options, found):
    with pytest.raises(UserError, match=found):
        make_recipe(name, network, **options)


def test_an_autoencoder_without_skips_is_shown_what_it_is_asked_for(make_patch):
    recipe = make_recipe("autoencoder", "tiny", skips=False)
    assert not recipe.architecture().skips
    assert make_recipe("autoencoder", "tiny").architecture().skips
    example = recipe.example(make_patch(), seeded())
    assert same(example.features, example.clean)
