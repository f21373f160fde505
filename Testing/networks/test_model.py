import numpy as np
import pytest
import torch

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.networks.adapters import ReferenceDirectionsAdapter, ShellSetAdapter, reference_directions
from DMRIPretrainLib.networks.bvm_unet import BVMUNet
from DMRIPretrainLib.networks.fodf_head import FODFHead, smooth_maximum
from DMRIPretrainLib.networks.model import NETWORKS, Architecture
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.networks.residual_unet import ResidualUNet, pad_to_multiple
from DMRIPretrainLib.qspace.deconvolution import deconvolve, fodf_trust, linear_fodf
from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.qspace.harmonics import coefficient_orders, evaluation_matrix, hemisphere, rotation_matrix
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.tasks.orientation import fodf_of_peaks
from DMRIPretrainLib.tasks.peaks import find_peaks
from DMRIPretrainLib.tasks.registry import TASKS, default_head

HEADS = tuple(default_head(task) for task in TASKS)
CHANNELS = {"segmentation": 4, "crossings": 4, "orientation": 45}
THREE_SHELLS = ((700, 12), (1500, 30), (3000, 40))


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", HEADS)).eval()
    # Conditioning starts as zero and would hide what depends on it.
    for parameter in model.adapter.condition[-1].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def permuted(features: QSpaceFeatures, order: list[int]) -> QSpaceFeatures:
    assert features.variance is not None
    return QSpaceFeatures(
        features.shells[:, order],
        features.conditions[:, order],
        features.present[:, order],
        features.b0,
        features.variance[:, order],
    )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(10, 9, 7), (17, 16, 21), (1, 1, 2)])
@torch.inference_mode()
def test_output_has_the_size_of_the_image(random_features, network, shape):
    model = build_model(Architecture(network, HEADS)).eval()
    outputs = model(random_features(shape))
    assert {task: tuple(output.shape) for task, output in outputs.items()} == {
        task: (1, channels, *shape) for task, channels in CHANNELS.items()
    }
    assert all(torch.isfinite(output).all() for output in outputs.values())


@torch.inference_mode()
def test_odd_images_are_padded_evenly_and_cropped_back():
    image = torch.arange(2 * 3 * 9 * 17 * 40, dtype=torch.float32).reshape(2, 3, 9, 17, 40)
    padded, crop = pad_to_multiple(image, 8)
    assert padded.shape == (2, 3, 16, 24, 40)
    torch.testing.assert_close(padded[crop], image)
    torch.testing.assert_close(padded[:, :, 3:12, 3:20], image)
    assert torch.count_nonzero(padded) == torch.count_nonzero(image)
    same, _ = pad_to_multiple(torch.ones(1, 1, 16, 24, 16), 8)
    assert same.shape == (1, 1, 16, 24, 16)


def test_seed_network_has_as_many_parameters_as_published():
    """2.07 million with 64 input channels: Weninger et al., BVM 2022."""
    assert sum(p.numel() for p in BVMUNet(64).parameters()) == 2_067_616
    assert ReferenceDirectionsAdapter.output_channels == 64


@pytest.mark.parametrize("network", [BVMUNet(64), ResidualUNet(61, (16, 32, 64, 128), (1, 2, 2, 3))])
@torch.inference_mode()
def test_backbones_see_far_but_not_everything_is_the_same(network):
    """A change in one corner reaches neighbouring voxels and leaves the output different from a constant."""
    torch.manual_seed(1)
    channels = next(network.parameters()).shape[1]
    image = torch.randn(1, channels, 16, 16, 16)
    changed = image.clone()
    changed[..., 8, 8, 8] += 10
    difference = (network.eval()(changed) - network(image)).abs().amax(dim=1)[0]
    assert difference[8, 8, 8] > 1e-3
    assert difference[8, 8, 12] > 1e-4


@torch.inference_mode()
def test_skips_can_be_left_out(random_features):
    features = random_features((16, 16, 16))
    for network in NETWORKS:
        with_skips, without = (build_model(Architecture(network, HEADS[:1], skips)).eval() for skips in (True, False))
        count = [sum(p.numel() for p in model.parameters()) for model in (with_skips, without)]
        assert count[1] < count[0]
        assert without(features)["segmentation"].shape == (1, 4, 16, 16, 16)


