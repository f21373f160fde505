import numpy as np
import pytest
import torch

from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.artifacts.eddy import LARGEST_SLOPE, LARGEST_TRANSLATION_MM, EddyCurrents

ZERO = (0.0, 0.0, 0.0)


def bar_shift(volume, voxel_size):
    """(X, Z) displacement in mm along y of a bar that was in the middle of the grid."""
    place = (torch.arange(volume.shape[1]) - (volume.shape[1] - 1) / 2) * voxel_size
    return ((volume * place[:, None]).sum(dim=1) / volume.sum(dim=1)).numpy()


@pytest.fixture
def bar(make_acquisition):
    def make(bvals, directions):
        signal = torch.zeros(len(bvals), 9, 41, 7)
        signal[:, :, 19:22] = 100.0
        return make_acquisition(signal, GradientTable(bvals, directions), voxel_size=(2.0, 2.0, 3.0))

    return make


def test_translation_is_linear_in_the_gradient_and_in_the_root_of_b(bar):
    bvals = np.array([0, 1000, 1000, 1000, 1000, 250, 3000.0])
    directions = np.array([ZERO, (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0.6, 0.8, 0), (1, 0, 0), (1, 0, 0)])
    eddy = EddyCurrents((2.0, -1.0, 0.0), (ZERO, ZERO, ZERO), reference_bvalue=1000)
    shifted = eddy(bar(bvals, directions)).signal
    shifts = [bar_shift(volume, 2.0).mean() for volume in shifted]
    expected = [0, 2, -2, -1, 0.6 * 2 - 0.8, 1, 2 * np.sqrt(3)]
    np.testing.assert_allclose(shifts, expected, atol=1e-4)


def test_shear_and_scale(bar):
    clean = bar(np.array([1000.0, 1000, 1000]), np.eye(3))
    eddy = EddyCurrents(ZERO, ((0.1, 0, 0), (0, 0.2, 0), (0, 0, -0.1)), reference_bvalue=1000)
    sheared = eddy(clean).signal
    x, z = (np.arange(9) - 4) * 2.0, (np.arange(7) - 3) * 3.0
    np.testing.assert_allclose(bar_shift(sheared[0], 2.0), np.broadcast_to(0.1 * x[:, None], (9, 7)), atol=1e-4)
    np.testing.assert_allclose(bar_shift(sheared[2], 2.0), np.broadcast_to(-0.1 * z, (9, 7)), atol=1e-4)
    assert sheared[1, 4, 20, 3].item() == pytest.approx(100 / 1.2, rel=1e-4)  # scaled, and darker for it
    torch.testing.assert_close(sheared.sum(dim=(1, 2, 3)), clean.signal.sum(dim=(1, 2, 3)))


def test_the_largest_weighting_stays_within_the_limits(make_acquisition):
    clean = make_acquisition()
    for seed in range(50):
        eddy = EddyCurrents.draw(clean, torch.Generator().manual_seed(seed))
        assert eddy.reference_bvalue == 1000
        assert np.linalg.norm(eddy.translation) <= LARGEST_TRANSLATION_MM
        assert np.linalg.norm(eddy.slopes, axis=1).max() <= LARGEST_SLOPE
