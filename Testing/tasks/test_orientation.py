import numpy as np
import pytest
import torch

from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.tasks.orientation import OrientationTask, fodf_of_peaks, orientation_head, peaks_to_fodf


@pytest.fixture
def task() -> OrientationTask:
    return OrientationTask(orientation_head())


@pytest.fixture
def peaks() -> np.ndarray:
    """(4, 4, 4, 3, 3) none to three peaks a voxel, amplitudes 0.2 to 0.9."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4, 4, 4, 3, 3))
    vectors *= (np.sort(rng.uniform(0.2, 0.9, size=(4, 4, 4, 3)))[..., ::-1] / np.linalg.norm(vectors, axis=-1))[
        ..., None
    ]
    vectors[np.arange(3) >= rng.integers(4, size=(4, 4, 4))[..., None]] = 0
    return vectors.astype(np.float32)


def test_target_is_as_high_as_the_peak(task):
    axis = np.array([0.48, 0.6, -0.64])
    label = np.zeros((1, 1, 1, 3, 3))
    label[..., 0, :] = 0.7 * axis
    fodf = task.target(label)
    assert fodf.shape == (45, 1, 1, 1)
    assert fodf.dtype == np.float32
    directions = np.random.default_rng(1).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values = evaluation_matrix(directions, 8) @ fodf[:, 0, 0, 0]
    assert (evaluation_matrix(axis[None], 8) @ fodf[:, 0, 0, 0]).item() == pytest.approx(0.7, rel=1e-5)
    assert values.max() < 0.7


def test_target_adds_up_and_knows_no_sign_or_order(peaks):
    parts = [peaks_to_fodf(peaks[..., [index], :]) for index in range(3)]
    np.testing.assert_allclose(peaks_to_fodf(peaks), sum(parts), atol=1e-6)
    np.testing.assert_allclose(peaks_to_fodf(-peaks[..., ::-1, :]), peaks_to_fodf(peaks), atol=1e-6)


def test_target_turns_with_the_peaks(task, peaks):
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    target = torch.tensor(task.target(peaks))
    for matrix in (rotation, *cube_symmetries()):
        moved = task.move(target, matrix)
        np.testing.assert_allclose(moved, peaks_to_fodf(peaks @ matrix.T.astype(np.float32)), atol=1e-5)


def test_answer_gives_the_peaks_of_the_target_back(task):
    """Up to two orthogonal fibres a voxel, so that lobes hardly touch."""
    frames = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3, 3, 3, 3)))[0]
    label = np.swapaxes(frames, -1, -2) * np.array([0.7, 0.3, 0.0])[:, None]
    mask = np.ones((3, 3, 3), dtype=bool)
    mask[0, 0, 0] = False
    answer = task.answer(task.target(label), mask)
    assert np.all(answer[0, 0, 0] == 0)
    scores = task.score(answer, label, mask)
    assert scores["dominant error [deg]"] < 1.5
    assert scores["matched error [deg]"] < 3
    assert scores["score"] > 0.98


def test_perfect_prediction_costs_next_to_nothing(task, peaks):
    """What is left are the small negative side lobes of a lobe cut at order 8."""
    target = torch.tensor(task.target(peaks))[None]
    mask = torch.ones(1, 4, 4, 4)
    perfect = task.loss(target, target, mask).item()
    assert perfect < 0.02
    assert task.loss(1.1 * target, target, mask).item() > perfect
    assert task.loss(torch.zeros_like(target), target, mask).item() == pytest.approx(1, rel=1e-5)


def test_negative_fodfs_cost_more_than_positive_ones(task, peaks):
    target = torch.tensor(task.target(peaks))[None]
    mask = torch.ones(1, 4, 4, 4)
    change = torch.zeros_like(target)
    change[:, 0] = 0.5
    assert task.loss(target - change, target, mask) > task.loss(target + change, target, mask) * 1.2


def test_voxels_outside_the_mask_do_not_count(task, peaks):
    target = torch.tensor(task.target(peaks))[None]
    mask = (torch.rand(1, 4, 4, 4, generator=torch.Generator().manual_seed(4)) < 0.5).float()
    output = target + 0.1 * torch.randn(target.shape, generator=torch.Generator().manual_seed(5))
    outside = mask[:, None] == 0
    other = torch.where(outside, torch.randn_like(output), output)
    elsewhere = torch.where(outside, torch.randn_like(target), target)
    assert task.loss(other, elsewhere, mask).item() == pytest.approx(task.loss(output, target, mask).item(), rel=1e-6)
    assert task.loss(output + 0.1, target, mask) != task.loss(output, target, mask)


def test_loss_of_an_empty_mask_is_finite(task):
    output = torch.ones(1, 45, 2, 2, 2, requires_grad=True)
    loss = task.loss(output, torch.zeros(1, 45, 2, 2, 2), torch.zeros(1, 2, 2, 2))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(output.grad).all()


def one_axis(angle: float) -> np.ndarray:
    """(2, 2, 2, 3, 3) a lone peak in the x-y plane."""
    peaks = np.zeros((2, 2, 2, 3, 3))
    peaks[..., 0, :2] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return peaks


def test_score_falls_with_the_angle_with_missed_and_with_spurious_peaks(task):
    label, mask = one_axis(0), np.ones((2, 2, 2), dtype=bool)
    scores = [task.score(one_axis(angle), label, mask)["score"] for angle in (0, 10, 45, 90)]
    np.testing.assert_allclose(scores, [1, 1 - 10 / 45, 0, 0], atol=1e-6)
    missed = one_axis(0)
    missed[0] = 0
    assert task.score(missed, label, mask)["score"] == pytest.approx(2 * 4 / (4 + 8))
    spurious = one_axis(0)
    spurious[0, ..., 1, 2] = 1
    assert task.score(spurious, label, mask)["score"] == pytest.approx(2 * 8 / (12 + 8))
    assert task.score(np.zeros_like(label), label, mask)["score"] == 0
    assert task.score(label, np.zeros_like(label), mask)["score"] == 0  # all spurious
    assert task.score(-label, label, mask)["score"] == 1


def test_a_list_of_voxels_has_the_fodfs_of_a_volume(peaks):
    flat = torch.tensor(peaks.reshape(64, 3, 3))
    np.testing.assert_array_equal(fodf_of_peaks(flat).T.reshape(45, 4, 4, 4), peaks_to_fodf(peaks))
    assert torch.equal(fodf_of_peaks(torch.zeros(5, 3, 3)), torch.zeros(5, 45))
    assert fodf_of_peaks(torch.zeros(0, 3, 3)).shape == (0, 45)
    for turn in ([1, 0, 2], [2, 1, 0]):
        torch.testing.assert_close(fodf_of_peaks(flat[:, turn]), fodf_of_peaks(flat))
