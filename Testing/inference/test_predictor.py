import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import DMRIPretrainLib.inference.predictor as module
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.networks.model import Architecture, DiffusionModel
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.qspace.deconvolution import fodf_trust
from DMRIPretrainLib.qspace.prepare import PreparedScan, prepare_scan
from DMRIPretrainLib.tasks.orientation import peaks_to_fodf
from DMRIPretrainLib.tasks.registry import TASKS, default_head

SHAPE = (18, 22, 17)
FIBRE = np.array([0.6, -0.48, 0.64])


@pytest.fixture(scope="module")
def model() -> DiffusionModel:
    torch.manual_seed(0)
    return build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS)))


@pytest.fixture(scope="module")
def scan(make_dwi) -> PreparedScan:
    """A brain that fills its grid but for a margin of air, which differs from side to side."""
    whole = make_dwi(SHAPE, directions=30, fibre=FIBRE, snr=40.0)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:17, 1:17, 1:14] = whole.mask[2:17, 1:17, 1:14]
    return prepare_scan(replace(whole, mask=mask))


def test_shapes_and_what_lies_outside(model, scan):
    found = Predictor(model, 16).probabilities(scan)
    assert {task: array.shape for task, array in found.items()} == {
        "segmentation": (4, *SHAPE),
        "crossings": (4, *SHAPE),
        "orientation": (45, *SHAPE),
    }
    assert not model.training
    for task in ("segmentation", "crossings"):
        np.testing.assert_allclose(found[task].sum(axis=0)[scan.mask], 1, atol=1e-4)
    for array in found.values():
        assert array.dtype == np.float32
        assert np.all(array[:, ~scan.mask] == 0)


@torch.inference_mode()
def test_a_brain_of_the_size_of_the_window_is_answered_at_once(model, scan):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:17, 3:19, 1:17] = scan.mask[1:17, 3:19, 1:17]
    mask[1, 3, 1] = mask[16, 18, 16] = True
    scan = replace(scan, mask=mask)
    box = (slice(1, 17), slice(3, 19), slice(1, 17))
    expected = model.eval()(scan.features(box, scan.projection()))
    found = Predictor(model, 16).probabilities(scan)
    inside = (slice(None), *box)
    brain = mask[box]
    for task in ("segmentation", "crossings"):
        answer = torch.softmax(expected[task][0], dim=0)[:, brain]
        np.testing.assert_allclose(found[task][inside][:, brain], answer, atol=1e-5)
    np.testing.assert_allclose(found["orientation"][inside][:, brain], expected["orientation"][0][:, brain], atol=1e-5)


