from dataclasses import replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.scans.gradient_table import GradientTable

WHOLE = (slice(None),) * 3
LPS = np.array([[-2.0, 0, 0, 20], [0, -2.0, 0, 20], [0, 0, 2.0, 0], [0, 0, 0, 1]])


def test_levels_are_those_of_the_mask(make_dwi):
    scan = make_dwi((10, 9, 8), snr=20.0)
    prepared = prepare_scan(scan)
    assert prepared.shape == (10, 9, 8)
    assert prepared.b0_median == pytest.approx(np.median(scan.signal[..., :3].mean(axis=-1)[scan.mask]))
    assert prepared.noise.shape == (1,)
    assert prepared.noise[0] == pytest.approx(1 / 20, rel=0.3)


def test_voxel_order_of_the_file_does_not_matter(make_dwi):
    """The same brain stored as RAS and as LPS has the same features, since the grid frame turns with the voxels."""
    ras = make_dwi((10, 9, 8), fibre=(0.6, 0.0, 0.8), snr=30.0)
    affine = LPS.copy()
    affine[:3, 3] = [2 * 9, 2 * 8, 0]
    lps = replace(ras, signal=ras.signal[::-1, ::-1], mask=ras.mask[::-1, ::-1], affine=affine)
    one, other = prepare_scan(ras), prepare_scan(lps)
    np.testing.assert_allclose(one.affine, other.affine)
    first, second = (p.features(WHOLE, p.projection()) for p in (one, other))
    torch.testing.assert_close(first.shells, second.shells, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.b0, second.b0)


def test_features_of_some_volumes_are_those_of_the_smaller_scan(make_dwi):
    scan = make_dwi((8, 8, 8), bvalues=(1000.0, 2000.0), directions=20, snr=20.0)
    prepared = prepare_scan(scan)
    volumes = np.r_[0, 2, 3:19, 23:43]
    part = prepared.features(WHOLE, prepared.projection(volumes), volumes)
    smaller = prepare_scan(scan.subset(volumes))
    alone = replace(smaller, b0_median=prepared.b0_median)
    expected = alone.features(WHOLE, alone.projection())
    torch.testing.assert_close(part.shells, expected.shells)
    torch.testing.assert_close(part.b0, expected.b0)
    torch.testing.assert_close(part.conditions[..., :3], expected.conditions[..., :3])


def test_noise_of_a_part_is_that_of_its_shell(make_dwi):
    scan = make_dwi((6, 6, 6), bvalues=(700.0, 1500.0, 3000.0), directions=15)
    prepared = replace(prepare_scan(scan), noise=np.array([0.01, 0.02, 0.03]))
    part = prepared.table.subset(np.r_[0, 33:48, 3:18])
    np.testing.assert_array_equal(prepared.shell_noise(part), [0.01, 0.03])


def test_a_block_is_the_same_as_in_the_whole(make_dwi):
    prepared = prepare_scan(make_dwi((9, 8, 7), snr=20.0))
    projection = prepared.projection()
    where = (slice(2, 6), slice(1, 8), slice(3, 5))
    whole, block = prepared.features(WHOLE, projection), prepared.features(where, projection)
    torch.testing.assert_close(block.shells, whole.shells[:, :, :, *where])


@pytest.mark.parametrize("mask", [None, np.zeros((6, 6, 6), dtype=bool)])
def test_a_scan_without_mask_is_refused(make_dwi, mask):
    with pytest.raises(UserError, match="brain mask"):
        prepare_scan(replace(make_dwi((6, 6, 6)), mask=mask))


def test_a_mask_over_air_is_refused(make_dwi):
    scan = make_dwi((6, 6, 6))
    with pytest.raises(UserError, match="b0 signal in the mask"):
        prepare_scan(replace(scan, mask=~scan.mask))


def test_a_scan_without_usable_shell_is_refused(make_dwi):
    scan = make_dwi((6, 6, 6), directions=6)
    same = GradientTable(scan.gradients.bvals, np.where(scan.gradients.is_b0[:, None], 0.0, [1.0, 0.0, 0.0]))
    with pytest.raises(UserError, match="distinct directions"):
        prepare_scan(replace(scan, gradients=same))
