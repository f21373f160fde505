import numpy as np
import pytest
import torch

from DMRIPretrainLib.tasks.losses import masked_cross_entropy, masked_dice_loss

SHAPE = (2, 4, 5, 6)


@pytest.fixture
def classes() -> torch.Tensor:
    return torch.randint(3, SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask() -> torch.Tensor:
    return (torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) < 0.5).float()


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, 3, *SHAPE[1:], generator=torch.Generator().manual_seed(2))


def test_cross_entropy_is_the_mean_over_the_mask(logits, classes, mask):
    inside = mask.numpy() > 0
    x, y = np.moveaxis(logits.numpy(), 1, -1)[inside].astype(float), classes.numpy()[inside]
    shares = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(len(y)), y])
    assert masked_cross_entropy(logits, classes, mask).item() == pytest.approx(expected.mean(), rel=1e-5)
    weights = torch.tensor([1.0, 2.0, 5.0])
    weighted = masked_cross_entropy(logits, classes, mask, weights).item()
    assert weighted == pytest.approx((expected * weights.numpy()[y]).mean(), rel=1e-5)


def test_dice_is_that_of_the_whole_batch(logits, classes, mask):
    shares = torch.softmax(logits, dim=1).numpy().astype(float) * mask.numpy()[:, None]
    scores = []
    for value in (1, 2):
        truth = (classes.numpy() == value) * mask.numpy()
        scores.append((2 * (shares[:, value] * truth).sum() + 1) / (shares[:, value].sum() + truth.sum() + 1))
    assert masked_dice_loss(logits, classes, mask).item() == pytest.approx(1 - np.mean(scores), rel=1e-5)


@pytest.mark.parametrize("loss", [masked_cross_entropy, masked_dice_loss])
def test_voxels_outside_the_mask_do_not_count(loss, logits, classes, mask):
    before = loss(logits, classes, mask)
    outside = mask[:, None] == 0
    other_classes = torch.where(mask == 0, (classes + 1) % 3, classes)
    assert loss(torch.where(outside, 50 * torch.randn_like(logits), logits), other_classes, mask) == before
    assert loss(logits + torch.randn_like(logits), classes, mask) != before


@pytest.mark.parametrize("loss", [masked_cross_entropy, masked_dice_loss])
def test_perfect_answers_cost_nothing(loss, classes, mask):
    perfect = 50.0 * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    assert loss(perfect, classes, mask).item() == pytest.approx(0, abs=1e-5)
    assert loss(-perfect, classes, mask).item() > 0.9


@pytest.mark.parametrize("loss", [masked_cross_entropy, masked_dice_loss])
def test_an_empty_mask_gives_no_gradient(loss, logits, classes):
    logits.requires_grad_()
    loss(logits, classes, torch.zeros(SHAPE)).backward()
    assert torch.all(logits.grad == 0)


def test_label_smoothing_leaves_a_floor(classes, mask):
    perfect = 50.0 * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    loss = masked_cross_entropy(perfect, classes, mask, label_smoothing=0.3).item()
    assert loss == pytest.approx(0.3 * 2 / 3 * 50, rel=1e-4)
