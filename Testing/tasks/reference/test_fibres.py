from dataclasses import replace

import numpy as np
import pytest
import torch
from dipy.core.gradients import gradient_table
from dipy.data import get_sphere
from dipy.direction import peaks_from_model
from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.evaluation.crossings import crossing_metrics
from DMRIPretrainLib.evaluation.orientation import axis_angles, orientation_metrics
from DMRIPretrainLib.qspace.harmonics import evaluation_matrix
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain
from DMRIPretrainLib.simulation.signal import Microstructure, simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.reference.fibres import FibreLabels, csd_labels, significant_peaks
from DMRIPretrainLib.tasks.reference.signals import choose_shell, supported_order


@pytest.fixture(scope="module")
def brain() -> Phantom:
    return simulate_brain((24, 28, 22), seed=0)


@pytest.fixture(scope="module")
def scan(brain) -> Scan:
    return simulate_signal(brain, make_gradient_table([(2000, 60)], b0_count=4, seed=1), snr=30, seed=2)


@pytest.fixture(scope="module")
def labels(scan) -> FibreLabels:
    return csd_labels(scan)


def only_one_fibre(brain: Phantom) -> np.ndarray:
    """(X, Y, Z) bool: voxels that one fibre population fills."""
    return ((brain.crossings == 1) & (brain.fractions[..., 2] * brain.fibre_fractions[..., 0] > 0.9)).numpy()


def test_fibres_of_a_simulated_brain_are_found(brain, labels):
    white, true_peaks = (brain.segmentation == 3).numpy(), brain.peaks.numpy()
    single = only_one_fibre(brain)
    errors = axis_angles(labels.peaks[single][:, 0], true_peaks[single][:, 0])
    assert np.median(errors) < 2
    assert np.percentile(errors, 95) < 6
    amplitude = np.linalg.norm(labels.peaks[single][:, 0], axis=-1)
    assert np.median(amplitude) == pytest.approx(1.1, abs=0.15)

    counts = crossing_metrics(labels.crossings, brain.crossings.numpy(), white)
    assert counts["crossing_f1"] > 0.75
    assert orientation_metrics(labels.peaks, true_peaks, white)["matched_mean"] < 6
    grey = (brain.mask & (brain.fractions[..., 2] < 0.02)).numpy()
    assert np.mean(labels.crossings[grey] > 0) < 0.15


def test_crossings_peaks_and_fod_agree_with_each_other(labels):
    amplitude = np.linalg.norm(labels.peaks, axis=-1)
    assert np.array_equal((amplitude > 0).sum(axis=-1), labels.crossings)
    assert np.all(np.diff(amplitude, axis=-1) <= 0)
    found = labels.crossings > 0
    directions = labels.peaks[found][:, 0] / amplitude[found][:, :1]
    along = np.sum(evaluation_matrix(directions, 8) * labels.fod_sh[found], axis=1)
    np.testing.assert_allclose(along, amplitude[found][:, 0], rtol=0.05)


def test_peaks_agree_with_dipy_on_an_oblique_grid(brain):
    """DIPY's own peaks from the world-frame table; the voxel grid must not matter."""
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() @ np.diag([-2.0, 2.0, 3.0])
    table = make_gradient_table([(2000, 60)], b0_count=1, seed=5)
    part = brain.mask.numpy() & (np.indices(brain.mask.shape)[2] == 11)
    moved = replace(brain, mask=torch.from_numpy(part), affine=affine)
    labels = csd_labels(simulate_signal(moved, table, snr=40, seed=1))

    scan = simulate_signal(moved, table, snr=40, seed=1)
    gtab = gradient_table(table.bvals, bvecs=table.directions)
    response = (labels.recipe["response eigenvalues [mm²/s]"], 1.0)
    model = ConstrainedSphericalDeconvModel(gtab, response, sh_order_max=8)
    sphere = get_sphere(name="repulsion724").subdivide(n=1)  # 2.5 degrees apart
    kwargs = {"relative_peak_threshold": 0.25, "min_separation_angle": 25, "npeaks": 3}
    expected = peaks_from_model(model, scan.signal / scan.mean_b0()[..., None], sphere, mask=part, **kwargs).peak_dirs
    found = labels.crossings > 0
    errors = axis_angles(labels.peaks[found][:, 0], expected[found][:, 0])
    assert found.sum() > 50
    assert np.median(errors) < 2
    assert np.percentile(errors, 95) < 4


