import numpy as np
import pytest
import torch

from DMRIPretrainLib.qspace.harmonics import coefficient_orders, evaluation_matrix, rotation_matrix
from DMRIPretrainLib.qspace.neighbours import average_alike
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.training.cube import turn_volume

SHAPE = (9, 8, 10)
INTERIOR = (slice(1, -1),) * 3
#: Of the noise of the orders 0, 2, 4 and 6; the same within an order.
VARIANCE = torch.tensor([4e-3, 2e-3, 1e-3, 5e-4])[torch.as_tensor(coefficient_orders(6) // 2)][None]


def fibre(direction: list[float]) -> torch.Tensor:
    """(1, 28, 1, 1, 1) fODF of a lone fibre."""
    axis = np.asarray(direction) / np.linalg.norm(direction)
    damping = np.exp(-0.02 * coefficient_orders(6) * (coefficient_orders(6) + 1.0))
    return torch.tensor(evaluation_matrix(axis[None], 6)[0] * damping, dtype=torch.float32).reshape(1, 28, 1, 1, 1)


FIBRE = fibre([0.6, -0.48, 0.64])


def noise_of(variance: torch.Tensor, shape=SHAPE, seed: int = 0) -> torch.Tensor:
    """(1, 28, X, Y, Z) independent noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 28, *shape, generator=generator) * variance.sqrt()[..., None, None, None]


def noisy(truth: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return truth + noise_of(VARIANCE, seed=seed)


def averaged(fodf: torch.Tensor, variance: torch.Tensor = VARIANCE) -> torch.Tensor:
    """With the same noise everywhere."""
    return average_alike(fodf, variance, torch.ones_like(fodf[:, 0]))


def size(difference: torch.Tensor) -> float:
    """Root mean square of the orders above 0."""
    return difference[:, 1:].square().mean().sqrt().item()


def expected_gain(voxels: int) -> float:
    """By how much noise falls, where a voxel's own weight is 1 and those of the others do not depend on its noise.

    A weight is 1 below the expected distance, exp(-z / 2) where that is z > 0 standard deviations above it, z normal:
    on average 0.850, and its square 0.762.
    """
    z = np.random.default_rng(0).normal(size=100_000)
    weight = np.exp(-np.maximum(z, 0) / 2)
    others = voxels - 1
    return (1 + others * weight.mean()) / np.sqrt(1 + others * np.square(weight).mean())


def test_noise_falls_by_nearly_the_root_of_the_number_of_voxels():
    before = noisy(FIBRE)
    after = averaged(before)
    gain = size(before - FIBRE) / size((after - FIBRE)[..., *INTERIOR])
    assert expected_gain(27) == pytest.approx(5.07, abs=0.01)  # a plain mean: 5.2
    # The weights do depend on the voxel's noise, a little.
    assert 0.95 * expected_gain(27) < gain < expected_gain(27)
    corners = (after - FIBRE)[:, :, ::7, ::7, ::9]  # of a block of 9 x 8 x 10, and some on its faces
    assert 0.85 * expected_gain(8) < size(before - FIBRE) / size(corners) < expected_gain(18)


def test_every_order_gains_alike():
    before = noisy(FIBRE, seed=1)
    after = averaged(before)
    for order in (2, 4, 6):
        of_order = torch.as_tensor(coefficient_orders(6) == order)
        left = (after - FIBRE)[:, of_order][..., *INTERIOR].square().mean().sqrt()
        assert left < (before - FIBRE)[:, of_order].square().mean().sqrt() / 4.5


def test_like_neighbours_without_noise_stay_what_they_are():
    truth = FIBRE.expand(1, 28, *SHAPE)
    torch.testing.assert_close(averaged(truth), truth)


def test_order_zero_is_not_touched():
    fodf = noisy(FIBRE)
    assert torch.equal(averaged(fodf)[:, 0], fodf[:, 0])


def test_other_fibres_are_left_out():
    """Two bundles 60 degrees apart: at their border each voxel is averaged with its own side alone."""
    other = fibre([0.6 * 0.5 + 0.8 * np.sqrt(0.75), -0.48 * 0.5 + 0.6 * np.sqrt(0.75), 0.64 * 0.5])
    truth = FIBRE.expand(1, 28, *SHAPE).clone()
    truth[:, :, 5:] = other
    before = noisy(truth)
    after = averaged(before)
    alone = averaged(before[:, :, :5])
    torch.testing.assert_close(after[:, :, :5], alone, atol=1e-4, rtol=1e-3)
    border = (..., slice(4, 6), *INTERIOR[1:])
    assert size((after - truth)[border]) < size((before - truth)[border]) / (0.9 * expected_gain(18))
    # A plain mean of 27 would take a third from the other side.
    assert size(truth[:, :, 5:] - truth[:, :, 4:5]) / 3 > 5 * size((after - truth)[border])


def test_an_odd_voxel_stays_odd():
    truth = FIBRE.expand(1, 28, *SHAPE).clone()
    truth[..., 4, 4, 4] = fibre([1, 1, -1])[..., 0, 0, 0]
    before = noisy(truth)
    after = averaged(before)
    torch.testing.assert_close(after[..., 4, 4, 4], before[..., 4, 4, 4], atol=1e-4, rtol=1e-3)
    assert size((after - truth)[..., 3:6, 3:6, 3]) < size(before - truth) / 3


def test_the_brain_is_averaged_as_if_there_were_nothing_else():
    brain = noisy(FIBRE)
    whole = torch.zeros(1, 28, 13, 12, 14)
    inside = (..., slice(2, 11), slice(1, 9), slice(3, 13))
    whole[inside] = brain
    outside = torch.ones_like(whole, dtype=torch.bool)
    outside[inside] = False
    after = averaged(whole)
    torch.testing.assert_close(after[inside], averaged(brain))
    assert torch.all(after[outside] == 0)


def test_items_of_a_batch_do_not_see_each_other():
    first, second = noisy(FIBRE), noisy(fibre([0, 1, 1]), seed=1)
    variance = torch.cat([VARIANCE, 0.25 * VARIANCE])
    noise = 1 + torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    both = average_alike(torch.cat([first, second]), variance, noise)
    for index, item in enumerate((first, second)):
        alone = average_alike(item, variance[index : index + 1], noise[index : index + 1])
        torch.testing.assert_close(both[index], alone[0])
    assert not torch.allclose(average_alike(second, VARIANCE, noise[1:]), both[1:], atol=1e-3)


def test_orders_that_were_not_measured_stay_zero_and_count_for_nothing():
    measured = torch.as_tensor(coefficient_orders(6) <= 2)[None]
    fodf = noisy(FIBRE) * measured[..., None, None, None]
    after = averaged(fodf, VARIANCE * measured)
    assert torch.all(after[:, 6:] == 0)
    gain = size((fodf - FIBRE)[:, :6]) / size((after - FIBRE)[:, :6][..., *INTERIOR])
    assert 0.9 * expected_gain(27) < gain < 1.05 * expected_gain(27)


def test_without_noise_nothing_is_averaged():
    """All differences are real, whatever they are."""
    fodf = noisy(FIBRE)
    assert torch.equal(averaged(fodf, torch.zeros_like(VARIANCE)), fodf)


def test_more_noise_explains_more():
    """A voxel with four times the noise is averaged where that is known, and taken for another fibre where not."""
    noise = torch.ones(1, *SHAPE)
    noise[:, 1::3, 1::3, 1::3] = 4.0
    before = FIBRE + noise_of(VARIANCE) * noise[:, None]
    odd = (..., slice(1, -1, 3), slice(1, -1, 3), slice(1, -1, 3))
    known, unknown = average_alike(before, VARIANCE, noise), averaged(before)
    # A plain mean of a variance of 16 and 26 of 1 would make it 16.7 times less.
    assert 0.8 * 16.7 < size((before - FIBRE)[odd]) / size((known - FIBRE)[odd]) < 16.7
    torch.testing.assert_close(unknown[odd], before[odd], atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize(
    "matrix", [np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0], -np.eye(3)[[1, 0, 2]]]
)
def test_averaging_commutes_with_turning_the_coefficients(matrix):
    turn = torch.tensor(rotation_matrix(matrix, 6), dtype=torch.float32)

    def turned(fodf: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,bjxyz->bixyz", turn, fodf)

    fodf = noisy(FIBRE)
    torch.testing.assert_close(averaged(turned(fodf)), turned(averaged(fodf)), atol=1e-5, rtol=1e-4)
    assert size(turned(fodf) - fodf) > 0.1


@pytest.mark.parametrize("index", [*range(1, 48, 7), 47])
def test_no_side_of_a_voxel_is_favoured(index):
    """Averaging commutes with flipping and exchanging axes, and steps reach as far along each of them."""
    matrix = cube_symmetries()[index]
    fodf = noisy(FIBRE)
    noise = 1 + torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    after = turn_volume(average_alike(fodf, VARIANCE, noise), matrix)
    again = average_alike(turn_volume(fodf, matrix), VARIANCE, turn_volume(noise, matrix))
    torch.testing.assert_close(again, after, atol=1e-5, rtol=1e-4)


def test_neighbours_are_the_26_around():
    """A change shows in the 3 x 3 x 3 voxels around it and nowhere else."""
    fodf = noisy(FIBRE)
    changed = fodf.clone()
    changed[..., 4, 4, 4] += 0.3 * VARIANCE[0].sqrt()
    difference = (averaged(changed) - averaged(fodf))[0, 1:].abs().amax(dim=0)
    reached = torch.zeros(SHAPE, dtype=torch.bool)
    reached[3:6, 3:6, 3:6] = True
    assert torch.all(difference[reached] > 1e-5)
    assert torch.all(difference[~reached] == 0)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 2), (2, 1, 1)])
def test_thin_blocks(shape):
    fodf = FIBRE + noise_of(VARIANCE, shape)
    after = averaged(fodf)
    assert after.shape == fodf.shape
    assert torch.isfinite(after).all()
    assert torch.equal(after, fodf) == (shape == (1, 1, 1))


def test_its_input_stays_as_it_is():
    fodf = noisy(FIBRE)
    before = fodf.clone()
    averaged(fodf)
    assert torch.equal(fodf, before)
