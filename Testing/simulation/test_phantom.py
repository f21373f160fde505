import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.phantom import Phantom, shape_around_brain, simulate_brain


@pytest.fixture(scope="module", params=[2, 5])
def brain(request) -> Phantom:
    return simulate_brain(shape_around_brain(3.0), seed=request.param, voxel_size=3.0)


def at(brain: Phantom, x: float, y: float, z: float) -> tuple[int, ...]:
    """Voxel at a place of the world."""
    return tuple(np.round(np.linalg.inv(brain.affine) @ [x, y, z, 1]).astype(int)[:3])


def volume_of_voxel(brain: Phantom) -> float:
    return abs(np.linalg.det(brain.affine)) / 1000


def test_tissue_volumes_are_those_of_brains():
    ratios = []
    for seed in range(6):
        brain = simulate_brain(shape_around_brain(3.0), seed=seed, voxel_size=3.0)
        csf, gm, wm = (brain.fractions.sum(dim=(0, 1, 2)) * volume_of_voxel(brain)).tolist()
        assert 900 < csf + gm + wm < 2000
        assert 50 < csf < 600
        assert 350 < gm < 1000
        assert 250 < wm < 800
        ratios.append(wm / gm)
    assert max(ratios) - min(ratios) > 0.2  # no two brains alike


def test_fractions_and_directions_are_normalised(brain):
    torch.testing.assert_close(brain.fractions.sum(dim=-1), brain.mask.float(), atol=1e-5, rtol=0)
    assert brain.fractions.min() >= 0
    white = (brain.fractions[..., 2] > 0).float()
    torch.testing.assert_close(brain.fibre_fractions.sum(dim=-1), white, atol=1e-5, rtol=0)
    assert torch.all(torch.diff(brain.fibre_fractions, dim=-1) <= 0)
    lengths = torch.linalg.norm(brain.directions, dim=-1)
    torch.testing.assert_close(lengths, (brain.fibre_fractions > 0).float(), atol=1e-5, rtol=0)


def test_truth_follows_the_stated_rule(brain):
    shares = torch.linalg.norm(brain.peaks, dim=-1)
    assert shares[shares > 0].min() >= 0.15 - 1e-6
    assert torch.equal((shares > 0).sum(dim=-1), brain.crossings.long())
    assert torch.all(brain.crossings[~brain.mask] == 0)
    assert torch.all(brain.segmentation[~brain.mask] == 0)
    for first, second, least in ((0, 1, 2), (0, 2, 3), (1, 2, 3)):
        voxels = brain.directions[brain.crossings >= least]
        cosine = torch.sum(voxels[:, first] * voxels[:, second], dim=-1).abs()
        assert torch.rad2deg(torch.arccos(cosine.max())) >= 25 - 1e-2


def test_deep_white_matter_has_one_two_and_three_fibres_at_all_angles(brain):
    deep = brain.fractions[..., 2] > 0.9
    shares = torch.bincount(brain.crossings[deep].long(), minlength=4) / deep.sum()
    assert shares[0] < 0.01
    assert 0.3 < shares[1] < 0.7
    assert shares[3] > 0.01
    two = brain.directions[brain.crossings >= 2]
    angles = torch.rad2deg(torch.arccos(torch.sum(two[:, 0] * two[:, 1], dim=-1).abs().clamp(max=1)))
    assert torch.all(torch.histc(angles, 5, 25, 90) > 0.08 * len(angles))


def test_fibres_meet_the_cortex_rather_at_right_angles(brain):
    """The direction across the border of grey and white matter is that in which the share of white matter changes."""
    slope = torch.stack(torch.gradient(brain.fractions[..., 2]), dim=-1)
    border = (brain.fractions[..., 1] > 0.3) & (brain.fractions[..., 2] > 0.3) & (slope.norm(dim=-1) > 0.3)
    cosine = torch.nn.functional.cosine_similarity(slope[border], brain.directions[border][:, 0], dim=-1).abs()
    assert cosine.mean() > 0.65  # of random directions: 0.5


