import numpy as np
import pytest
import torch

from DMRIPretrainLib.tasks.registry import TASKS, default_head, make_task
from DMRIPretrainLib.tasks.segmentation import SegmentationTask, custom_head, tissue_head

SPOTS = custom_head([17, 4], {17: "spot"})


def one_hot(indices: np.ndarray, classes: int) -> np.ndarray:
    return np.moveaxis(np.eye(classes)[indices], -1, 0)


def test_custom_labels_keep_values_and_names():
    assert SPOTS.values == (0, 4, 17)
    assert SPOTS.labels == ("background", "label 4", "spot")
    assert len(set(SPOTS.colours)) == 3
    assert SPOTS.colours[0] == (0, 0, 0)


def test_many_custom_labels_have_different_colours():
    head = custom_head(range(1, 41))
    assert len(set(head.colours)) == 41
    assert all(0 <= channel <= 255 for colour in head.colours for channel in colour)


def test_values_survive_the_way_through_target_and_answer():
    task = SegmentationTask(SPOTS)
    label = np.random.default_rng(0).choice([0, 4, 17], size=(5, 4, 3))
    target = task.target(label)
    assert target.shape == (1, 5, 4, 3)
    assert np.array_equal(target[0], np.select([label == 4, label == 17], [1, 2], 0))
    answer = task.answer(one_hot(target[0].astype(int), 3), np.ones((5, 4, 3), dtype=bool))
    assert np.array_equal(answer, label)


def test_values_that_the_head_does_not_know_are_background():
    label = np.array([[[0, 3, 4, 5, 16, 17, 18, 1000]]])
    assert SegmentationTask(SPOTS).target(label)[0, 0, 0].tolist() == [0, 0, 1, 0, 0, 2, 0, 0]


def test_no_label_outside_the_mask():
    mask = np.zeros((2, 2, 2), dtype=bool)
    mask[0] = True
    answer = SegmentationTask(SPOTS).answer(one_hot(np.full((2, 2, 2), 2), 3), mask)
    assert np.all(answer[0] == 17)
    assert np.all(answer[1] == 0)


def test_score_is_the_mean_dice_of_the_labels_in_the_reference():
    task = SegmentationTask(tissue_head())
    label = np.array([1, 1, 1, 1, 3, 3, 0, 0]).reshape(8, 1, 1)
    answer = np.array([1, 1, 3, 2, 3, 3, 0, 1]).reshape(8, 1, 1)
    mask = np.ones((8, 1, 1), dtype=bool)
    scores = task.score(answer, label, mask)
    csf, wm = 2 * 2 / (4 + 3), 2 * 2 / (2 + 3)
    assert scores == pytest.approx({"Dice CSF": csf, "Dice WM": wm, "score": (csf + wm) / 2})
    assert task.score(label, label, mask)["score"] == 1
    assert task.score(answer, label, label == 3)["score"] == 1  # what lies outside the mask does not count


def test_scores_of_custom_labels_have_their_names():
    label = np.array([0, 4, 17]).reshape(3, 1, 1)
    scores = SegmentationTask(SPOTS).score(label, label, np.ones((3, 1, 1), dtype=bool))
    assert scores == {"score": 1.0, "Dice label 4": 1.0, "Dice spot": 1.0}


def test_loss_falls_towards_the_truth():
    task = SegmentationTask(tissue_head())
    label = np.random.default_rng(1).integers(4, size=(6, 6, 6))
    target = torch.tensor(task.target(label))[None]
    right = torch.tensor(one_hot(label, 4), dtype=torch.float32)[None]
    mask = torch.ones(1, 6, 6, 6)
    losses = [task.loss(scale * right, target, mask).item() for scale in (-5.0, 0.0, 2.0, 20.0)]
    assert np.all(np.diff(losses) < 0)
    assert losses[-1] == pytest.approx(0, abs=1e-3)


def test_registry_knows_every_task():
    for name in TASKS:
        task = make_task(default_head(name))
        assert task.head.task == name
    with pytest.raises(ValueError, match="unknown task 'age'"):
        default_head("age")
