"""Some voxels of a patch."""

import torch

from DMRIPretrainLib.networks.voxels import at_voxels, learned_voxels


def test_gathered_channels_are_those_of_the_voxels():
    volume = torch.randn(2, 5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[[0, 0, 0], [2, 3, 5], [1, 2, 3], [2, 3, 5]], [[0, 1, 0], [1, 0, 0], [0, 0, 1], [2, 2, 2]]])
    flat = (places[..., 0] * 4 + places[..., 1]) * 6 + places[..., 2]
    found = at_voxels(volume, flat)
    assert found.shape == (2, 5, 4, 1, 1)
    for item in range(2):
        for index, (x, y, z) in enumerate(places[item].tolist()):
            assert torch.equal(found[item, :, index, 0, 0], volume[item, :, x, y, z])


def test_large_patches_are_learned_in_a_part_of_their_voxels():
    assert [learned_voxels(edge**3) for edge in (8, 16, 24, 32, 64)] == [2048, 2048, 3456, 8192, 8192]