def test_anatomy_is_in_world_coordinates(brain):
    """Ventricles on both sides under the callosum, whose fibres cross the midline; the brainstem is below."""
    x, y, _ = (brain.affine @ [*(np.array(brain.mask.shape) - 1) / 2, 1])[:3]
    column = at(brain, x, y + 13, 0)
    half = round(9 / brain.affine[0, 0])
    top = {}
    for side in (-1, 1):
        fluid = brain.fractions[column[0] + side * half, column[1] - 2 : column[1] + 3, :, 0] > 0.5
        heights = torch.nonzero(fluid.any(dim=0))[:, 0]
        middle = at(brain, 0, 0, 14)[2]
        top[side] = heights[(heights - middle).abs() <= 6].max()
    across = brain.directions[..., 0, 0].abs() * brain.fractions[..., 2]
    above = across[column[0] - 1 : column[0] + 2, column[1], min(top.values()) : max(top.values()) + 6]
    assert above.max() > 0.7
    assert brain.mask[at(brain, 0, -25, -30)]
    assert not brain.mask[at(brain, 0, 55, -60)]
    assert brain.fractions[at(brain, 0, -25, -30)][2] > 0.8


def test_a_seed_is_one_brain_on_any_grid():
    coarse = simulate_brain((26, 32, 26), seed=4, voxel_size=6.0)
    fine = simulate_brain((52, 64, 52), seed=4, voxel_size=3.0)
    assert fine.affine[:3, 3] == pytest.approx(coarse.affine[:3, 3] - 1.5)
    averaged = fine.mask.float().reshape(26, 2, 32, 2, 26, 2).mean(dim=(1, 3, 5))
    agree = (averaged > 0.5) == coarse.mask
    assert agree.float().mean() > 0.97
    white = fine.fractions[..., 2].reshape(26, 2, 32, 2, 26, 2).mean(dim=(1, 3, 5))
    assert torch.corrcoef(torch.stack([white.flatten(), coarse.fractions[..., 2].flatten()]))[0, 1] > 0.85


def test_seed_decides():
    first, again, other = (simulate_brain((20, 24, 20), seed=seed) for seed in (2, 2, 3))
    for name in ("fractions", "directions", "fibre_fractions", "mask", "lesions"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.fractions, other.fractions)


@pytest.mark.parametrize("seed", range(4))
def test_the_brain_fills_the_grid_by_default(seed):
    brain = simulate_brain((30, 36, 30), seed=seed)
    inside = torch.nonzero(brain.mask)
    assert torch.any(inside.amax(dim=0) - inside.amin(dim=0) >= 0.85 * torch.tensor(brain.mask.shape))
    borders = [brain.mask.select(axis, side) for axis in (0, 1) for side in (0, -1)]
    assert sum(int(border.sum()) for border in borders) < 0.02 * len(inside)


def test_slices_may_be_thick():
    flat = simulate_brain((38, 47, 20), seed=1, voxel_size=(4.0, 4.0, 8.0))
    cubes = simulate_brain((38, 47, 40), seed=1, voxel_size=4.0)
    assert flat.affine.diagonal() == pytest.approx([4, 4, 8, 1])
    assert flat.mask.sum() * 2 == pytest.approx(int(cubes.mask.sum()), rel=0.03)


def test_lesions_are_in_white_matter_and_change_nothing_else():
    shape = shape_around_brain(4.0)
    healthy, ill, worse = (simulate_brain(shape, seed=1, voxel_size=4.0, lesions=count) for count in (0, 3, 12))
    assert healthy.lesions.count_nonzero() == 0
    assert 0 < ill.lesions.sum() < worse.lesions.sum()
    assert worse.lesions.max() == 1
    assert torch.all(worse.fractions[worse.lesions > 0][:, 2] > 0)
    assert torch.all(worse.lesions >= ill.lesions)
    assert torch.equal(ill.segmentation, healthy.segmentation)
    assert torch.equal(ill.directions, healthy.directions)


def test_deep_grey_matter_has_few_fibres(brain):
    """Somewhere left and right of the third ventricle lies the thalamus: grey, with some white matter in it."""
    middle = at(brain, 0, -18, 6)
    half = round(11 / brain.affine[0, 0])
    for side in (-1, 1):
        place = middle[0] + side * half
        around = brain.fractions[place - 1 : place + 2, middle[1] - 1 : middle[1] + 2, middle[2] - 1 : middle[2] + 2]
        thalamus = around[(around[..., 1] > 0.5) & (around[..., 2] > 0.2)]
        assert len(thalamus) >= 5
        assert thalamus[:, 2].max() < 0.5


def test_moving_to_a_device_moves_every_tensor():
    brain = simulate_brain((16, 16, 16)).to("meta")
    for name in ("fractions", "directions", "fibre_fractions", "mask", "lesions"):
        assert getattr(brain, name).device.type == "meta"
    assert isinstance(brain.affine, np.ndarray)
