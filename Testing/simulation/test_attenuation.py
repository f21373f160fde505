import numpy as np
import pytest
import torch

from DMRIPretrainLib.simulation.attenuation import fibre_attenuation, parallel_attenuation
from DMRIPretrainLib.simulation.microstructure import Microstructure

COSINE = torch.linspace(-1, 1, 81)[None]


def watson_mean(bvalue: float, tissue: Microstructure) -> np.ndarray:
    """Signal of parallel fibres averaged over a Watson distribution on the sphere, by brute force."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    azimuth = 2 * np.pi * (np.arange(200) + 0.5) / 200
    density = weights * np.exp((nodes**2 - 1) / np.tan(np.pi / 2 * tissue.dispersion))
    means = []
    for cosine in COSINE[0].double().tolist():
        along = nodes[:, None] * cosine + np.sqrt((1 - nodes[:, None] ** 2) * (1 - cosine**2)) * np.cos(azimuth)
        signal = parallel_attenuation(torch.from_numpy(along**2), bvalue, tissue).numpy().mean(axis=1)
        means.append(density @ signal / density.sum())
    return np.array(means)


def test_parallel_fibres_in_closed_form():
    tissue = Microstructure(2e-3, 0.6, 0.5e-3)
    across, along = parallel_attenuation(torch.tensor([0.0, 1.0]), 1000.0, tissue).tolist()
    assert across == pytest.approx(0.6 + 0.4 * np.exp(-0.5))
    assert along == pytest.approx(np.exp(-2))


@pytest.mark.parametrize("dispersion", [0.02, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("bvalue", [1000.0, 5000.0])
def test_dispersed_fibres_are_the_mean_over_a_watson_distribution(bvalue, dispersion):
    for tissue in (Microstructure(dispersion=dispersion), Microstructure(2.0e-3, 1.0, 0.0, dispersion)):
        found = fibre_attenuation(COSINE, bvalue, tissue)[0]
        np.testing.assert_allclose(found, watson_mean(bvalue, tissue), atol=2e-6)


@pytest.mark.parametrize(
    ("diffusivity", "bvalue", "error"), [(2e-3, 3000.0, 1e-5), (2e-3, 5000.0, 2e-5), (3e-3, 5000.0, 4e-4)]
)
def test_the_narrowest_distribution_is_that_of_nearly_parallel_sticks(diffusivity, bvalue, error):
    tissue = Microstructure(diffusivity, 1.0, 0.0, 0.00501)
    np.testing.assert_allclose(fibre_attenuation(COSINE, bvalue, tissue)[0], watson_mean(bvalue, tissue), atol=error)


def test_no_dispersion_is_the_direct_formula_and_little_is_near_it():
    tissue = Microstructure(dispersion=0.005)
    direct = parallel_attenuation(COSINE.square(), 2000.0, tissue)
    assert torch.equal(fibre_attenuation(COSINE, 2000.0, tissue), direct)
    little = fibre_attenuation(COSINE, 2000.0, Microstructure(dispersion=0.0051))
    assert 1e-4 < (little - direct).abs().max() < 0.03


def test_populations_with_and_without_dispersion_go_together():
    dispersion = torch.tensor([[0.0], [0.1], [0.4]])
    together = fibre_attenuation(COSINE.expand(3, -1), 1500.0, Microstructure(dispersion=dispersion))
    for row, value in zip(together[1:], dispersion[1:, 0].tolist(), strict=True):
        torch.testing.assert_close(row[None], fibre_attenuation(COSINE, 1500.0, Microstructure(dispersion=value)))
    alone = fibre_attenuation(COSINE, 1500.0, Microstructure(dispersion=0.0))
    torch.testing.assert_close(together[:1], alone, atol=0.02, rtol=0)


def test_dispersion_takes_contrast_away_step_by_step():
    dispersions = [0.0, 0.02, 0.1, 0.2, 0.4, 0.7, 1.0]
    across, along = torch.cat(
        [fibre_attenuation(torch.tensor([[0.0, 1.0]]), 2000.0, Microstructure(dispersion=d)) for d in dispersions]
    ).T
    assert (across.diff() < 0).all()
    assert (along.diff() > 0).all()
    assert across[-1].item() == pytest.approx(along[-1].item(), abs=1e-6)  # no direction is left


def test_the_signal_falls_with_the_bvalue_and_is_symmetric():
    tissue = Microstructure(dispersion=0.15)
    signals = torch.cat([fibre_attenuation(COSINE, b, tissue) for b in (0.0, 500.0, 1000.0, 3000.0, 5000.0)])
    torch.testing.assert_close(signals[0], torch.ones(81))
    assert (signals.diff(dim=0) < 0).all()
    torch.testing.assert_close(signals, signals.flip(1))


def test_attenuation_stays_between_zero_and_one():
    """At b = 5000 a narrow dip would swing below zero."""
    for dispersion in (0.0, 0.00501, 0.02, 0.3, 1.0):
        for bvalue in (0.0, 1000.0, 5000.0):
            found = fibre_attenuation(COSINE, bvalue, Microstructure(3e-3, 1.0, 0.0, dispersion))
            assert found.min() >= 0
            assert found.max() <= 1 + 1e-6


def test_no_populations_have_no_signal():
    tissue = Microstructure(dispersion=torch.zeros(0, 1))
    assert fibre_attenuation(torch.zeros(0, 7), 1000.0, tissue).shape == (0, 7)


@pytest.mark.gpu
def test_a_gpu_computes_the_same():
    tissue = Microstructure(dispersion=torch.tensor([[0.1], [0.3]]))
    expected = fibre_attenuation(COSINE.expand(2, -1), 3000.0, tissue)
    found = fibre_attenuation(COSINE.expand(2, -1).cuda(), 3000.0, tissue.to("cuda"))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)
