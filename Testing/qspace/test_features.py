from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from DMRIPretrainLib.qspace import SHELL_FEATURES, QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.qspace.features import MAXIMUM_SIGNAL, unscaled_coefficients
from DMRIPretrainLib.qspace.harmonics import rotation_matrix
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.training.cube import turn_volume


@pytest.fixture
def table() -> GradientTable:
    return make_gradient_table([(1000, 30), (2500, 20)], 3, seed=1)


@pytest.fixture
def block(table) -> np.ndarray:
    """(N, 4, 5, 6) signal that differs from voxel to voxel: a tensor with another axis in each."""
    rng = np.random.default_rng(2)
    axes = rng.normal(size=(4, 5, 6, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    cosine = np.moveaxis(axes @ table.directions.T, -1, 0)
    b = table.bvals[:, None, None, None]
    weighted = np.exp(-b * (0.3e-3 * (b > 0) + 1.4e-3 * cosine**2))
    return (rng.uniform(500, 1500, size=(4, 5, 6)) * weighted).astype(np.float64)


def features_of(table: GradientTable, signal: np.ndarray, mask=None, b0_median=1000.0) -> QSpaceFeatures:
    mask = np.ones(signal.shape[1:], dtype=bool) if mask is None else mask
    return QSpaceProjection(table)(torch.tensor(signal), torch.tensor(mask), b0_median)


def test_shapes_and_conditions(table, block):
    features = QSpaceProjection(table, np.array([0.02, 0.06]))(torch.tensor(block), torch.ones(4, 5, 6).bool(), 1000.0)
    assert features.shells.shape == (1, 2, SHELL_FEATURES, 4, 5, 6)
    assert features.b0.shape == (1, 1, 4, 5, 6)
    expected = [[1.0, np.log(30) / np.log(64), 1.0, 0.2], [2.5, np.log(20) / np.log(64), 4 / 6, 0.6]]
    np.testing.assert_allclose(features.conditions[0], expected, rtol=1e-6)
    assert features.present.tolist() == [[1.0, 1.0]]


def test_band_limited_signal_comes_back(random_directions):
    """Order 2, sixty random directions, no noise: the bias of the regularisation is a few percent."""
    directions = random_directions(60, seed=3)
    table = GradientTable(np.r_[0.0, np.full(60, 3000.0)], np.vstack([np.zeros(3), directions]))
    x, y, z = directions.T
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    truth = {0: 1.6, 1: -0.20, 3: 0.15, 4: 0.10}  # columns of (0, 0), (2, -2), (2, 0) and (2, 1)
    signal = (
        1.6 * sph_harm_y(0, 0, polar, azimuth).real
        - 0.20 * np.sqrt(2) * sph_harm_y(2, 2, polar, azimuth).imag
        + 0.15 * sph_harm_y(2, 0, polar, azimuth).real
        + 0.10 * np.sqrt(2) * sph_harm_y(2, 1, polar, azimuth).real
    )
    volumes = 700.0 * np.r_[1.0, signal][:, None, None, None]
    features = features_of(table, volumes, b0_median=700.0)
    expected = np.zeros(28)
    expected[list(truth)] = list(truth.values())
    found = unscaled_coefficients(features.shells)[0, 0, :, 0, 0, 0]
    np.testing.assert_allclose(found, expected, atol=0.006)
    deviation = features.shells[0, 0, 28].item() / 4
    assert deviation == pytest.approx(np.sqrt((0.2**2 + 0.15**2 + 0.1**2) / (4 * np.pi)), rel=0.03)
    assert features.shells[0, 0, 29].item() / 10 < 0.003


def test_isotropic_signal_has_its_mean_and_no_more(table):
    signal = np.where(table.is_b0, 1000.0, 400.0)[:, None, None, None] * np.ones((1, 2, 2, 2))
    features = features_of(table, signal)
    coefficients = unscaled_coefficients(features.shells)
    np.testing.assert_allclose(coefficients[0, :, 0], 0.4 * np.sqrt(4 * np.pi), rtol=1e-3)
    np.testing.assert_allclose(coefficients[0, :, 1:], 0, atol=2e-3)
    np.testing.assert_allclose(features.shells[0, :, 28:], 0, atol=2e-3)


def test_b0_channel_is_the_logarithm_over_the_median(table, block):
    features = features_of(table, block, b0_median=800.0)
    np.testing.assert_allclose(features.b0[0, 0], np.log(block[table.is_b0].mean(axis=0) / 800.0), rtol=1e-6)


def test_unit_of_the_signal_does_not_matter(table, block):
    one, other = features_of(table, block), features_of(table, block * 0.013, b0_median=13.0)
    torch.testing.assert_close(one.shells, other.shells)
    torch.testing.assert_close(one.b0, other.b0)


def test_order_of_the_volumes_does_not_matter(table, block):
    order = np.random.default_rng(5).permutation(len(table))
    one, other = features_of(table, block), features_of(table.subset(order), block[order])
    torch.testing.assert_close(one.shells, other.shells, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(one.conditions, other.conditions)


def test_sign_of_a_direction_does_not_matter(table, block):
    signs = np.random.default_rng(6).choice([-1.0, 1.0], size=(len(table), 1))
    opposite = GradientTable(table.bvals, table.directions * signs)
    torch.testing.assert_close(features_of(table, block).shells, features_of(opposite, block).shells)


def test_shells_do_not_see_each_other(table, block):
    both = features_of(table, block)
    lower = np.flatnonzero(table.bvals < 1500)
    alone = features_of(table.subset(lower), block[lower])
    torch.testing.assert_close(alone.shells[:, 0], both.shells[:, 0])
    torch.testing.assert_close(alone.conditions[:, 0], both.conditions[:, 0])


def test_nothing_outside_the_mask(table, block):
    mask = np.random.default_rng(7).random((4, 5, 6)) < 0.5
    whole, masked = features_of(table, block), features_of(table, block, mask)
    mask = torch.tensor(mask)
    assert torch.all(masked.shells[..., ~mask] == 0)
    assert torch.all(masked.b0[..., ~mask] == 0)
    torch.testing.assert_close(masked.shells[..., mask], whole.shells[..., mask])


def test_normalised_signal_is_clipped():
    """A spike counts no more than 1.5 b0, a negative value as zero, a dark b0 as 5 % of the median."""
    table = make_gradient_table([(1000, 30)], 1)
    signal = np.full((31, 4, 1, 1), 500.0)
    signal[0] = 1000.0
    signal[1, 0], signal[1, 1] = 1e6, 1e3 * MAXIMUM_SIGNAL
    signal[2, 2], signal[2, 3] = -4e5, 0.0
    features = features_of(table, signal)
    torch.testing.assert_close(features.shells[0, 0, :, 0], features.shells[0, 0, :, 1])
    torch.testing.assert_close(features.shells[0, 0, :, 2], features.shells[0, 0, :, 3])
    dark = np.full((31, 1, 1, 1), 10.0)
    features = features_of(table, dark)
    assert features.b0.item() == pytest.approx(np.log(0.05))
    mean = unscaled_coefficients(features.shells)[0, 0, 0].item() / np.sqrt(4 * np.pi)
    assert mean == pytest.approx(10 / 50, rel=0.01)


@pytest.mark.parametrize("index", range(48))
def test_cube_symmetries_of_volume_and_gradients(table, block, index):
    """Fitting the turned volume with turned gradients is the same as turning the fitted features."""
    matrix = cube_symmetries()[index]
    turned = turn_volume(torch.from_numpy(block), matrix).numpy()
    refitted = features_of(table.transformed(matrix), turned).shells[0].numpy()
    moved = turn_volume(features_of(table, block).shells[0], matrix).numpy()
    moved[:, :28] = np.einsum("ij,sjxyz->sixyz", rotation_matrix(matrix, 6), moved[:, :28])
    np.testing.assert_allclose(refitted, moved, atol=1e-9)


def test_any_rotation_of_the_gradients_turns_the_coefficients(table, block, oblique):
    original = features_of(table, block).shells
    rotated = features_of(table.transformed(oblique), block).shells
    turn = torch.tensor(rotation_matrix(oblique, 6))
    expected = torch.einsum("ij,bsjxyz->bsixyz", turn, unscaled_coefficients(original))
    torch.testing.assert_close(unscaled_coefficients(rotated), expected, atol=1e-9, rtol=1e-7)
    torch.testing.assert_close(rotated[:, :, 28:], original[:, :, 28:], atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("directions", [30, 60])
def test_noise_is_near_the_truth(make_dwi, directions):
    scan = make_dwi((14, 14, 14), directions=directions, b0s=8, bvalues=(800.0,), snr=25.0, seed=3)
    signal = torch.tensor(np.moveaxis(scan.signal, -1, 0))
    noise = QSpaceProjection(scan.gradients).noise(signal, torch.tensor(scan.mask), 1000.0)
    assert noise[0] == pytest.approx(1 / 25, rel=0.15)


def test_noise_grows_with_the_noise(make_dwi):
    for snr in (40.0, 20.0, 10.0):
        scan = make_dwi((10, 10, 10), b0s=6, directions=45, snr=snr)
        signal = torch.tensor(np.moveaxis(scan.signal, -1, 0))
        noise = QSpaceProjection(scan.gradients).noise(signal, torch.tensor(scan.mask), 1000.0)
        assert noise[0] == pytest.approx(1 / snr, rel=0.2)


def test_batches_pad_the_number_of_shells(table, block):
    lower = np.flatnonzero(table.bvals < 1500)
    two, one = features_of(table, block), features_of(table.subset(lower), block[lower])
    batch = QSpaceFeatures.stack([one, two])
    assert batch.shells.shape == (2, 2, SHELL_FEATURES, 4, 5, 6)
    assert batch.present.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    torch.testing.assert_close(batch.shells[0, :1], one.shells[0])
    torch.testing.assert_close(batch.shells[1], two.shells[0])
    assert torch.all(batch.shells[0, 1] == 0)
    torch.testing.assert_close(batch.conditions[1], two.conditions[0])
    torch.testing.assert_close(batch.b0[1], two.b0[0])
    expected = torch.cat([one.variance[0], torch.zeros(1, 28)])
    torch.testing.assert_close(batch.variance, torch.stack([expected, two.variance[0]]))


def test_variance_of_a_batch_is_known_where_all_are(table, block):
    known = features_of(table, block)
    unknown = replace(known, variance=None)
    assert QSpaceFeatures.stack([known, unknown]).variance is None
    assert QSpaceFeatures.stack([unknown, unknown]).variance is None
    assert unknown.to("cpu").variance is None
    torch.testing.assert_close(known.to("cpu").variance, known.variance)


@pytest.mark.parametrize("b0", [1000.0, 500.0])
def test_variance_is_that_of_repeated_measurements(b0):
    """Of each coefficient where b0 is the median; with half the b0, the noise of E is twice as large."""
    table = make_gradient_table([(1000, 30), (1500, 20)], 2, seed=3)
    clean = b0 * np.exp(-table.bvals * (0.3e-3 + 1.4e-3 * (table.directions @ [0.6, -0.48, 0.64]) ** 2))
    noise = np.random.default_rng(4).normal(size=(len(table), 10_000)) * np.where(table.is_b0, 0, 10.0)[:, None]
    signal = torch.tensor(clean[:, None] + noise)[..., None, None]
    features = QSpaceProjection(table, 10.0 / 1000.0)(signal, torch.ones(signal.shape[1:]).bool(), 1000.0)
    found = unscaled_coefficients(features.shells)[0, ..., 0, 0].var(dim=-1)
    expected = features.variance[0] * (1000.0 / b0) ** 2
    assert torch.all(expected[1, 15:] == 0)  # 20 directions carry order 4
    assert torch.all(found[1, 15:] == 0)
    for shell, count in ((0, 28), (1, 15)):
        np.testing.assert_allclose(found[shell, :count], expected[shell, :count], rtol=0.1)
