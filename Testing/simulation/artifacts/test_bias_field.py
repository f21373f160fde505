import math

import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.bias_field import LARGEST_COEFFICIENT, TERMS, BiasField


def test_terms_are_all_of_degree_one_to_three():
    assert len(set(TERMS)) == 19
    assert {sum(powers) for powers in TERMS} == {1, 2, 3}


@pytest.mark.parametrize("powers", [(1, 0, 0), (0, 2, 0), (1, 1, 1), (0, 0, 3), (2, 0, 1)])
def test_a_term_is_the_exponential_of_a_power(powers, make_acquisition):
    clean = make_acquisition(torch.full((2, 4, 4, 4), 10.0))
    field = BiasField(tuple(0.4 if term == powers else 0.0 for term in TERMS))
    at = (0, 2, 3)
    # Voxel centres of four lie at -0.75, -0.25, 0.25 and 0.75.
    value = math.prod((-0.75, -0.25, 0.25, 0.75)[index] ** power for index, power in zip(at, powers, strict=True))
    assert field(clean).signal[1][at].item() == pytest.approx(10 * math.exp(0.4 * value), rel=1e-5)


def test_it_cancels_in_the_ratio_to_b0(make_acquisition):
    clean = make_acquisition()
    drawn = BiasField.draw(clean, torch.Generator().manual_seed(0))
    shaded = drawn(clean).signal
    assert all(abs(factor) <= LARGEST_COEFFICIENT for factor in drawn.coefficients)
    inside = clean.mask
    torch.testing.assert_close((shaded[5] / shaded[0])[inside], (clean.signal[5] / clean.signal[0])[inside])
    ratio = (shaded[0] / clean.signal[0])[inside]
    assert ratio.max() / ratio.min() > 1.5
