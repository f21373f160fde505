import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.sims.voxel import multi_tensor

from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain
from DMRIPretrainLib.simulation.signal import Microstructure, simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table


def one_voxel(fractions, directions=(), fibre_fractions=()) -> Phantom:
    fibres, shares = np.zeros((1, 1, 1, 3, 3)), np.zeros((1, 1, 1, 3))
    for index, (direction, share) in enumerate(zip(directions, fibre_fractions, strict=True)):
        fibres[..., index, :], shares[..., index] = direction, share
    return Phantom(np.reshape(fractions, (1, 1, 1, 3)), fibres, shares, np.ones((1, 1, 1), bool), np.eye(4))


@pytest.mark.parametrize("angle", [0, 40, 90])
def test_fibres_agree_with_dipy(angle):
    tissue = Microstructure(parallel_diffusivity=1.7e-3, stick_fraction=0.6)
    table = make_gradient_table([(1000, 30), (2500, 30)], b0_count=2, seed=3)
    radians = np.radians([0.0, angle])
    directions = np.stack([np.cos(radians), 0.6 * np.sin(radians), 0.8 * np.sin(radians)], axis=1)
    signal = simulate_signal(
        one_voxel([0, 0, 1], directions, [0.7, 0.3]), table, snr=None, microstructure=tissue
    ).signal

    stick, zeppelin = [1.7e-3, 0, 0], [1.7e-3, 0.4 * 1.7e-3, 0.4 * 1.7e-3]
    expected, _ = multi_tensor(
        gradient_table(table.bvals, bvecs=table.directions, b0_threshold=0),
        np.array([stick, zeppelin] * 2),
        S0=tissue.b0_signal[2],
        angles=list(np.repeat(directions, 2, axis=0)),
        fractions=[42, 28, 18, 12],
        snr=None,
    )
    np.testing.assert_allclose(signal[0, 0, 0], expected, rtol=1e-4)


def test_isotropic_tissues_decay_as_their_diffusivity_says():
    table = make_gradient_table([(1000, 6)], b0_count=1)
    signal = simulate_signal(one_voxel([0.25, 0.75, 0]), table, snr=None).signal[0, 0, 0]
    assert signal[0] == pytest.approx(0.25 * 1500 + 0.75 * 850)
    np.testing.assert_allclose(signal[1:], 375 * np.exp(-3.0) + 637.5 * np.exp(-0.8), rtol=1e-5)


def test_noise_is_rician_with_the_stated_snr():
    phantom = simulate_brain((20, 20, 20))
    table = make_gradient_table([(1000, 6)], b0_count=20)
    scan = simulate_signal(phantom, table, snr=10, seed=1)
    background = scan.signal[~phantom.mask]
    assert np.mean(background) == pytest.approx(65.0 * np.sqrt(np.pi / 2), rel=0.01)  # Rayleigh
    deviation = scan.signal[phantom.mask][:, :20].std(axis=1, ddof=1).mean()
    assert deviation == pytest.approx(65.0, rel=0.03)
    assert np.array_equal(scan.signal, simulate_signal(phantom, table, snr=10, seed=1).signal)
    assert not np.array_equal(scan.signal, simulate_signal(phantom, table, snr=10, seed=2).signal)
