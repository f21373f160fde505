import numpy as np
import pytest
import torch

from DMRIPretrainLib.networks.crossings_head import SetLayer, fit_invariants
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.qspace.deconvolution import fodf_of_peaks, fodf_trust
from DMRIPretrainLib.qspace.fibre_fit import FIT_CHANNELS, fit_fibres
from DMRIPretrainLib.qspace.harmonics import coefficient_orders, rotation_matrix
from DMRIPretrainLib.tasks.registry import TASKS, default_head

HEADS = tuple(default_head(task) for task in TASKS)
#: Share of the orders 0, 2, 4 and 6 that is left in the linear fODF at b = 3000.
TRUST = torch.tensor([[0.998, 0.98, 0.88, 0.42]])


def linear_fodf_of(fibres: int, voxels: int, seed: int) -> torch.Tensor:
    """(1, 28, voxels, 1, 1) linear fODFs of some random fibres each, of random heights."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(voxels, fibres, 3))
    heights = rng.uniform(0.3, 1.0, size=(voxels, fibres, 1))
    peaks = directions / np.linalg.norm(directions, axis=2, keepdims=True) * heights
    fodf = fodf_of_peaks(torch.tensor(peaks, dtype=torch.float32))[:, :28]
    return (fodf * TRUST[0, torch.as_tensor(coefficient_orders(6) // 2)]).T[None, :, :, None, None]


def described(linear: torch.Tensor) -> torch.Tensor:
    return fit_invariants(linear, TRUST, fit_fibres(linear, TRUST))[0, :, :, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_invariants_do_not_turn_with_the_head(seed):
    """Up to the sampling of the sphere."""
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn = torch.tensor(rotation_matrix(rotation, 6), dtype=torch.float32)
    linear = torch.cat([linear_fodf_of(fibres, 200, seed) for fibres in (1, 2, 3)], dim=2)
    before, after = described(linear), described(torch.einsum("ij,bjxyz->bixyz", turn, linear))
    varied = before.std(dim=1) > 1e-4  # trust is the same everywhere
    spread = before.std(dim=1)[varied]
    assert varied.sum() == len(before) - 4
    assert torch.median((after - before)[varied].abs().mean(dim=1) / spread) < 0.15
    # One, two and three fibres are far apart in most of them.
    means = before[varied].unflatten(1, (3, 200)).mean(dim=2)
    assert torch.median((means.amax(dim=1) - means.amin(dim=1)) / spread) > 1


def test_invariants_are_numbers_for_any_fodf():
    nothing, huge = torch.zeros(1, 28, 2, 2, 2), 1e4 * torch.randn(1, 28, 2, 2, 2)
    for linear in (nothing, huge, -huge):
        assert torch.isfinite(fit_invariants(linear, TRUST, fit_fibres(linear, TRUST))).all()


@torch.inference_mode()
def test_a_layer_sees_the_mean_over_the_brain_and_no_more():
    torch.manual_seed(0)
    layer = SetLayer(6)
    hidden = torch.randn(2, 6, 4, 4, 4)
    inside = torch.zeros(2, 1, 4, 4, 4)
    inside[:, :, :2] = 1
    expected = layer(hidden, inside)
    # Voxels outside do not count, those of another item neither.
    other = hidden.clone()
    other[:, :, 2:] += 3
    other[1] *= 2
    torch.testing.assert_close(layer(other, inside)[0, :, :2], expected[0, :, :2])
    # One voxel more or less moves all others.
    other[0, :, 0, 0, 0] += 5
    assert not torch.allclose(layer(other, inside)[0, :, 1], expected[0, :, 1], atol=1e-3)
    # Where a voxel lies does not matter.
    flipped = layer(hidden.flip(2), inside.flip(2)).flip(2)
    torch.testing.assert_close(flipped, expected)


@torch.inference_mode()
def test_no_brain_at_all_is_no_error():
    layer = SetLayer(6)
    assert torch.isfinite(layer(torch.zeros(1, 6, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2))).all()


@pytest.mark.parametrize("asked", [("crossings",), ("crossings", "orientation")])
def test_the_count_does_not_change_the_fodf(random_features, asked):
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in asked)))
    model(random_features((16, 16, 16)))["crossings"].square().sum().backward()
    assert model.fodf is None or all(p.grad is None or not p.grad.any() for p in model.fodf.parameters())
    for part in (model.heads["crossings"], model.backbone, model.adapter):
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in part.parameters())


@torch.inference_mode()
def test_a_fit_that_is_given_is_not_made_again(random_features, monkeypatch):
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", HEADS)).eval()
    features = random_features((16, 16, 16))
    adapted, trust = model.adapter(features), fodf_trust(features)
    fit = model.fit(adapted, trust)
    assert fit.shape == (1, FIT_CHANNELS, 16, 16, 16)
    expected = model(features)
    monkeypatch.setattr("DMRIPretrainLib.networks.model.fit_fibres", None)
    for task, output in model.answer_decoded(model.backbone(adapted), adapted, trust, fit).items():
        assert torch.equal(output, expected[task])


@pytest.mark.parametrize(("network", "tasks"), [("bvm", TASKS), ("tiny", ("segmentation",))])
@torch.inference_mode()
def test_models_without_fibres_fit_none(random_features, network, tasks):
    model = build_model(Architecture(network, tuple(default_head(task) for task in tasks))).eval()
    features = random_features((8, 8, 8))
    assert model.fit(model.adapter(features), fodf_trust(features)) is None
