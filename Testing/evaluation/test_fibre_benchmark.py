"""The benchmark of fibres measures what it says."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from DMRIPretrainLib.benchmark.methods.csd import CSD, clean_response, dipy_table, relative_signal, with_oracle_gate
from DMRIPretrainLib.benchmark.repeatability import CSD_NAME, MODEL, summarise
from DMRIPretrainLib.benchmark.voxels import force
from DMRIPretrainLib.benchmark.voxels.simulated import (
    LEAST_ANGLE,
    LEAST_SHARE,
    draw_configurations,
    other_voxels,
    own_voxels,
)
from DMRIPretrainLib.benchmark.voxels.volume import arrange
from DMRIPretrainLib.benchmark.voxels.voxel_set import Answer, VoxelSet, add_rician_noise
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.orientation import peaks_to_fodf
from Testing.Benchmarks.fibres.aims import list_aims
from Testing.Benchmarks.fibres.brains import ask_about_brain
from Testing.Benchmarks.fibres.voxel_tests import paired_angles

TABLE = make_gradient_table([(1000, 64)], b0_count=6, seed=3)


@pytest.fixture(scope="module")
def force_set() -> Iterator[VoxelSet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(force, "_BATCH", 500)
        yield force.force_voxels(TABLE, each=12, seed=5)


def principal_axes(voxels: VoxelSet) -> np.ndarray:
    from dipy.reconst.dti import TensorModel

    return TensorModel(dipy_table(voxels.gradients)).fit(voxels.clean).evecs[..., 0]


def test_force_fibres_lie_where_the_signal_is_smallest(force_set):
    single = force_set.subset(np.flatnonzero(force_set.counts == 1))
    assert len(single) == 12
    weighted = ~TABLE.is_b0
    along = np.abs(single.peaks[:, 0] @ TABLE.directions[weighted].T)
    nearest, smallest = along.argmax(axis=1), single.clean[:, weighted].argmin(axis=1)
    assert np.mean(nearest == smallest) > 0.7  # two gradients may be as near as each other
    assert axis_angles(principal_axes(single), single.peaks[:, 0]).max() < 3


def test_force_peaks_are_as_many_as_counted_and_the_larger_share_comes_first(force_set):
    shares = np.linalg.norm(force_set.peaks, axis=-1)
    np.testing.assert_array_equal((shares > 0).sum(axis=1), force_set.counts)
    np.testing.assert_array_equal(np.bincount(force_set.counts), [0, 12, 12, 12])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert np.all(np.diff(shares, axis=1) <= 0)
    unequal = force_set.subset(np.flatnonzero((force_set.counts == 2) & (shares[:, 0] > 0.6)))
    axes = principal_axes(unequal)
    assert len(unequal) >= 3
    assert np.all(axis_angles(axes, unequal.peaks[:, 0]) < axis_angles(axes, unequal.peaks[:, 1]))


def test_force_voxels_come_again_from_the_seed_and_from_the_cache(force_set, tmp_path, monkeypatch):
    np.random.seed(1)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    again = force.force_voxels(TABLE, each=12, seed=5, cache=tmp_path)
    np.testing.assert_array_equal(again.clean, force_set.clean)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    monkeypatch.setattr(force, "simulate_force", None)
    cached = force.force_voxels(TABLE, each=12, seed=5, cache=tmp_path)
    np.testing.assert_array_equal(cached.peaks, force_set.peaks)


def test_configurations_follow_their_prior():
    drawn = draw_configurations(400, seed=1)
    np.testing.assert_array_equal(np.bincount(drawn.counts), [80, 140, 120, 60])
    np.testing.assert_allclose(drawn.fractions.sum(axis=1), 1)
    assert drawn.fractions.min() >= 0
    shares = np.linalg.norm(drawn.peaks, axis=-1)
    np.testing.assert_array_equal((shares > 0).sum(axis=1), drawn.counts)
    assert shares[shares > 0].min() >= LEAST_SHARE - 1e-9
    two = drawn.peaks[drawn.counts >= 2]
    assert axis_angles(two[:, 0], two[:, 1]).min() >= LEAST_ANGLE - 1e-6


@pytest.mark.parametrize("simulate", [own_voxels, other_voxels])
def test_single_fibres_of_both_simulators_lie_along_their_peaks(simulate):
    voxels = simulate(TABLE, 60, seed=2)
    np.testing.assert_allclose(voxels.clean[:, TABLE.is_b0], 1, atol=1e-5)
    single = voxels.subset(np.flatnonzero(voxels.counts == 1))
    assert axis_angles(principal_axes(single), single.peaks[:, 0]).max() < 1


def test_csd_counts_as_dipy_does_and_finds_directions_between_its_vertices():
    from dipy.data import get_sphere
    from dipy.direction import peaks_from_model

    voxels = other_voxels(TABLE, 200, seed=4)
    signal = add_rician_noise(voxels.clean, 20, np.random.default_rng(0))
    csd = CSD(TABLE, clean_response(TABLE, voxels.clean[voxels.counts == 1]))
    assert csd.order == 8
    answer = csd.answer(signal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peaks_from_model(
            csd._model, relative_signal(TABLE, signal), get_sphere(name="repulsion724"), 0.25, 25, npeaks=3
        )
    counts = (expected.peak_values > 0).sum(axis=-1)
    assert np.mean(counts == answer.counts) > 0.97
    fibre = voxels.counts == 1
    ours = axis_angles(answer.peaks[fibre, 0], voxels.peaks[fibre, 0]).mean()
    theirs = axis_angles(expected.peak_dirs[fibre, 0], voxels.peaks[fibre, 0]).mean()
    assert ours < theirs < 6


def test_the_gate_empties_the_isotropic_voxels():
    voxels = own_voxels(TABLE, 200, seed=4)
    blind = Answer(np.full(200, 3), np.ones((200, 3, 3)))
    gated = with_oracle_gate(blind, voxels.clean, TABLE, voxels.counts)
    np.testing.assert_array_equal(np.bincount(gated.counts), [40, 0, 0, 160])
    np.testing.assert_array_equal(gated.counts == 0, voxels.counts == 0)


@pytest.mark.parametrize(("edge", "window", "size"), [(1, 4, 4), (3, 8, 12), (3, 15, 15)])
def test_a_volume_holds_every_voxel_before_it_repeats_one(edge, window, size):
    voxels = own_voxels(TABLE, 60, seed=6)
    volume = arrange(voxels, snr=1e6, edge=edge, window=window, seed=0)
    assert volume.scan.shape == (size,) * 3
    assert volume.scan.mask.all()
    assert sorted(volume.sources[:60].tolist()) == list(range(60))
    assert len(volume.places) == len(volume.sources) == (size // edge) ** 3
    np.testing.assert_allclose(volume.signal(), voxels.clean[volume.sources], atol=1e-4)
    np.testing.assert_allclose(volume.block_mean(), voxels.clean[volume.sources], atol=1e-4)


def test_like_voxels_of_a_block_have_noise_of_their_own():
    voxels = own_voxels(TABLE, 60, seed=6)
    volume = arrange(voxels, snr=20, edge=3, window=8, seed=0)
    weighted = ~TABLE.is_b0
    truth = voxels.clean[volume.sources][:, weighted]
    alone = np.std(volume.signal()[:, weighted] - truth)
    mean = np.std(volume.block_mean()[:, weighted] - truth)
    assert alone == pytest.approx(1 / 20, rel=0.1)
    assert mean < alone / 4  # a fifth, but for the bias of Rician noise


class VoxelwisePredictor:
    """Answers of a voxel follow from its mean signal alone."""

    def probabilities(self, scan) -> dict[str, np.ndarray]:
        level = scan.signal.mean(axis=-1)
        directions = np.stack([np.cos(level), np.sin(level), np.zeros_like(level)], axis=-1)
        peaks = np.zeros((*scan.shape, 3, 3), dtype=np.float32)
        peaks[..., 0, :] = directions
        classes = np.stack([np.cos(phase + 3 * level) for phase in range(4)])
        return {"orientation": peaks_to_fodf(peaks), "crossings": classes, "segmentation": classes}


def test_shuffling_changes_nothing_for_a_method_without_context(make_dwi):
    scan = make_dwi((9, 10, 11), snr=10)
    scan = Scan(scan.signal / 1000, scan.affine, scan.gradients, scan.mask)
    rng = np.random.default_rng(1)
    places = rng.permutation(np.argwhere(scan.mask))[:50]
    order = rng.permutation(np.count_nonzero(scan.mask))
    model = VoxelwisePredictor()
    (placed, labels), (shuffled, back) = (ask_about_brain(model, scan, places, way) for way in (None, order))
    np.testing.assert_array_equal(placed.counts, shuffled.counts)
    np.testing.assert_allclose(placed.peaks, shuffled.peaks, atol=1e-5)
    np.testing.assert_array_equal(labels, back)
    assert len(np.unique(placed.counts)) > 1
    level = scan.signal[tuple(places.T)].mean(axis=-1)
    expected = np.stack([np.cos(level), np.sin(level), np.zeros_like(level)], axis=-1)
    assert axis_angles(placed.peaks[:, 0], expected).max() < 2


def test_paired_angles_are_of_voxels_that_both_count_right():
    truth_peaks = np.zeros((3, 3, 3))
    truth_peaks[:, 0, 0] = 1
    truth = VoxelSet(TABLE, np.zeros((3, 70)), np.ones(3, dtype=int), truth_peaks)
    tilted = truth_peaks.copy()
    tilted[:, 0, 1] = np.tan(np.radians([10, 20, 40]))
    first = Answer(np.array([1, 1, 2]), tilted)
    second = Answer(np.array([1, 2, 1]), truth_peaks)
    pairs = paired_angles(first, second, truth)
    assert pairs[1] == (pytest.approx(10), pytest.approx(0), 1)
    assert pairs[2][2] == 0


def test_a_missing_direction_counts_as_ninety_degrees():
    summary = summarise([np.array([1.0, 2.0, np.nan]), np.array([3.0, 3.0, 3.0])])
    assert summary["median"] == pytest.approx((2 + 3) / 2)
    assert summary["mean"] == pytest.approx((31 + 3) / 2)
    assert summary["missing"] == pytest.approx(1 / 6)


def test_aims_of_the_real_scan_ask_for_half_of_what_csd_has():
    subsets = {count: {MODEL: {"median": 2.0}, CSD_NAME: {"median": csd}} for count, csd in ((30, 4.1), (12, 3.9))}
    aims = list_aims({"real": {"directions": 60, "subsets": subsets}})
    assert [aim.reached for aim in aims] == [True, False]
