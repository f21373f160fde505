from dataclasses import replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.qspace.deconvolution import deconvolve
from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.tasks.peaks import find_peaks
from DMRIPretrainLib.tasks.registry import TASKS, default_head, make_task
from DMRIPretrainLib.training.augmentation import Augmentation
from DMRIPretrainLib.training.cube import turn_volume
from DMRIPretrainLib.training.loaded_case import LoadedCase
from DMRIPretrainLib.training.patches import ConsecutiveSampler, Patch, PatchDataset

SHAPE = (14, 17, 12)
STRONG = Augmentation(turn=1, drop_directions=1, fewest_directions=0.6, change_bvalue=1)
NOTHING = Augmentation(turn=0, drop_directions=0, fewest_directions=0, change_bvalue=0)


@pytest.fixture(scope="module")
def speckled(make_dwi) -> LoadedCase:
    """A brain in which every voxel has a fibre and a class of its own, at random; b0 is 500 (class + 1).

    With a smooth field a patch moved by a voxel or mirrored would still look about right.
    """
    rng = np.random.default_rng(0)
    fibre = rng.normal(size=(*SHAPE, 3))
    fibre /= np.linalg.norm(fibre, axis=-1, keepdims=True)
    scan: Scan = make_dwi(SHAPE, bvalues=(1000.0, 2000.0), directions=45, fibre=fibre)
    classes = rng.integers(1, 4, size=SHAPE) * scan.mask
    scan.signal[...] *= 0.5 * (classes[..., None] + 1)
    peaks = np.zeros((*SHAPE, 3, 3), dtype=np.float32)
    peaks[..., 0, :] = fibre * scan.mask[..., None]
    labels = {"segmentation": classes, "crossings": classes, "orientation": peaks}
    return LoadedCase("speckled", prepare_scan(scan), labels, scan.mask)


def dataset(case: LoadedCase, augmentation: Augmentation = STRONG, seed: int = 1, size: int = 8, tasks=TASKS):
    return PatchDataset([case], {task: make_task(default_head(task)) for task in tasks}, size, seed, augmentation)


def assert_same(first: Patch, second: Patch) -> None:
    assert torch.equal(first.signal, second.signal)
    assert torch.equal(first.voxels, second.voxels)
    assert torch.equal(first.projection.conditions, second.projection.conditions)
    assert np.array_equal(first.projection.table.directions, second.projection.table.directions)
    for task, target in first.targets.items():
        assert torch.equal(target, second.targets[task])


def test_a_number_is_always_the_same_patch(speckled):
    forwards, backwards = dataset(speckled), dataset(speckled)
    numbers = range(8)
    first = {number: forwards[number] for number in numbers}
    second = {number: backwards[number] for number in reversed(numbers)}
    for number in numbers:
        assert_same(first[number], second[number])
        assert_same(first[number], forwards[number])


def test_numbers_and_seeds_give_different_patches(speckled):
    patches = [dataset(speckled)[0], dataset(speckled)[1], dataset(speckled, seed=2)[0]]
    for index, patch in enumerate(patches):
        other = patches[index - 1]
        assert patch.signal.shape != other.signal.shape or not torch.equal(patch.signal, other.signal)


def test_labels_follow_the_signal_through_every_change(speckled):
    """The fODF target peaks where the signal itself says that the fibre is; the b0 tells the class."""
    patches = dataset(speckled)
    for number in range(60):
        patch = patches[number]
        features = patch.features(torch.device("cpu"))
        inside = patch.mask.numpy()
        measured = find_peaks(deconvolve(features)[0][:, patch.mask].T.numpy())[:, 0]
        target = find_peaks(patch.targets["orientation"][:, patch.mask].T.numpy())[:, 0]
        angles = axis_angles(measured, target)
        assert np.median(angles) < 2
        assert np.nanmax(angles) < 12
        assert np.array_equal(np.any(target != 0, axis=1), np.ones(inside.sum(), dtype=bool))
        level = np.exp(features.b0[0, 0].numpy()) * patch.b0_median
        classes = patch.targets["segmentation"][0].numpy()
        np.testing.assert_allclose(level[inside], 500 * (classes[inside] + 1), rtol=1e-3)
        assert np.array_equal(classes, patch.targets["crossings"][0].numpy())
        assert np.array_equal(inside, classes > 0)
        assert inside.ravel()[patch.voxels.numpy()].all()


def test_a_turned_patch_is_a_patch_of_the_turned_scan(speckled):
    """Features of a patch are those of the whole scan, turned with its gradients, cut out at that place."""
    patches = dataset(speckled, Augmentation(turn=1, drop_directions=0, fewest_directions=0, change_bvalue=0))
    scan = speckled.scan
    identity = np.eye(3)
    turned_some = False
    for number in range(12):
        patch = patches[number]
        found = patch.features(torch.device("cpu")).shells[0].numpy()
        # The rotation that was drawn is that between the tables.
        matrix = np.linalg.lstsq(scan.table.directions, patch.projection.table.directions, rcond=None)[0].T.round(6)
        turned_some |= not np.array_equal(matrix, identity)
        signal = turn_volume(torch.from_numpy(np.moveaxis(scan.signal, -1, 0).copy()), matrix)
        mask = turn_volume(torch.from_numpy(scan.mask), matrix)
        whole = QSpaceProjection(scan.table.transformed(matrix))(signal, mask, scan.b0_median).shells[0].numpy()
        windows = np.lib.stride_tricks.sliding_window_view(whole[0, 0], (8, 8, 8))
        places = np.argwhere(np.isclose(windows, found[0, 0], atol=1e-5).all(axis=(3, 4, 5)))
        assert len(places) == 1
        x, y, z = places[0]
        np.testing.assert_allclose(whole[:, :, x : x + 8, y : y + 8, z : z + 8], found, atol=1e-4)
    assert turned_some


