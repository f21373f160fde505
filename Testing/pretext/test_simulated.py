from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.model import DiffusionModel
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.pretext.masked import Masked
from DMRIPretrainLib.pretext.recipe import RawPatch
from DMRIPretrainLib.pretext.reconstruction import clean_of
from DMRIPretrainLib.pretext.simulated import Simulated
from DMRIPretrainLib.tasks.orientation import fodf_of_peaks
from DMRIPretrainLib.training.simulated_source import SimulatedSource, SimulationPrior

SIZE = 16
TASKS = ("segmentation", "crossings", "orientation")
CHANNELS = [4, 4, 45]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def patches() -> list[RawPatch]:
    """Mosaics, one of them with a mask of a half."""
    source = SimulatedSource(SIZE, SimulationPrior(mosaics=1.0))
    first, second = (source.draw(seeded(seed)) for seed in (1, 2))
    mask = torch.rand(SIZE, SIZE, SIZE, generator=seeded()) < 0.5
    return [first, replace(second, acquisition=replace(second.acquisition, mask=mask))]


@pytest.fixture(scope="module")
def real(patches) -> RawPatch:
    """A patch whose truth is not known."""
    return RawPatch(patches[0].acquisition, patches[0].b0_median)


def knowing_model(patches, examples, change=lambda answers: answers) -> SimpleNamespace:
    """A model whose decoder knows the truth of every voxel, in the layout of the heads."""
    volumes = []
    for patch in patches:
        labels = [
            50 * functional.one_hot(patch.truth[task].long(), 4).movedim(-1, 0)
            for task in ("segmentation", "crossings")
        ]
        fodf = fodf_of_peaks(patch.truth["orientation"].flatten(0, 2)).T.unflatten(1, (SIZE,) * 3)
        volumes.append(torch.cat([*labels, fodf]))
    decoded = torch.stack(volumes)
    clean = clean_of(examples)
    return SimpleNamespace(
        adapter=lambda features: decoded,
        backbone=lambda adapted: adapted,
        fodf=None,
        answer_decoded=lambda decoded, *_: change(dict(zip(TASKS, decoded.split(CHANNELS, dim=1), strict=True))),
        reconstruction=lambda decoded, bvalues: (clean.shells[:, :, :28], clean.b0),
    )


