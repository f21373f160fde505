from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from DMRIPretrainLib.pretext.reconstruction import clean_of, reconstruct, voxel_errors, weighted_mean
from DMRIPretrainLib.pretext.registry import make_recipe
from DMRIPretrainLib.qspace.features import QSpaceFeatures


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def oracle(examples, change=lambda shells, b0: (shells, b0)):
    """A model that knows the answer, or a changed one."""
    target = clean_of(examples)
    answer = change(target.shells[:, :, :28].clone(), target.b0.clone())

    def reconstruction(decoded, bvalues):
        assert torch.equal(bvalues, target.conditions[..., 0])
        return answer

    return SimpleNamespace(
        adapter=lambda features: features.shells.new_zeros(len(examples), 61, *features.shells.shape[3:]),
        backbone=lambda adapted: adapted,
        reconstruction=reconstruction,
    )


@pytest.mark.parametrize("name", ["autoencoder", "restoration", "distortion", "artifact", "masked"])
def test_a_perfect_answer_has_no_loss_and_any_other_has(make_patch, name):
    # Isotropic tensors, of whose signal the fit loses nothing.
    recipe = make_recipe(name, "tiny")
    patches = [make_patch(shells, isotropic=True) for shells in [((1000, 30),), ((1000, 30), (2000, 16))]]
    examples = [recipe.example(patch, seeded()) for patch in patches]
    for loss in recipe.losses(oracle(examples), examples).values():
        assert loss.item() == pytest.approx(0, abs=1e-6)
    wrong = recipe.losses(oracle(examples, lambda shells, b0: (shells + 0.1, b0 + 0.1)), examples)
    assert all(loss > 1e-3 for loss in wrong.values())
    if name != "masked":
        only_b0 = recipe.losses(oracle(examples, lambda shells, b0: (shells, b0 + 0.1)), examples)
        power = 2 if name == "restoration" else 1
        assert only_b0["shells"].item() == 0
        assert only_b0["b0"].item() == pytest.approx(0.1**power, rel=1e-4)


@pytest.mark.parametrize("name", ["artifact", "masked"])
def test_errors_outside_the_mask_do_not_count(make_patch, name):
    recipe = make_recipe(name, "tiny")
    examples = [recipe.example(make_patch(isotropic=True), seeded())]
    outside = 1 - examples[0].mask
    model = oracle(examples, lambda shells, b0: (shells + outside, b0 + outside))
    for loss in recipe.losses(model, examples).values():
        assert loss.item() == pytest.approx(0, abs=1e-6)


def make_target(orders, present) -> QSpaceFeatures:
    conditions = torch.zeros(1, len(orders), 4)
    conditions[0, :, 2] = torch.tensor(orders) / 6
    return QSpaceFeatures(
        torch.zeros(1, len(orders), 30, 1, 1, 1), conditions, torch.tensor([present]), torch.zeros(1, 1, 1, 1, 1)
    )


def error_of(target: QSpaceFeatures, shell: int, coefficient: int) -> float:
    answer = torch.zeros(1, target.shells.shape[1], 28, 1, 1, 1)
    answer[0, shell, coefficient] = -1.0
    shells, _ = voxel_errors((answer, torch.zeros(1, 1, 1, 1, 1)), target)
    return shells.item()


def test_orders_count_alike_and_those_that_were_not_fitted_do_not():
    # First coefficients of the orders 0, 2, 4 and 6.
    of_six = [error_of(make_target([6.0], [1.0]), 0, k) for k in (0, 1, 6, 15)]
    assert of_six == pytest.approx([1 / 4, 1 / 20, 1 / 36, 1 / 52])
    of_two = [error_of(make_target([2.0], [1.0]), 0, k) for k in (0, 1, 6, 15)]
    assert of_two == pytest.approx([1 / 2, 1 / 10, 0, 0])


def test_shells_count_alike_and_padding_does_not():
    target = make_target([6.0, 2.0, 0.0], [1.0, 1.0, 0.0])
    assert [error_of(target, shell, 0) for shell in range(3)] == pytest.approx([1 / 8, 1 / 4, 0])


def test_a_mean_over_nothing_is_zero():
    assert weighted_mean(torch.ones(3), torch.zeros(3)) == 0
    assert weighted_mean(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0])) == 2


def test_a_model_without_the_head_is_refused():
    with pytest.raises(ValueError, match="no reconstruction head"):
        reconstruct(SimpleNamespace(reconstruction=None), torch.zeros(1), torch.zeros(1))


def test_the_loss_of_a_batch_is_the_mean_of_its_examples(make_patch):
    recipe = make_recipe("artifact", "tiny")
    examples = [
        recipe.example(make_patch(shells), seeded()) for shells in [((1000, 30),), ((700, 8), (1000, 30), (2000, 16))]
    ]
    shift = lambda shells, b0: (shells + 0.1 * shells.abs(), b0)  # noqa: E731
    together = recipe.losses(oracle(examples, shift), examples)["shells"]
    alone = [recipe.losses(oracle([example], shift), [example])["shells"] for example in examples]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    doubled = replace(examples[0], mask=examples[0].mask * 0)
    assert recipe.losses(oracle([doubled], shift), [doubled])["shells"] == 0