@pytest.mark.parametrize("symmetry", range(48))
def test_storage_order_does_not_matter(symmetry, make_dwi):
    """Voxels stored along other axes, same world: same world-frame peaks."""
    fibre = np.array([0.48, -0.6, 0.64])
    scan = make_dwi((6, 7, 5), bvalues=(2000,), directions=20, fibre=fibre, snr=40)
    expected = csd_labels(scan).peaks
    matrix = cube_symmetries()[symmetry]
    axes, flips = np.argmax(np.abs(matrix), axis=0), matrix.sum(axis=1) < 0
    order = np.argsort(axes)

    def store(array: np.ndarray) -> np.ndarray:
        moved = np.transpose(array, (*order, *range(3, array.ndim)))
        return np.flip(moved, tuple(np.flatnonzero(flips)))

    stored = Scan(store(scan.signal), scan.affine @ _with_matrix(matrix.T), scan.gradients, store(scan.mask))
    peaks = csd_labels(stored).peaks
    np.testing.assert_allclose(peaks, store(expected), atol=2e-3)
    strongest = peaks[stored.mask][:, 0]
    assert np.median(axis_angles(strongest, np.broadcast_to(fibre, strongest.shape))) < 2


def _with_matrix(matrix: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = matrix
    return affine


def test_few_directions_give_one_fibre_by_a_tensor(brain):
    scan = simulate_signal(brain, make_gradient_table([(1000, 12)], b0_count=2), snr=40)
    labels = csd_labels(scan)
    assert labels.crossings.max() == 1
    assert "tensor" in labels.recipe["method"]
    single = only_one_fibre(brain)
    assert np.median(axis_angles(labels.peaks[single][:, 0], brain.peaks.numpy()[single][:, 0])) < 3
    values = np.sum(evaluation_matrix(labels.peaks[single][:5, 0], 8) * labels.fod_sh[single][:5], axis=1)
    assert np.all(values > 0.3)


def test_the_shell_with_the_highest_order_then_bvalue_is_chosen():
    def chosen(*shells: tuple[float, int]) -> float:
        table = make_gradient_table(shells)
        return choose_shell(Scan(np.zeros((1, 1, 1, len(table))), np.eye(4), table)).bvalue

    assert chosen((1000, 30), (2000, 64)) == 2000
    assert chosen((1000, 64), (2500, 12)) == 1000
    assert chosen((1000, 64), (3000, 64), (5000, 90)) == 3000
    assert chosen((5000, 90)) == 5000
    assert [supported_order(count) for count in (12, 15, 28, 45, 200)] == [0, 4, 6, 8, 8]


@pytest.mark.parametrize("bvals", [[0, 0, 1000, 1000], [1000] * 20])
def test_too_little_data_is_refused(bvals):
    directions = np.random.default_rng(0).standard_normal((len(bvals), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    table = GradientTable(np.array(bvals, dtype=float), directions)
    scan = Scan(np.ones((3, 3, 3, len(bvals))), np.eye(4), table, np.ones((3, 3, 3), dtype=bool))
    with pytest.raises(UserError, match="expected a b0 and a shell"):
        csd_labels(scan)


def test_weak_peaks_and_weak_voxels_are_dropped():
    peaks = np.zeros((3, 3, 3))
    peaks[0, :, 0] = [0.8, 0.2, 0.1]
    peaks[1, :, 0] = [0.29, 0.28, 0]
    kept = np.linalg.norm(significant_peaks(peaks, least_strongest=0.3), axis=-1)
    np.testing.assert_allclose(kept, [[0.8, 0.2, 0], [0, 0, 0], [0, 0, 0]])


def test_amplitude_does_not_depend_on_intensity(brain):
    table = make_gradient_table([(2000, 60)], b0_count=2, seed=1)
    scan = simulate_signal(brain, table, snr=None, microstructure=Microstructure())
    bias = np.exp(np.linspace(-0.7, 0.7, scan.shape[1]))[None, :, None, None]
    biased = Scan(scan.signal * bias, scan.affine, table, scan.mask)
    np.testing.assert_array_equal(csd_labels(biased).crossings, csd_labels(scan).crossings)


def test_repeated_and_opposite_directions_do_not_count_twice(make_dwi):
    """Twelve directions acquired five times, half of them reversed, show no crossings."""
    scan = make_dwi((8, 8, 8), directions=12, b0s=2, snr=30)
    volumes = np.concatenate([np.arange(2), *[np.arange(2, 14)] * 5])
    table = scan.gradients.subset(volumes)
    signs = np.resize([1.0, -1.0], len(table))[:, None]
    repeated = Scan(
        scan.signal[..., volumes], scan.affine, GradientTable(table.bvals, signs * table.directions), scan.mask
    )
    labels = csd_labels(repeated)
    assert "tensor" in labels.recipe["method"]
    assert labels.crossings.max() == 1
    with pytest.raises(UserError, match="six directions"):
        csd_labels(repeated.subset(np.array([0, 2, 3, 4, 5, 6, 14, 15, 16])))
