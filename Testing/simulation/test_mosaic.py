from dataclasses import replace

import pytest
import torch

from DMRIPretrainLib.simulation.mosaic import DEFAULT_PRIOR, VoxelPrior, draw_prior, draw_voxels, simulate_mosaic
from DMRIPretrainLib.simulation.phantom import MIN_FIBRE_FRACTION

COUNT = 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counted(fractions: torch.Tensor, fibre_fractions: torch.Tensor, least: float = MIN_FIBRE_FRACTION) -> torch.Tensor:
    """Number of populations of each voxel, as ``Phantom.crossings`` counts."""
    return (fibre_fractions * fractions[:, 2:] >= least).sum(dim=1)


def angles(directions: torch.Tensor) -> torch.Tensor:
    """(V, 3) degrees between the populations 0-1, 0-2 and 1-2 as axes, NaN where one is absent."""
    cosine = torch.einsum("vic,vjc->vij", directions, directions).abs().clamp(max=1)
    degrees = torch.rad2deg(torch.acos(cosine))
    present = directions.norm(dim=2) > 0.5
    both = present[:, :, None] & present[:, None]
    first, second = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2])
    return torch.where(both, degrees, torch.nan)[:, first, second]


@pytest.mark.parametrize("counts", [DEFAULT_PRIOR.counts, (0.0, 1.0, 0.0, 0.0), (0.1, 0.1, 0.1, 0.7)])
def test_as_many_fibres_as_the_prior_says(counts):
    fractions, _, shares = draw_voxels(COUNT, seeded(), VoxelPrior(counts))
    found = torch.bincount(counted(fractions, shares), minlength=4) / COUNT
    torch.testing.assert_close(found, torch.tensor(counts), atol=0.012, rtol=0)


def test_every_population_is_counted_or_there_is_none():
    """A second or third population too small to count would make the truth ambiguous."""
    fractions, directions, shares = draw_voxels(COUNT, seeded(1))
    number = counted(fractions, shares)
    present = (shares > 0).sum(dim=1)
    assert torch.equal(number[number > 0], present[number > 0])
    assert (present[number == 0] <= 1).all()
    assert torch.equal((directions.norm(dim=2) > 0.5).sum(dim=1), present)