@torch.inference_mode()
def test_order_of_the_shells_does_not_matter(tiny, random_features):
    features = random_features((16, 16, 16), THREE_SHELLS)
    expected = tiny(features)
    for task, output in tiny(permuted(features, [2, 0, 1])).items():
        torch.testing.assert_close(output, expected[task], atol=1e-4, rtol=1e-4)
    # The test above would pass if nothing but one shell counted.
    for task, output in tiny(random_features((16, 16, 16), THREE_SHELLS[:2])).items():
        assert not torch.allclose(output, expected[task], atol=1e-2)


@pytest.mark.parametrize("network", ["tiny", "bvm"])
@torch.inference_mode()
def test_padding_in_a_batch_does_not_matter(random_features, network):
    torch.manual_seed(3)
    model = build_model(Architecture(network, HEADS)).eval()
    one, three = random_features((16, 16, 16), seed=1), random_features((16, 16, 16), THREE_SHELLS, seed=2)
    batch = model(QSpaceFeatures.stack([one, three]))
    for index, alone in enumerate((one, three)):
        for task, output in model(alone).items():
            torch.testing.assert_close(batch[task][index], output[0], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_bvalue_is_seen(tiny, random_features):
    features = random_features((16, 16, 16))
    other = QSpaceFeatures(features.shells, features.conditions * 2, features.present, features.b0)
    assert not torch.allclose(tiny.adapter(features)[:, :32], tiny.adapter(other)[:, :32], atol=1e-2)


@torch.inference_mode()
def test_adapter_hands_on_the_linear_fodf_and_b0(random_features):
    features = random_features((6, 5, 4), THREE_SHELLS)
    adapted = ShellSetAdapter()(features)
    assert adapted.shape == (1, 61, 6, 5, 4)
    torch.testing.assert_close(ShellSetAdapter.fodf(adapted), linear_fodf(features))
    torch.testing.assert_close(adapted[:, -1:], features.b0)


def fodf_head() -> FODFHead:
    head = build_model(Architecture("tiny", HEADS[2:])).fodf
    assert head is not None
    return head


@torch.no_grad()
def linear_head(order_four: float = 1.0) -> FODFHead:
    """An fODF head that takes the linear fODF alone, order 4 scaled."""
    head = fodf_head()
    head.factors.zero_()
    head.factors[0] = 1.0
    head.factors[0, 2] = order_four
    return head


#: Share of the orders 0, 2, 4 and 6 that is left in the linear fODF at b = 3000.
TRUST = torch.tensor([[0.998, 0.98, 0.88, 0.42]])


def filtered(fodf: torch.Tensor) -> torch.Tensor:
    """(1, 28, V, 1, 1) linear fODFs of (1, 45, V, 1, 1) true ones, without noise."""
    return fodf[:, :28] * TRUST[0, torch.as_tensor(coefficient_orders(6) // 2), None, None, None]


@torch.inference_mode()
def test_fodf_head_scales_whole_orders():
    """The factor of an order multiplies all its coefficients, so that the result turns with the head."""
    adapted, decoded = torch.randn(1, 61, 3, 3, 3), torch.randn(1, 16, 3, 3, 3)
    linear = ShellSetAdapter.fodf(adapted)
    output = linear_head()(decoded, adapted, TRUST)
    torch.testing.assert_close(output[:, :28], linear)
    assert torch.all(output[:, 28:] == 0)
    expected = linear.clone()
    expected[:, 6:15] *= 1.5
    torch.testing.assert_close(linear_head(order_four=1.5)(decoded, adapted, TRUST)[:, :28], expected)


@torch.inference_mode()
def test_untrained_fodf_head_turns_with_the_head():
    """Up to the sampling of the sphere, 14 degrees."""
    head = fodf_head()
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turns = {order: torch.tensor(rotation_matrix(rotation, order), dtype=torch.float32) for order in (6, 8)}
    linear = filtered(lobes(2, 100, seed=4))
    banks = head._banks(linear, TRUST)
    moved = head._banks(torch.einsum("ij,bjxyz->bixyz", turns[6], linear), TRUST)
    for bank, found, tolerance in zip(banks, moved, (1e-5, 0.15, 0.01, 0.02), strict=True):
        expected = torch.einsum("ij,bjxyz->bixyz", turns[8], bank)
        assert (found - expected).norm() < tolerance * expected.norm()
        assert (found - bank).norm() > 0.3 * expected.norm()


@pytest.mark.parametrize("fibres", [1, 2, 3])
@torch.inference_mode()
def test_deconvolution_brings_back_what_the_filter_took(fibres):
    """Order 6 comes back, and order 8, of which nothing was left."""
    truth = lobes(fibres, 300, seed=5)
    linear, deconvolved, *_ = fodf_head()._banks(filtered(truth), TRUST)

    def error(bank: torch.Tensor) -> float:
        return float((bank - truth).norm() / truth.norm())

    assert error(linear) > 0.45
    assert error(deconvolved) < 0.25
    missing = truth[:, 28:].flatten()
    assert torch.corrcoef(torch.stack([deconvolved[:, 28:].flatten(), missing]))[0, 1] > 0.9


@pytest.fixture(scope="module")
def lone_fibres() -> tuple[torch.Tensor, np.ndarray]:
    """Linear fODFs (1, 28, 200, 1, 1) of lone fibres at SNR 20, each voxel by itself, and the (200, 3) fibres."""
    rng = np.random.default_rng(6)
    fibres = rng.normal(size=(200, 3))
    fibres /= np.linalg.norm(fibres, axis=1, keepdims=True)
    table = make_gradient_table([(1000, 30)], 6, seed=1)
    clean = np.exp(-table.bvals[:, None] * (0.3e-3 + 1.4e-3 * (table.directions @ fibres.T) ** 2))
    clean[table.is_b0] = 1.0
    noise = rng.normal(size=(2, *clean.shape)) / 20
    signal = torch.tensor(np.hypot(clean + noise[0], noise[1]), dtype=torch.float32)[..., None, None]
    features = QSpaceProjection(table)(signal, torch.ones(signal.shape[1:], dtype=torch.bool), 1.0)
    return deconvolve(features), fibres


@torch.inference_mode()
def test_banks_are_the_linear_fodf_and_powers_of_its_smooth_version(lone_fibres):
    """On the sphere: square and fourth power of the smooth version, as high as it."""
    linear = torch.cat([part.reshape(1, 28, 5, 5, 4) for part in lone_fibres[0].split(100, dim=2)])
    banks = fodf_head()._banks(linear, TRUST.expand(2, 4))
    assert [tuple(bank.shape) for bank in banks] == [(2, 45, 5, 5, 4)] * 4
    assert torch.equal(banks[0][:, :28], linear)
    assert torch.all(banks[0][:, 28:] == 0)
    smooth = linear * torch.tensor([1.0] * 6 + [0.15] * 9 + [0.0] * 13)[:, None, None, None]
    matrix = torch.tensor(evaluation_matrix(hemisphere(), 8), dtype=torch.float32)
    values = (matrix[:, :28] @ smooth.flatten(2)).clamp(min=0)
    height = torch.stack([smooth_maximum(item) for item in values])[:, None]
    assert torch.all((height / values.amax(dim=1, keepdim=True) - 0.93).abs() < 0.07)
    for power, bank in zip((2, 4), banks[2:], strict=True):
        expected = height * (values / height) ** power
        assert (matrix @ bank.flatten(2) - expected).norm() < 0.05 * expected.norm()


@torch.inference_mode()
def test_smooth_banks_know_the_direction_of_a_lone_fibre_better(lone_fibres):
    linear, fibres = lone_fibres
    errors = [
        axis_angles(find_peaks(bank[0].flatten(1).numpy().T)[:, 0], fibres).mean()
        for bank in fodf_head()._banks(linear, TRUST)
    ]
    assert max(errors[2:]) < 0.65 * min(errors[:2])


def test_smooth_banks_count_for_nothing_before_training_and_can_be_learned(lone_fibres):
    """The untrained answer is the deconvolution."""
    head = fodf_head()
    adapted, decoded = torch.zeros(1, 61, 200, 1, 1), torch.zeros(1, 16, 200, 1, 1)
    adapted[:, 32:60] = lone_fibres[0]
    _, deconvolved, square, fourth = head._banks(lone_fibres[0], TRUST)
    answer = head(decoded, adapted, TRUST)
    torch.testing.assert_close(answer, deconvolved)
    answer.square().sum().backward()
    assert head.factors.grad is not None
    assert torch.all(head.factors.grad[2:].abs() > 1e-4)
    with torch.no_grad():
        head.factors[2], head.factors[3] = 0.5, -2.0
        learned = head(decoded, adapted, TRUST)
    torch.testing.assert_close(learned, deconvolved + 0.5 * square - 2 * fourth)


@torch.inference_mode()
def test_voxels_are_deconvolved_one_by_one(monkeypatch):
    """With the trust of their item of the batch, however many at once, and those outside the brain not at all."""
    trust = torch.cat([TRUST, TRUST**2])
    linear = torch.cat([filtered(lobes(2, 60, seed)).reshape(1, 28, 3, 5, 4) for seed in (0, 1)])
    linear[:, :, 1] = 0
    head = fodf_head()
    banks = head._banks(linear, trust)
    monkeypatch.setattr("DMRIPretrainLib.networks.fodf_head._VOXELS_AT_ONCE", 7)
    for index in range(2):
        alone = head._banks(linear[index : index + 1], trust[index : index + 1])
        for bank, again in zip(banks, alone, strict=True):
            torch.testing.assert_close(again[0], bank[index], atol=1e-5, rtol=1e-4)
            assert torch.all(bank[:, :, 1] == 0)
    assert not torch.allclose(head._banks(linear, trust.flip(0))[1], banks[1], atol=1e-2)


@torch.inference_mode()
def test_seed_adapter_gives_signals_along_its_directions():
    """Of the shell nearest to b = 1000, clipped to [0, 1]; an order 2 signal is known in every direction."""
    directions = reference_directions()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.degrees(np.arccos((np.abs(directions @ directions.T) - 2 * np.eye(64)).max())) > 8
    tables = make_gradient_table([(1100, 60), (3000, 60)], 1, seed=2)
    signal = np.where(tables.bvals < 2000, 0.5 + 0.3 * tables.directions[:, 2] ** 2, 0.1)
    signal[tables.is_b0] = 1.0
    block = torch.tensor(signal, dtype=torch.float32)[:, None, None, None]
    features = QSpaceProjection(tables)(block, torch.ones(1, 1, 1, dtype=torch.bool), 1.0)
    sampled = ReferenceDirectionsAdapter()(features)[0, :, 0, 0, 0]
    np.testing.assert_allclose(sampled, 0.5 + 0.3 * directions[:, 2] ** 2, atol=0.02)
    bright = QSpaceFeatures(features.shells * 3, features.conditions, features.present, features.b0)
    assert ReferenceDirectionsAdapter()(bright).max() == 1.0


@pytest.mark.parametrize("bvalue", [700, 1500, 3000])
@torch.inference_mode()
def test_untrained_model_finds_fibres(bvalue):
    """From signal to fODF in one go: the maxima lie along the fibres, in the frame of the gradients."""
    fibres = np.random.default_rng(5).normal(size=(27, 3))
    fibres /= np.linalg.norm(fibres, axis=1, keepdims=True)
    table: GradientTable = make_gradient_table([(bvalue, 60)], 1, seed=7)
    signal = np.exp(-table.bvals * (0.3e-3 + 1.4e-3 * (fibres @ table.directions.T) ** 2)) * np.where(
        table.is_b0, 1, 0.8
    )
    block = torch.tensor(signal.T.reshape(-1, 3, 3, 3), dtype=torch.float32)
    features = QSpaceProjection(table, noise=1e-4)(block, torch.ones(3, 3, 3, dtype=torch.bool), 1.0)
    fodf = build_model(Architecture("tiny", HEADS[2:])).eval()(features)["orientation"][0].flatten(1).numpy()
    peaks = find_peaks(fodf.T)
    assert axis_angles(peaks[:, 0], fibres).max() < 5
    assert np.all(peaks[:, 1] == 0)


def lobes(fibres: int, voxels: int, seed: int) -> torch.Tensor:
    """(1, 45, voxels, 1, 1) smooth fODFs of some random fibres each, of random heights."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(voxels, fibres, 3))
    heights = rng.uniform(0.3, 1.0, size=(voxels, fibres, 1))
    peaks = directions / np.linalg.norm(directions, axis=2, keepdims=True) * heights
    return fodf_of_peaks(torch.tensor(peaks, dtype=torch.float32)).T[None, :, :, None, None]


@pytest.fixture
def crossings():
    torch.manual_seed(0)
    return build_model(Architecture("tiny", HEADS)).heads["crossings"]


@pytest.mark.parametrize("seed", range(3))
def test_invariants_of_an_fodf_do_not_turn_with_the_head(crossings, seed):
    """Up to the sampling: 100 directions are 12 degrees apart, and lobes fall between them."""
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn = torch.tensor(rotation_matrix(rotation, 8), dtype=torch.float32)
    fodf = torch.cat([lobes(fibres, 200, seed) for fibres in (1, 2, 3)], dim=2)
    turned = torch.einsum("ij,bjxyz->bixyz", turn, fodf)
    before, after = (crossings.invariants(f)[0, :, :, 0, 0].unflatten(1, (3, 200)) for f in (fodf, turned))
    spread = before.flatten(1).std(dim=1)
    # The power of each order is exact; the others scatter, but mean the same.
    torch.testing.assert_close(after[:5], before[:5], atol=1e-5, rtol=1e-4)
    assert torch.median((after - before).abs().mean(dim=(1, 2)) / spread) < 0.5
    assert torch.median((after - before).mean(dim=2).abs().amax(dim=1) / spread) < 0.1
    # One, two and three fibres are far apart in most of them.
    means = before.mean(dim=2)
    assert torch.median((means.amax(dim=1) - means.amin(dim=1)) / spread) > 1
    # Coefficients, in contrast, turn: what is checked above would fail for them.
    coefficients = (turned - fodf)[0, :, :, 0, 0].abs().mean(dim=1) / fodf[0, :, :, 0, 0].std(dim=1)
    assert coefficients[1:].median() > 1


def test_invariants_are_numbers_for_any_fodf(crossings):
    nothing, huge = torch.zeros(1, 45, 2, 2, 2), 1e4 * torch.randn(1, 45, 2, 2, 2)
    for fodf in (nothing, huge, -huge):
        assert torch.isfinite(crossings.invariants(fodf)).all()


@pytest.mark.parametrize("asked", [("crossings",), ("crossings", "orientation")])
def test_the_count_does_not_change_the_fodf(random_features, asked):
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in asked)))
    model(random_features((16, 16, 16)))["crossings"].square().sum().backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.fodf.parameters())
    for part in (model.heads["crossings"], model.backbone, model.adapter):
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in part.parameters())


@torch.inference_mode()
def test_the_count_is_taken_from_the_fodf_that_orientation_answers(tiny, random_features):
    features = random_features((16, 16, 16))
    before = tiny(features)
    tiny.fodf.factors.mul_(0.5)
    after = tiny(features)
    assert not torch.allclose(after["orientation"], before["orientation"], atol=1e-3)
    assert not torch.allclose(after["crossings"], before["crossings"], atol=1e-4)
    assert torch.equal(after["segmentation"], before["segmentation"])


@pytest.mark.parametrize("network", NETWORKS)
@torch.inference_mode()
def test_half_precision_answers_nearly_the_same(random_features, network):
    torch.manual_seed(2)
    model = build_model(Architecture(network, HEADS, reconstruction=True)).eval()
    features = random_features((16, 16, 16), THREE_SHELLS)
    expected = model(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        adapted = model.adapter(features)
        decoded = model.backbone(adapted)
        found = model.answer_decoded(decoded, adapted, fodf_trust(features))
        shells, b0 = model.reconstruction(decoded, features.conditions[..., 0])
    for task, output in expected.items():
        difference = (found[task].float() - output).norm() / output.norm()
        assert difference < 0.1, task
    assert torch.isfinite(shells).all()
    assert torch.isfinite(b0).all()


@torch.inference_mode()
def test_reconstruction_answers_for_any_bvalue(random_features):
    torch.manual_seed(1)
    model = build_model(Architecture("tiny", (), reconstruction=True)).eval()
    features = QSpaceFeatures.stack([random_features((16, 12, 9)), random_features((16, 12, 9), seed=1)])
    assert model(features) == {}
    decoded = model.backbone(model.adapter(features))
    shells, b0 = model.reconstruction(decoded, torch.tensor([[0.7, 2.0, 2.0], [2.0, 0.7, 1.0]]))
    assert shells.shape == (2, 3, 28, 16, 12, 9)
    assert b0.shape == (2, 1, 16, 12, 9)
    assert torch.equal(shells[0, 1], shells[0, 2])
    assert not torch.allclose(shells[0, 0], shells[0, 1], atol=1e-3)
    swapped, _ = model.reconstruction(decoded[1:], torch.tensor([[0.7]]))
    torch.testing.assert_close(swapped[0, 0], shells[1, 1])
