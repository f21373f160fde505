import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.artifacts import draws


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_numbers_lie_in_their_range(generator):
    values = [draws.uniform(generator, -2, 3) for _ in range(2000)]
    assert -2 <= min(values) < -1.98
    assert 2.98 < max(values) <= 3
    logs = np.log([draws.log_uniform(generator, 1, 100) for _ in range(2000)])
    assert np.mean(logs) == pytest.approx(np.log(10), rel=0.05)
    assert {draws.integer(generator, 2, 4) for _ in range(50)} == {2, 3, 4}
    assert {draws.sign(generator) for _ in range(20)} == {-1, 1}


def test_some_is_at_least_one_and_at_most_the_share(generator):
    counts = [len(draws.some(generator, range(40), 0.25)) for _ in range(200)]
    assert (min(counts), max(counts)) == (1, 10)
    assert draws.some(generator, [7], 0.01) == (7,)
    assert draws.some(generator, [], 0.5) == draws.some(generator, [1, 2], 0.0) == ()
    assert set(draws.some(generator, [3, 9, 27], 1.0)) <= {3, 9, 27}
