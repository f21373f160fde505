import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.simulation.artifacts import resample
from DMRIPretrainLib.simulation.artifacts.resample import move_rigidly, rotation_matrices


def blob(centre, shape, voxel_size, width=4.0):
    """(X, Y, Z) Gaussian at a position in mm from the centre of the grid."""
    axes = [(torch.arange(n) - (n - 1) / 2) * size for n, size in zip(shape, voxel_size, strict=True)]
    squares = [(axis - middle) ** 2 for axis, middle in zip(axes, centre, strict=True)]
    x, y, z = squares
    return torch.exp(-(x[:, None, None] + y[:, None] + z) / (2 * width**2))


def centroid(volume, voxel_size):
    position = []
    for axis, size in enumerate(voxel_size):
        weights = volume.sum(dim=tuple(other for other in range(3) if other != axis))
        place = (torch.arange(len(weights)) - (len(weights) - 1) / 2) * size
        position.append(((weights * place).sum() / weights.sum()).item())
    return np.array(position)


def test_rotation_vectors_are_right_handed_and_in_degrees():
    vectors = [(0.0, 0.0, 90.0), (10.0, -20.0, 30.0), (0.0, 0.0, 0.0)]
    expected = Rotation.from_rotvec(vectors, degrees=True).as_matrix()
    np.testing.assert_allclose(rotation_matrices(vectors), expected, atol=1e-12)


@pytest.mark.parametrize("voxel_size", [(2.0, 2.0, 2.0), (1.5, 2.0, 4.0)])
def test_a_point_lands_where_the_matrix_says(voxel_size):
    shape, start = (50, 40, 20), np.array([10.0, -6.0, 5.0])
    rotation, translation = rotation_matrices([(8.0, -12.0, 25.0)]), (2.0, -3.0, 1.5)
    moved = move_rigidly(blob(start, shape, voxel_size)[None], rotation, [translation], voxel_size)[0]
    np.testing.assert_allclose(centroid(moved, voxel_size), rotation[0].numpy() @ start + translation, atol=0.05)


def test_a_whole_voxel_is_exact_and_volumes_move_apart():
    volumes = torch.rand(2, 6, 7, 8)
    identity = rotation_matrices([(0, 0, 0)] * 2)
    moved = move_rigidly(volumes, identity, [(2.0, 0.0, 0.0), (0.0, 0.0, -3.0)], (2.0, 2.0, 3.0))
    torch.testing.assert_close(moved[0, 1:], volumes[0, :-1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved[1, :, :, :-1], volumes[1, :, :, 1:], rtol=1e-4, atol=1e-5)


def test_volumes_are_moved_in_parts_where_they_are_many(monkeypatch):
    volumes, rotations = torch.rand(5, 6, 6, 6), rotation_matrices(np.eye(5, 3) * 10)
    shifts = np.arange(15).reshape(5, 3) / 10
    together = move_rigidly(volumes, rotations, shifts.tolist(), (1, 1, 1))
    monkeypatch.setattr(resample, "VOXELS_AT_ONCE", 6**3 * 2)
    assert torch.equal(move_rigidly(volumes, rotations, shifts.tolist(), (1, 1, 1)), together)