def test_without_augmentation_patches_are_plain_cuts(speckled):
    patch = dataset(speckled, NOTHING)[3]
    scan = speckled.scan
    windows = np.lib.stride_tricks.sliding_window_view(scan.signal[..., 0], (8, 8, 8))
    (place,) = np.argwhere((windows == patch.signal[0].numpy()).all(axis=(3, 4, 5)))
    cut = tuple(slice(start, start + 8) for start in place)
    np.testing.assert_array_equal(patch.signal, np.moveaxis(scan.signal[cut], -1, 0))
    np.testing.assert_array_equal(patch.targets["segmentation"][0], speckled.labels["segmentation"][cut])
    np.testing.assert_array_equal(patch.projection.conditions[:, 0], [1.0, 2.0])
    np.testing.assert_allclose(patch.projection.conditions[:, 3], 10 * scan.noise, rtol=1e-6)


def test_scans_smaller_than_a_patch_are_padded(speckled):
    patch = dataset(speckled, size=16)[0]
    assert patch.signal.shape[1:] == (16, 16, 16)
    assert patch.targets["orientation"].shape == (45, 16, 16, 16)
    assert patch.mask.sum() > 0.8 * speckled.scan.mask.sum()
    assert patch.mask.flatten()[patch.voxels].all()
    assert torch.isfinite(patch.features(torch.device("cpu")).shells).all()


def test_changed_bvalues_keep_the_noise_of_their_shell(speckled):
    """The network is told the noise of the shell a signal comes from, whatever b-value it then pretends to have."""
    scan = speckled.scan
    noisy = replace(speckled, scan=replace(scan, noise=np.array([0.02, 0.08])))
    patches = dataset(noisy, Augmentation(turn=0, drop_directions=0, fewest_directions=0, change_bvalue=1), tasks=())
    factors = []
    for number in range(30):
        conditions = patches[number].projection.conditions
        factors.append(conditions[0, 0].item())
        assert conditions[1, 0] == pytest.approx(2 * factors[-1])
        np.testing.assert_allclose(conditions[:, 3], [0.2, 0.8], rtol=1e-5)
    assert max(factors) > 1.5
    assert min(factors) < 0.67


def test_loss_counts_in_the_region_alone(speckled):
    region = np.zeros(SHAPE, dtype=bool)
    region[5:9, 6:10, 4:8] = True
    case = LoadedCase("part", speckled.scan, speckled.labels, region)
    for number in range(10):
        patch = dataset(case)[number]
        assert patch.mask.flatten()[patch.voxels].all()
        assert 0 < len(patch.voxels.unique()) <= region.sum() < patch.mask.sum()


def test_rare_labels_are_seen(speckled):
    """One voxel of a class among a thousand is the middle of about a sixth of the patches of size 1."""
    classes = np.where(speckled.scan.mask, 1, 0)
    classes[7, 8, 6] = 3
    classes[6, 8, 6] = 2
    case = LoadedCase("rare", speckled.scan, {"segmentation": classes}, speckled.scan.mask)
    patches = dataset(case, NOTHING, size=1, tasks=("segmentation",))
    seen = np.bincount([int(patches[number].targets["segmentation"].item()) for number in range(150)], minlength=4)
    assert 0.10 < seen[3] / 150 < 0.25
    assert 0.10 < seen[2] / 150 < 0.25
    assert seen[0] == 0


def test_patches_of_a_batch_can_have_different_shells(speckled):
    patches = dataset(speckled)
    features = [patches[number].features(torch.device("cpu")) for number in range(12)]
    assert {item.shells.shape[1] for item in features} == {1, 2}
    assert QSpaceFeatures.stack(features).shells.shape[:2] == (12, 2)


def test_the_patches_of_a_step_do_not_depend_on_where_the_run_began():
    whole = list(ConsecutiveSampler(batch=2, first=0, steps=5))
    assert whole == list(range(10))
    resumed = ConsecutiveSampler(batch=2, first=3, steps=5)
    assert list(resumed) == whole[6:]
    assert len(resumed) == 4
    assert list(ConsecutiveSampler(batch=2, first=7, steps=5)) == []


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_share_every_step(world):
    parts = [list(ConsecutiveSampler(2, 1, 4, rank, world)) for rank in range(world)]
    steps = [sorted(number for part in parts for number in part[2 * k : 2 * k + 2]) for k in range(3)]
    together = list(ConsecutiveSampler(2 * world, 1, 4))
    assert [number for step in steps for number in step] == together