def test_shares_are_those_of_tissue():
    fractions, _, shares = draw_voxels(COUNT, seeded(2))
    assert fractions.min() >= 0
    torch.testing.assert_close(fractions.sum(dim=1), torch.ones(COUNT))
    assert shares.min() >= 0
    assert (shares.diff(dim=1) <= 0).all()
    torch.testing.assert_close(shares.sum(dim=1), (fractions[:, 2] > 0).float())
    number = counted(fractions, shares)
    white = fractions[:, 2]
    none = white[number == 0]
    assert none.max() < DEFAULT_PRIOR.least_share
    assert (none == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    for populations in (1, 2, 3):
        assert white[number == populations].min() >= DEFAULT_PRIOR.least_share * populations - 1e-6
        assert white[number == populations].max() > 0.99
    # What is not white matter is grey, fluid or both.
    fluid = fractions[:, 0] / (1 - white)
    for low, high in ((-0.01, 0.0), (0.001, 0.999), (0.9999, 1.01)):
        assert ((fluid >= low) & (fluid <= high)).float().mean() > 0.1


def test_directions_are_even_unit_vectors():
    _, directions, shares = draw_voxels(COUNT, seeded(3))
    lengths = directions.norm(dim=2)
    torch.testing.assert_close(lengths, (shares > 0).float())
    for fibre in range(3):
        vectors = directions[lengths[:, fibre] > 0.5, fibre]
        torch.testing.assert_close(vectors.mean(dim=0), torch.zeros(3), atol=0.03, rtol=0)
        torch.testing.assert_close(vectors.T @ vectors / len(vectors), torch.eye(3) / 3, atol=0.02, rtol=0)


@pytest.mark.parametrize("least", [25.0, 35.0])
def test_populations_keep_the_least_angle(least):
    prior = VoxelPrior((0.0, 0.0, 0.5, 0.5), least_angle=least)
    between = angles(draw_voxels(COUNT, seeded(4), prior)[1])
    found = between[~between.isnan()]
    assert found.min() > least - 0.05
    assert found.min() < least + 0.5


def test_three_populations_may_be_kept_farther_apart():
    prior = VoxelPrior((0.0, 0.0, 0.5, 0.5), least_angle=30.0, least_angle_of_three=55.0)
    _, directions, shares = draw_voxels(COUNT, seeded(4), prior)
    between = angles(directions)
    three = (shares > 0).all(dim=1)
    # Where so few places are left, some are not found.
    assert (between[three].amin(dim=1) > 54.9).float().mean() > 0.9
    two = between[~three, 0]
    assert 29.9 < two.min() < 30.5


def test_populations_are_alike_as_often_as_asked():
    for share in (0.0, 1.0):
        prior = VoxelPrior((0.0, 0.0, 0.0, 1.0), alike=share)
        _, tissue = simulate_mosaic((10, 10, 10), seeded(8), 1, prior)
        same = (tissue.dispersion.diff(dim=1) == 0).all(dim=1)
        assert same.float().mean() == share


def test_white_matter_fills_voxels_as_asked():
    means = [draw_voxels(COUNT, seeded(5), VoxelPrior(white_power=power))[0][:, 2].mean() for power in (1.0, 0.3, 0.1)]
    assert means[0] < means[1] - 0.05 < means[2] - 0.1


def test_priors_differ_and_can_all_be_drawn():
    priors = [draw_prior(seeded(seed)) for seed in range(60)]
    assert all(sum(prior.counts) == pytest.approx(1, abs=1e-5) for prior in priors)
    assert 5 <= sum(prior.counts[0] == 0 for prior in priors) <= 25
    assert {prior.fibres is None for prior in priors} == {True, False}
    assert len({prior.alike for prior in priors}) > 20
    for name in ("least_angle", "least_share", "even_angles", "least_angle_of_three", "white_power"):
        values = [getattr(prior, name) for prior in priors]
        assert max(values) > min(values) * 1.2, name
    for prior in priors[:10]:
        fractions, _, shares = draw_voxels(500, seeded(1), prior)
        found = torch.bincount(counted(fractions, shares, prior.least_share - 1e-6), minlength=4) / 500
        torch.testing.assert_close(found, torch.tensor(prior.counts), atol=0.08, rtol=0)
    assert draw_prior(seeded(3)) == draw_prior(seeded(3))


def test_angles_are_even_or_those_of_even_directions():
    for share, below_45 in ((1.0, 20 / 65), (0.0, (0.9063 - 0.7071) / 0.9063)):
        prior = VoxelPrior((0.0, 0.0, 1.0, 0.0), even_angles=share)
        between = angles(draw_voxels(COUNT, seeded(5), prior)[1])[:, 0]
        assert (between < 45).float().mean().item() == pytest.approx(below_45, abs=0.015)


def test_the_least_share_is_respected():
    fractions, _, shares = draw_voxels(COUNT, seeded(6), VoxelPrior((0.0, 0.3, 0.4, 0.3), least_share=0.25))
    parts = shares * fractions[:, 2:]
    assert parts[shares > 0].min() >= 0.25 - 1e-6
    assert parts[shares > 0].min() < 0.251


@pytest.mark.parametrize("change", [{"least_share": 0.4}, {"least_share": -0.1}, {"least_angle": 40.0}])
def test_what_cannot_be_drawn_is_refused(change):
    with pytest.raises(ValueError, match="expected 0 to"):
        replace(DEFAULT_PRIOR, **change)


def test_equal_seeds_draw_equal_voxels():
    first, again, other = (draw_voxels(10, seeded(seed)) for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_the_truth_of_a_mosaic_counts_what_was_drawn():
    phantom, _ = simulate_mosaic((20, 20, 20), seeded(9), 1, VoxelPrior((0.0, 0.0, 1.0, 0.0)))
    assert (phantom.crossings == 2).all()
    assert phantom.mask.all()
    assert phantom.fractions.dtype == phantom.directions.dtype == torch.float32
    assert phantom.lesions.abs().max() == 0
    lengths = phantom.peaks.norm(dim=-1)
    assert (lengths[..., :2] >= MIN_FIBRE_FRACTION - 1e-6).all()
    assert (lengths[..., 2] == 0).all()


@pytest.mark.parametrize("block", [1, 3, 4])
def test_blocks_are_equal_inside_and_unlike_their_neighbours(block):
    size = 11
    phantom, tissue = simulate_mosaic((size, size, size), seeded(10), block)
    values = [value for value in vars(tissue).values() if isinstance(value, torch.Tensor)]
    assert len(values) == 7
    volumes = [phantom.fractions, phantom.directions.flatten(3), phantom.fibre_fractions]
    volumes += [value.reshape(size, size, size, -1) for value in values]
    everything = torch.cat(volumes, dim=-1)
    for axis in range(3):
        same = (everything.diff(dim=axis) == 0).all(dim=-1).movedim(axis, 0).flatten(1)
        # Neighbours are all equal in a plane, or all different.
        assert torch.equal(same.all(dim=1), same.any(dim=1))
        borders = torch.nonzero(~same.any(dim=1))[:, 0]
        assert (borders.diff() == block).all()
        assert borders[0] < block
        assert size - 1 - borders[-1] <= block


def test_a_block_may_be_larger_than_the_volume():
    for seed in range(5):
        phantom, tissue = simulate_mosaic((3, 4, 2), seeded(seed), 50)
        assert phantom.mask.shape == (3, 4, 2)
        assert tissue.dispersion.shape == (24, 3)
        assert tissue.gm_diffusivity.shape == (24,)


def test_blocks_begin_anywhere():
    first_borders = set()
    for seed in range(30):
        fractions = simulate_mosaic((8, 1, 1), seeded(seed), 4)[0].fractions[:, 0, 0]
        first_borders.add(int(torch.nonzero(fractions.diff(dim=0).any(dim=1))[0]))
    assert first_borders == {0, 1, 2, 3}


def test_equal_seeds_give_equal_mosaics():
    first, again, other = (simulate_mosaic((6, 5, 4), seeded(seed), 2) for seed in (11, 11, 12))
    assert torch.equal(first[0].directions, again[0].directions)
    assert torch.equal(first[1].stick_fraction, again[1].stick_fraction)
    assert first[1].b0_signal == again[1].b0_signal
    assert not torch.equal(first[0].directions, other[0].directions)


def test_populations_of_a_voxel_are_often_alike():
    _, tissue = simulate_mosaic((20, 20, 20), seeded(13))
    for value in (tissue.parallel_diffusivity, tissue.dispersion):
        alike = (value == value[:, :1]).all(dim=1)
        assert alike.float().mean().item() == pytest.approx(0.5, abs=0.03)
