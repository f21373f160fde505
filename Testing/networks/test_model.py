import numpy as np
import pytest
import torch

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.networks.adapters import ReferenceDirectionsAdapter, ShellSetAdapter, reference_directions
from DMRIPretrainLib.networks.bvm_unet import BVMUNet
from DMRIPretrainLib.networks.model import NETWORKS, Architecture
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.networks.residual_unet import ResidualUNet, pad_to_multiple
from DMRIPretrainLib.qspace.deconvolution import fodf_trust, linear_fodf
from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.tables import make_gradient_table
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
    assert axis_angles(peaks[:, 0], fibres).max() < 3
    assert np.all(peaks[:, 1] == 0)


@pytest.mark.parametrize("network", NETWORKS)
@torch.inference_mode()
def test_half_precision_answers_nearly_the_same(random_features, network):
    torch.manual_seed(2)
    model = build_model(Architecture(network, HEADS, reconstruction=True)).eval()
    if network != "bvm":
        model.heads["crossings"].last.bias[1] = 10.0  # a count that rounding could change would change the fODF
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
