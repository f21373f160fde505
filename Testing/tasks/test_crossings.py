import numpy as np
import pytest
import torch

from DMRIPretrainLib.tasks.crossings import CrossingsTask, crossings_head


def logits_of(counts: np.ndarray, scale: float) -> torch.Tensor:
    return torch.tensor(scale * np.moveaxis(np.eye(4)[counts], -1, 0)[None], dtype=torch.float32)


def test_more_than_three_count_as_three():
    target = CrossingsTask(crossings_head()).target(np.array([[[0, 1, 2, 3, 4, 9]]]))
    assert target.dtype == np.float32
    assert target.tolist() == [[[[0, 1, 2, 3, 3, 3]]]]


def test_answer_is_the_most_probable_count_in_the_mask():
    counts = np.random.default_rng(0).integers(4, size=(4, 4, 4))
    mask = np.random.default_rng(1).random((4, 4, 4)) < 0.7
    task = CrossingsTask(crossings_head())
    shares = task.probabilities(logits_of(counts, 3.0))[0].numpy()
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-6)
    answer = task.answer(shares, mask)
    assert np.array_equal(answer[mask], counts[mask])
    assert np.all(answer[~mask] == 0)


def test_rare_counts_weigh_more_but_not_without_limit():
    """By the inverse square root of the frequency, at most five times the weight of the most common one."""
    task = CrossingsTask(crossings_head(), np.array([40_000, 10_000, 2_500, 1]))
    wrong = []
    for count in range(4):
        counts = np.full((1, 1, 1), count)
        uniform = torch.zeros(1, 4, 1, 1, 1)
        wrong.append(task.loss(uniform, torch.tensor(task.target(counts))[None], torch.ones(1, 1, 1, 1)).item())
    plain = [torch.nn.functional.cross_entropy(torch.zeros(1, 4), torch.tensor([c])).item() for c in range(4)]
    # Smoothing spreads a twentieth of the target over all classes, each with its own weight.
    weights = np.array([1, 2, 4, 5.0])
    weights /= weights.mean()
    np.testing.assert_allclose(wrong, np.array(plain) * (0.95 * weights + 0.05 * weights.mean()), rtol=1e-4)


def test_loss_prefers_the_truth_and_ignores_what_is_outside():
    task = CrossingsTask(crossings_head())
    counts = np.random.default_rng(2).integers(4, size=(4, 4, 4))
    target = torch.tensor(task.target(counts))[None]
    mask = torch.ones(1, 4, 4, 4)
    mask[:, 2:] = 0
    right, wrong = logits_of(counts, 4.0), logits_of((counts + 1) % 4, 4.0)
    mixed = torch.where(mask[:, None] > 0, right, wrong)
    assert task.loss(right, target, mask) == task.loss(mixed, target, mask)
    assert task.loss(right, target, mask) < task.loss(wrong, target, mask)


def test_score_is_the_mean_f1():
    task = CrossingsTask(crossings_head())
    label = np.array([0, 0, 1, 1, 2, 2, 2, 3]).reshape(8, 1, 1)
    answer = np.array([0, 1, 1, 1, 2, 1, 2, 2]).reshape(8, 1, 1)
    scores = task.score(answer, label, np.ones((8, 1, 1), dtype=bool))
    f1 = [2 / 3, 4 / 6, 4 / 6, 0]
    assert scores["score"] == pytest.approx(np.mean(f1))
    assert scores["crossing F1"] == pytest.approx(2 * 3 / (3 + 4))
    assert task.score(label, label, label >= 0)["score"] == 1


def test_turning_changes_no_count():
    target = torch.rand(1, 3, 3, 3)
    assert torch.equal(CrossingsTask(crossings_head()).move(target, -np.eye(3)), target)