@pytest.mark.parametrize("window", [12, 16, 40])
@torch.inference_mode()
def test_windows_join_without_seams(model, scan, window):
    """The untrained fODF head answers voxel by voxel, so that the windows must not show at all."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.heads["crossings"].last.weight.zero_()
        model.heads["crossings"].last.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    everywhere = tuple(slice(0, size) for size in SHAPE)
    features = scan.features(everywhere, scan.projection())
    adapted = model.adapter(features)
    logits = torch.tensor([0.0, 0.0, 1.0, 0.0])[None, :, None, None, None].expand(1, 4, *SHAPE)
    fit = model.fit(adapted, fodf_trust(features))
    expected = model.fodf(torch.zeros(1, 16, *SHAPE), adapted, fit, logits)[0].numpy()
    found = Predictor(model, window).probabilities(scan)["orientation"]
    np.testing.assert_allclose(found[:, scan.mask], expected[:, scan.mask], atol=1e-4)


def test_decoder_features_come_from_the_same_pass(scan):
    torch.manual_seed(1)
    model = build_model(Architecture("tiny", (default_head("crossings"),), reconstruction=True)).eval()
    voxels = np.argwhere(scan.mask)[::7]
    predictor = Predictor(model, 24)
    probabilities, decoded = predictor.run(scan, decoded_in=voxels)
    np.testing.assert_array_equal(probabilities["crossings"], predictor.probabilities(scan)["crossings"])
    assert set(probabilities) == {"crossings"}
    assert predictor.run(scan)[1] is None
    present = [np.flatnonzero(scan.mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(int(p[0]), int(p[-1]) + 1) for p in present)
    with torch.inference_mode():
        # The one window is larger than the brain, and padded around it.
        adapted = model.adapter(scan.features(box, scan.projection()))
        sizes = [(24 - size) // 2 for size in adapted.shape[2:]]
        sides = [(low, 24 - size - low) for low, size in zip(sizes, adapted.shape[2:], strict=True)]
        padded = torch.nn.functional.pad(adapted, [n for side in reversed(sides) for n in side])
        x, y, z = (voxels - [side.start for side in box] + sizes).T
        expected = model.backbone(padded)[:, :, x, y, z]
    torch.testing.assert_close(decoded[..., 0, 0], expected, atol=1e-4, rtol=1e-4)


def test_slabs_join_without_seams(model, scan, monkeypatch):
    whole = Predictor(model, 16).probabilities(scan)
    monkeypatch.setattr(module, "_VOXELS_AT_ONCE", 500)
    for task, array in Predictor(model, 16).probabilities(scan).items():
        np.testing.assert_allclose(array, whole[task], atol=1e-4)


@pytest.mark.parametrize("voxels", [1, 500, 1100])
@torch.inference_mode()
def test_the_input_does_not_show_slabs(model, make_dwi, monkeypatch, voxels):
    """Neighbours across the side of a slab are averaged with as all others: one plane at a time, or two, or five."""
    whole = make_dwi(SHAPE, directions=30, fibre=FIBRE, snr=15.0)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:17, 1:17, 1:14] = whole.mask[2:17, 1:17, 1:14]
    scan = prepare_scan(replace(whole, mask=mask))
    box = module.bounding_box(mask)
    predictor = Predictor(model, 16)
    features = scan.features(box, scan.projection())
    expected = model.adapter(features)
    monkeypatch.setattr(module, "_VOXELS_AT_ONCE", voxels)
    adapted, trust = predictor._adapt(scan, None, box)
    torch.testing.assert_close(adapted, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trust, fodf_trust(features))
    monkeypatch.setattr(module, "_MARGIN", 0)
    assert (predictor._adapt(scan, None, box)[0] - expected).abs().max() > 0.01


def test_some_volumes_are_a_scan_of_their_own(model, make_dwi):
    scan = make_dwi((12, 12, 12), directions=40, snr=30.0)
    volumes = np.r_[0:3, 5:30]
    prepared = prepare_scan(scan)
    alone = prepare_scan(scan.subset(volumes))
    alone = replace(alone, noise=prepared.noise)
    part = Predictor(model, 16).probabilities(prepared, volumes)
    for task, array in Predictor(model, 16).probabilities(alone).items():
        np.testing.assert_allclose(part[task], array, atol=1e-4)
    whole = Predictor(model, 16).probabilities(prepared)["orientation"]
    assert np.abs(whole - part["orientation"]).max() > 1e-3


def test_answers_are_maps(model, scan):
    predictor = Predictor(model, 16)
    answers = predictor.answers(predictor.probabilities(scan), scan.mask)
    assert answers["segmentation"].shape == answers["crossings"].shape == SHAPE
    for answer in answers.values():
        assert np.all(answer[~scan.mask] == 0)
    angles = axis_angles(answers["orientation"][scan.mask][:, 0], FIBRE)
    assert np.median(angles) < 3
    assert np.percentile(angles, 99) < 8


def test_as_many_peaks_as_fibres_are_counted(model):
    """Where the fODF has so many maxima, low ones too; where none is counted, the height of the maxima decides."""
    generator = np.random.default_rng(3)
    shape = (4, 6, 5)
    axes = np.linalg.qr(generator.normal(size=(*shape, 3, 3)))[0].swapaxes(-1, -2)
    maxima, counted = generator.integers(1, 4, size=shape), generator.integers(0, 4, size=shape)
    low = np.array([0.4, 0.08, 0.075])  # the plain thresholds are 0.1, and a quarter of the first
    peaks = axes * (low * (np.arange(3) < maxima[..., None]))[..., None]
    probabilities = {
        "crossings": np.moveaxis(np.eye(4, dtype=np.float32)[counted], -1, 0),
        "orientation": peaks_to_fodf(peaks),
    }
    mask = np.ones(shape, dtype=bool)
    mask[0, 0] = False
    answers = Predictor(model, 16).answers(probabilities, mask)
    np.testing.assert_array_equal(answers["crossings"], counted * mask)
    found = (np.linalg.norm(answers["orientation"], axis=-1) > 0).sum(axis=-1)
    enough = mask & (counted > 0) & (maxima >= counted)
    assert enough.sum() > 40
    assert set(counted[enough]) == {1, 2, 3}
    np.testing.assert_array_equal(found[enough], counted[enough])
    assert np.all(axis_angles(answers["orientation"][enough][:, 0], axes[enough][:, 0]) < 3)
    np.testing.assert_array_equal(found[mask & (counted == 0)], 1)
    assert np.all(found[~mask] == 0)


def test_without_counts_the_height_of_the_maxima_decides():
    axes = np.eye(3)[None, None, None] * [[0.6], [0.3], [0.05]]
    model = build_model(Architecture("tiny", (default_head("orientation"),)))
    answers = Predictor(model, 16).answers({"orientation": peaks_to_fodf(axes)}, np.ones((1, 1, 1), dtype=bool))
    assert (np.linalg.norm(answers["orientation"], axis=-1) > 0).sum() == 2


def test_progress_rises_to_one(model, scan):
    told = []
    Predictor(model, 12).probabilities(scan, progress=lambda step, fraction: told.append(fraction))
    assert len(told) > 3
    assert np.all(np.diff(told) >= 0)
    assert told[0] < 0.5
    assert told[-1] == 1


def test_one_voxel_is_enough(model, scan):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[9, 8, 7] = True
    found = Predictor(model, 16).probabilities(replace(scan, mask=mask))
    assert np.isfinite(found["segmentation"]).all()
    assert found["segmentation"][:, 9, 8, 7].sum() == pytest.approx(1, abs=1e-4)
