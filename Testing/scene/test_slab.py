"""Which voxels a plane passes."""

import numpy as np
import pytest

from DMRIPretrainLib.scene.slab import Plane, voxels_in_mask, voxels_in_slab

from .glyph_helpers import make_affine, random_rotation


def random_plane(seed: int, through: np.ndarray) -> Plane:
    rotation = random_rotation(np.random.default_rng(seed))
    return Plane(through, rotation[0], rotation[1])


@pytest.mark.parametrize("seed", range(8))
def test_a_slab_holds_the_voxels_within_half_of_it(seed: int) -> None:
    shape = (13, 17, 11)
    affine = make_affine(random_rotation(np.random.default_rng(seed)), seed, oblique=True)
    plane = random_plane(seed + 100, (affine @ [6, 8, 5, 1])[:3])
    indices = np.argwhere(np.ones(shape, dtype=bool))
    depth = (indices @ affine[:3, :3].T + affine[:3, 3] - plane.origin) @ plane.towards_viewer
    for thickness in (4.0, 9.0, 500.0):
        expected = {tuple(index) for index in indices[np.abs(depth) <= thickness / 2].tolist()}
        found = [tuple(index) for index in voxels_in_slab(shape, affine, plane, thickness).tolist()]
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_one_layer_has_the_nearest_voxel_of_each_column() -> None:
    affine = make_affine(np.eye(3), 5, oblique=True)
    plane = Plane((affine @ [10, 10, 10, 1])[:3], *random_rotation(np.random.default_rng(2))[:2])
    voxels = voxels_in_slab((21, 21, 21), affine, plane)
    depth_axis = int(np.argmax(np.abs(plane.towards_viewer @ affine[:3, :3])))
    columns = np.delete(voxels, depth_axis, axis=1)
    assert len(np.unique(columns, axis=0)) == len(columns) > 200
    depth = (voxels @ affine[:3, :3].T + affine[:3, 3] - plane.origin) @ plane.towards_viewer
    assert np.abs(depth).max() <= np.abs(plane.towards_viewer @ affine[:3, depth_axis]) / 2 + 1e-3


def test_the_work_does_not_grow_with_the_depth_of_the_volume() -> None:
    # Were any array as large as the volume, this would end for want of memory.
    plane = Plane(np.array([0, 0, 5e8]), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
    voxels = voxels_in_slab((30, 40, 1_000_000_000), np.eye(4), plane)
    assert len(voxels) == 1200
    assert (voxels[:, 2] == 500_000_000).all()


def test_subsampling_thins_the_slice_and_not_the_slices() -> None:
    for depth in range(4):
        plane = Plane(np.array([0, 0, float(depth)]), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
        voxels = voxels_in_slab((8, 8, 8), np.eye(4), plane, step=4)
        assert voxels.tolist() == [[0, 0, depth], [0, 4, depth], [4, 0, depth], [4, 4, depth]]


def test_a_plane_beside_the_volume_meets_nothing() -> None:
    plane = Plane(np.array([0, 0, -3.0]), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]))
    assert voxels_in_slab((4, 4, 4), np.eye(4), plane).shape == (0, 3)


def test_the_viewer_of_an_axial_slice_stands_at_the_feet() -> None:
    plane = Plane(np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), (20.0, 10.0))
    np.testing.assert_array_equal(plane.towards_viewer, [0, 0, -1])
    assert plane.in_view(np.array([[9.0, 4, 99], [11, 0, 0], [0, 6, 0]]), 0.0).tolist() == [True, False, False]
    assert plane.in_view(np.array([[11.0, 0, 0], [0, 6, 0]]), 1.5).all()


def test_a_mask_is_thinned_until_it_is_small_enough() -> None:
    mask = np.ones((12, 12, 12), dtype=bool)
    voxels, step = voxels_in_mask(mask, 1, 300)
    assert (len(voxels), step) == (216, 2)
    assert (voxels % 2 == 0).all()
    assert voxels_in_mask(mask, 4, 300)[1] == 4
