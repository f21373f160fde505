import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.bundles import Bundle
from DMRIPretrainLib.simulation.fibres import merge_populations
from DMRIPretrainLib.simulation.tracts import brain_bundles


def test_weight_falls_with_the_distance_to_the_nearest_curve():
    bundle = Bundle.along(
        [[(0, 0, 0), (0, 20, 0), (0, 40, 0)], [(30, 0, 0), (30, 20, 0), (30, 40, 0)]], 5.0, weight=0.7
    )
    generator = torch.Generator().manual_seed(0)
    positions = torch.rand((400, 3), generator=generator) * torch.tensor([50.0, 36.0, 16.0]) + torch.tensor(
        [-10, 2, -8]
    )
    weights, directions = bundle.at(positions)
    across = torch.minimum(positions[:, 0].abs(), (positions[:, 0] - 30).abs())
    expected = 0.7 * torch.exp(-((torch.hypot(across, positions[:, 2]) / 5) ** 4))
    torch.testing.assert_close(weights, torch.where(weights > 0, expected, weights), atol=0.04, rtol=0)
    assert torch.all(weights[expected > 0.07] > 0)
    assert torch.all(weights[expected < 0.03] == 0)
    assert directions[weights > 0][:, 1].abs().min() > 0.999


def test_nearest_point_is_that_of_an_exhaustive_search():
    bundle = Bundle.along([[(0, 0, 0), (10, 25, 5), (30, 30, 20), (60, 0, 30)]], 6.0)
    positions = torch.rand((500, 3), generator=torch.Generator().manual_seed(1)) * 60
    places, distance, index = bundle.nearest(positions, 9.0)
    closest, which = torch.cdist(positions, bundle.points).min(dim=1)
    assert torch.equal(places, (closest <= 9).nonzero()[:, 0])
    torch.testing.assert_close(distance, closest[places], atol=1e-3, rtol=0)
    assert torch.equal(index, which[places])


def test_points_are_close_and_tangents_run_along_the_curve():
    bundle = Bundle.along([[(0, 0, 0), (0, 30, 30), (60, 60, 0)]], 4.0)
    steps = torch.diff(bundle.points, dim=0)
    assert steps.norm(dim=1).max() < 3.0
    cosine = torch.nn.functional.cosine_similarity(steps, bundle.tangents[:-1], dim=1)
    assert cosine.min() > 0.99


def test_close_populations_merge_into_the_larger():
    def along(degrees: float) -> list[float]:
        return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0.0]

    directions = torch.tensor([[along(0), along(20), along(60), [0.0, 0.0, 1.0]]])
    chosen, fractions = merge_populations(directions, torch.tensor([[1.0, 0.8, 0.9, 0.3]]))
    torch.testing.assert_close(fractions[0], torch.tensor([1.8, 0.9, 0.3]) / 3.0)
    torch.testing.assert_close(chosen[0], directions[0, [0, 2, 3]])


def test_no_weight_is_no_fibre():
    chosen, fractions = merge_populations(torch.eye(3)[None], torch.tensor([[0.0, 2.0, 0.0]]))
    assert fractions[0].tolist() == [1, 0, 0]
    assert chosen[0].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert merge_populations(torch.eye(3)[None], torch.zeros(1, 3))[1].count_nonzero() == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_callosum_crosses_the_midline(seed):
    callosum = brain_bundles(torch.Generator().manual_seed(seed))[0]
    middle = callosum.points[:, 0].abs() < 2
    assert middle.sum() >= 20
    assert callosum.tangents[middle][:, 0].abs().min() > 0.9
