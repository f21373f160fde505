import numpy as np
import pytest
import torch

from DMRIPretrainLib.evaluation.orientation import match_peaks
from DMRIPretrainLib.qspace.deconvolution import fodf_of_peaks, lobe
from DMRIPretrainLib.qspace.fibre_fit import FIT_CHANNELS, FIT_VECTORS, fit_fibres, fitted_fodf, fitted_vectors
from DMRIPretrainLib.qspace.harmonics import coefficient_orders, rotation_matrix
from DMRIPretrainLib.tasks.peaks import find_peaks

#: Share of the orders 0, 2, 4 and 6 that is left in the linear fODF, about that at b = 3000 and b = 1000.
HIGH_TRUST = torch.tensor([[0.998, 0.98, 0.88, 0.42]])
LOW_TRUST = torch.tensor([[0.99, 0.9, 0.5, 0.05]])
_ORDERS = torch.as_tensor(coefficient_orders(6) // 2)


def random_fibres(fibres: int, voxels: int, seed: int, least_angle: float = 35.0) -> torch.Tensor:
    """(V, fibres, 3) unit vectors at least some degrees apart x heights of 0.3 to 1."""
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    while len(kept) < voxels:
        drawn = rng.normal(size=(fibres, 3))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        cosines = np.abs(drawn @ drawn.T)[np.triu_indices(fibres, 1)]
        if np.all(cosines < np.cos(np.radians(least_angle))):
            kept.append(drawn * rng.uniform(0.3, 1.0, size=(fibres, 1)))
    return torch.tensor(np.array(kept), dtype=torch.float32)


def filtered(peaks: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """(1, 28, V, 1, 1) linear fODF of (V, K, 3) fibres without noise."""
    fodf = fodf_of_peaks(peaks)[:, :28] * trust[0, _ORDERS]
    return fodf.T[None, :, :, None, None]


def vectors_of(fit: torch.Tensor, count: int) -> np.ndarray:
    return fitted_vectors(fit[0, :, :, 0, 0].T, count).numpy()


@pytest.mark.parametrize(("fibres", "trust", "error"), [(1, LOW_TRUST, 1), (2, LOW_TRUST, 3), (3, HIGH_TRUST, 4)])
def test_fibres_are_found_without_noise(fibres, trust, error):
    """Directions to a few degrees, and amplitudes as they were; with far fewer peaks in the fODF itself."""
    peaks = random_fibres(fibres, 300, seed=fibres)
    found = vectors_of(fit_fibres(filtered(peaks, trust), trust), fibres)
    errors, missed, _ = match_peaks(found, peaks.numpy())
    assert np.nanmean(errors) < error
    assert not missed.any()
    lengths = np.linalg.norm(found, axis=2)
    assert np.all(np.diff(lengths, axis=1) <= 1e-6)
    expected = np.sort(peaks.norm(dim=2).numpy(), axis=1)[:, ::-1]
    assert np.abs(lengths - expected).mean() < 0.1


def test_near_fibres_are_told_apart_that_make_one_peak():
    """30 degrees apart, order 6: the fODF has a single broad lobe."""
    first = torch.tensor([1.0, 0.0, 0.0])
    angle = np.radians(30)
    second = torch.tensor([np.cos(angle), np.sin(angle), 0.0], dtype=torch.float32)
    peaks = torch.stack([0.6 * first, 0.4 * second])[None]
    linear = filtered(peaks, HIGH_TRUST)
    found = vectors_of(fit_fibres(linear, HIGH_TRUST), 2)
    errors, missed, _ = match_peaks(found, peaks.numpy())
    assert not missed.any()
    assert np.nanmax(errors) < 10
    assert np.any(find_peaks(linear[0, :, :, 0, 0].T.numpy())[:, 0])
    assert not np.any(find_peaks(linear[0, :, :, 0, 0].T.numpy())[:, 1])


def test_what_is_left_tells_how_many_there_are():
    """As many fibres as there are leave a small part of what one less leaves."""
    for fibres in (2, 3):
        fit = fit_fibres(filtered(random_fibres(fibres, 200, seed=7), HIGH_TRUST), HIGH_TRUST)[0, FIT_VECTORS:, :, 0, 0]
        left = fit.unflatten(0, (3, 4))[:, 1:].norm(dim=1)
        assert (left[fibres - 1] / left[fibres - 2]).median() < 0.3
        assert (left[1:] <= left[:-1] + 0.02).float().mean() > 0.95


def test_order_zero_is_left_alone():
    """Grey matter and CSF change it as they like."""
    linear = filtered(random_fibres(2, 50, seed=3), HIGH_TRUST)
    more = linear.clone()
    more[:, 0] += 0.7
    before, after = fit_fibres(linear, HIGH_TRUST), fit_fibres(more, HIGH_TRUST)
    torch.testing.assert_close(after[:, :FIT_VECTORS], before[:, :FIT_VECTORS])
    torch.testing.assert_close(after[:, FIT_VECTORS::4], more[:, :1].abs().expand(-1, 3, -1, -1, -1))


def test_the_fit_turns_with_the_head():
    peaks = random_fibres(2, 200, seed=11, least_angle=45)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn = torch.tensor(rotation_matrix(rotation, 6), dtype=torch.float32)
    linear = filtered(peaks, HIGH_TRUST)
    fit, moved = fit_fibres(linear, HIGH_TRUST), fit_fibres(torch.einsum("ij,bjxyz->bixyz", turn, linear), HIGH_TRUST)
    expected = vectors_of(fit, 2) @ rotation.T
    errors, missed, _ = match_peaks(vectors_of(moved, 2), expected)
    assert np.nanmean(errors) < 2
    assert not missed.any()
    spread = fit[0, FIT_VECTORS:].std()
    assert (moved - fit)[0, FIT_VECTORS:].abs().mean() < 0.2 * spread


def test_voxels_are_fitted_one_by_one(monkeypatch):
    """With the trust of their item of the batch, however many at once, and those outside the brain not at all."""
    trust = torch.cat([HIGH_TRUST, LOW_TRUST])
    parts = [filtered(random_fibres(2, 60, seed), HIGH_TRUST).reshape(1, 28, 3, 5, 4) for seed in (0, 1)]
    linear = torch.cat(parts)
    linear[:, :, 1] = 0
    fit = fit_fibres(linear, trust)
    assert fit.shape == (2, FIT_CHANNELS, 3, 5, 4)
    assert torch.all(fit[:, :, 1] == 0)
    monkeypatch.setattr("DMRIPretrainLib.qspace.fibre_fit._VOXELS_AT_ONCE", 7)
    for index in range(2):
        alone = fit_fibres(linear[index : index + 1], trust[index : index + 1])
        torch.testing.assert_close(alone[0], fit[index], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(fit_fibres(linear, trust.flip(0)), fit, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_the_fit_is_finite_for_any_fodf(scale):
    linear = scale * torch.randn(1, 28, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    for trust in (HIGH_TRUST, torch.tensor([[0.9, 0.2, 0.0, 0.0]])):
        assert torch.isfinite(fit_fibres(linear, trust)).all()


def test_the_fodf_of_a_fit_has_the_lobes_of_its_fibres():
    peaks = random_fibres(2, 20, seed=4)
    fit = fit_fibres(filtered(peaks, HIGH_TRUST), HIGH_TRUST)
    weights = torch.zeros(1, 3, 20, 1, 1)
    weights[:, 1] = 1.0
    two = fitted_fodf(fit, weights)
    assert two.shape == (1, 45, 20, 1, 1)
    torch.testing.assert_close(two[0, :, :, 0, 0].T, fodf_of_peaks(torch.tensor(vectors_of(fit, 2))))
    mixed = fitted_fodf(fit, torch.full_like(weights, 0.5))
    expected = sum(0.5 * fodf_of_peaks(torch.tensor(vectors_of(fit, count))) for count in (1, 2, 3))
    torch.testing.assert_close(mixed[0, :, :, 0, 0].T, expected)
    assert len(lobe(8)) == two.shape[1]


def test_threads_change_nothing_and_are_as_many_afterwards():
    """More voxels than a block has, of two scans."""
    trust = torch.cat([HIGH_TRUST, LOW_TRUST])
    linear = torch.cat([filtered(random_fibres(fibres, 5000, seed=fibres), HIGH_TRUST) for fibres in (1, 2)])
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(fit_fibres(linear, trust))
            assert torch.get_num_threads() == threads
            assert not found[-1].requires_grad
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