def test_perfect_answers_in_the_right_voxels_cost_next_to_nothing(patches):
    recipe = Simulated()
    examples = [recipe.example(patch, seeded(3)) for patch in patches]
    losses = recipe.losses(knowing_model(patches, examples), examples)
    assert set(losses) == {*TASKS, "reconstruction"}
    for name in ("segmentation", "crossings"):
        assert losses[name].item() == pytest.approx(0, abs=1e-5)
    assert 0 < losses["orientation"] < 0.03  # side lobes of lobes cut at order 8
    assert losses["reconstruction"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_answers_of_other_voxels_cost_much(patches, task):
    recipe = Simulated()
    examples = [recipe.example(patch, seeded(3)) for patch in patches]

    def swap(answers):
        return answers | {task: answers[task].roll(1, dims=2)}

    perfect, wrong = (recipe.losses(knowing_model(patches, examples, *change), examples) for change in ((), (swap,)))
    assert wrong[task] > perfect[task] + 0.3
    assert all(torch.equal(wrong[name], perfect[name]) for name in perfect if name != task)


def test_examples_hold_the_truth_of_voxels_of_the_brain(patches):
    patch = patches[1]
    example = Simulated().example(patch, seeded(4))
    voxels = example.targets["voxels"][0]
    assert len(voxels) == 2048
    assert patch.acquisition.mask.flatten()[voxels].all()
    assert len(voxels.unique()) > 1000
    for task in ("segmentation", "crossings"):
        assert torch.equal(example.targets[task][0], patch.truth[task].flatten()[voxels])
    expected = fodf_of_peaks(patch.truth["orientation"].flatten(0, 2)[voxels])
    torch.testing.assert_close(example.targets["orientation"][0], expected.T)
    assert torch.equal(example.mask[0] > 0, patch.acquisition.mask)
    noisy, clean = (features.shells[0, :, 29] for features in (example.features, example.clean))
    assert noisy.mean() > 1.5 * clean.mean()  # the residual of the fit


def test_equal_generators_give_equal_examples(patches):
    recipe = Simulated()
    first, again, other = (recipe.example(patches[0], seeded(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(first.targets[name], again.targets[name]) for name in first.targets)
    assert torch.equal(first.features.shells, again.features.shells)
    assert not torch.equal(first.targets["voxels"], other.targets["voxels"])


def test_learning_reaches_all_of_the_model(patches):
    torch.manual_seed(0)
    recipe = Simulated()
    model = DiffusionModel(recipe.architecture(), CHANNELS)
    losses = recipe.losses(model, [recipe.example(patches[0], seeded())])
    assert all(loss > 0 for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for name, part in model.named_children():
        if name == "fodf":
            continue  # fitted, and not learned here
        gradients = [parameter.grad for parameter in part.parameters()]
        assert gradients, name
        assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients), name
        assert any(gradient.any() for gradient in gradients), name
    assert {name for name, _ in model.named_children()} == {"adapter", "backbone", "fodf", "heads", "reconstruction"}


@pytest.mark.parametrize("part", ["segmentation", "crossings", "reconstruction"])
def test_every_part_of_the_loss_reaches_the_deepest_features(patches, part):
    torch.manual_seed(0)
    recipe = Simulated()
    model = DiffusionModel(recipe.architecture(), CHANNELS)
    loss = recipe.losses(model, [recipe.example(patches[0], seeded())])[part]
    (gradient,) = torch.autograd.grad(loss, next(model.backbone.encoder[-1].parameters()))
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("network", ["tiny", "bvm"])
def test_a_few_steps_lower_the_loss(patches, network):
    torch.manual_seed(0)
    recipe = Simulated(network)
    model = DiffusionModel(recipe.architecture(), CHANNELS)
    examples = [recipe.example(patches[0], seeded())]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(10):
        optimizer.zero_grad()
        total = torch.stack(list(recipe.losses(model, examples).values())).sum()
        total.backward()
        totals.append(total.item())
        optimizer.step()
    assert totals[-1] < 0.9 * totals[0]


def test_patches_without_truth_are_learned_from_as_masked_ones(patches, real):
    torch.manual_seed(0)
    recipe = Simulated()
    model = DiffusionModel(recipe.architecture(), CHANNELS)
    known, unknown = recipe.example(patches[0], seeded(7)), recipe.example(real, seeded(7))
    expected = Masked().example(real, seeded(7))
    assert torch.equal(unknown.features.shells, expected.features.shells)
    assert torch.equal(unknown.hidden, expected.hidden)
    with torch.no_grad():
        alone, real_alone, mixed = (recipe.losses(model, batch) for batch in ([known], [unknown], [unknown, known]))
    assert set(real_alone) == {"masked hidden", "masked visible", "masked queries"}
    assert set(mixed) == set(alone) | set(real_alone)
    for name, loss in (alone | real_alone).items():
        torch.testing.assert_close(mixed[name], loss)


@pytest.mark.gpu
def test_a_gpu_learns_from_the_same_examples(patches):
    patch = patches[0]
    acquisition = replace(patch.acquisition, signal=patch.acquisition.signal.cuda(), mask=patch.acquisition.mask.cuda())
    truth = {name: value.cuda() for name, value in patch.truth.items()}
    there = replace(patch, acquisition=acquisition, clean=patch.clean.cuda(), truth=truth)
    torch.manual_seed(0)
    recipe = Simulated()
    model = DiffusionModel(recipe.architecture(), CHANNELS)
    here = recipe.losses(model, [recipe.example(patch, seeded(8))])
    found = recipe.losses(model.cuda(), [recipe.example(there, seeded(8))])
    for name, loss in here.items():
        assert found[name].item() == pytest.approx(loss.item(), rel=0.02)


def test_a_fitted_fodf_is_not_learned(patches):
    recipe = Simulated()
    model = build_model(recipe.architecture())
    losses = recipe.losses(model, [recipe.example(patches[0], seeded(3))])
    assert set(losses) == {"segmentation", "crossings", "reconstruction"}
    assert "orientation" in recipe.losses(
        build_model(Simulated("bvm").architecture()), [recipe.example(patches[0], seeded(3))]
    )


def test_counting_alone_teaches_the_head_that_counts_and_nothing_else(patches):
    torch.manual_seed(0)
    recipe = Simulated(only="crossings")
    model = build_model(recipe.architecture())
    examples = [recipe.example(patch, seeded(3)) for patch in patches]
    losses = recipe.losses(model, examples)
    assert set(losses) == {"crossings"}
    losses["crossings"].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == name.startswith("heads.crossings."), name
    # It is the loss that learning everything has for the count.
    expected = Simulated().losses(model, examples)["crossings"]
    torch.testing.assert_close(losses["crossings"], expected)


def test_only_what_can_be_learned_alone_is_taken():
    with pytest.raises(UserError, match="expected crossings"):
        Simulated(only="orientation")
