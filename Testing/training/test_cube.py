import itertools

import numpy as np
import pytest
import torch

from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.training.cube import Cube, turn_volume


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 4, 4), (2, 3, 5)])
def test_every_voxel_moves_as_its_position(shape):
    """The voxel at p from the centre comes to lie at matrix @ p from the centre."""
    volume = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    for matrix in cube_symmetries():
        turned = turn_volume(volume, matrix)
        new_shape = np.abs(matrix) @ shape
        assert turned.shape == (2, *new_shape)
        assert turned.is_contiguous()
        for voxel in itertools.product(*map(range, shape)):
            position = np.array(voxel) - (np.array(shape) - 1) / 2
            x, y, z = np.rint(matrix @ position + (new_shape - 1) / 2).astype(int)
            assert torch.equal(turned[:, x, y, z], volume[(slice(None), *voxel)])


def test_turning_composes():
    volume = torch.arange(27.0).reshape(3, 3, 3)
    first, second = cube_symmetries()[13], cube_symmetries()[38]
    assert torch.equal(turn_volume(turn_volume(volume, first), second), turn_volume(volume, second @ first))
    assert torch.equal(turn_volume(volume, np.eye(3)), volume)


def test_a_turned_volume_shares_no_memory():
    volume = torch.arange(8.0).reshape(2, 2, 2)
    for matrix in cube_symmetries():
        turn_volume(volume, matrix).fill_(-1)
    assert torch.equal(volume, torch.arange(8.0).reshape(2, 2, 2))


@pytest.mark.parametrize("centre", [(0, 0, 0), (4, 5, 6), (8, 9, 10), (0, 9, 5)])
def test_a_cube_stays_inside_and_covers_its_centre(centre):
    volume = torch.arange(9 * 10 * 11).reshape(9, 10, 11)
    part = Cube.around(centre, (9, 10, 11), 4).cut(volume)
    assert part.shape == (4, 4, 4)
    assert volume[centre] in part
    first = np.unravel_index(int(part.min()), volume.shape)
    assert torch.equal(part, volume[tuple(slice(start, start + 4) for start in first)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bool, torch.int64])
def test_what_does_not_fill_the_cube_is_padded_on_both_sides(dtype):
    volume = torch.ones(2, 3, 9, 4, dtype=dtype)
    part = Cube.around((1, 0, 3), (3, 9, 4), 6).cut(volume)
    assert part.shape == (2, 6, 6, 6)
    assert part.dtype == dtype
    inside = torch.zeros(6, 6, 6, dtype=torch.bool)
    inside[1:4, :, 1:5] = True
    assert torch.equal(part.bool(), inside.expand(2, -1, -1, -1))
