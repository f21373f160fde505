import json

import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_card import ModelCard, card_text, read_header
from DMRIPretrainLib.networks.model_file import build_model, load_model, save_model
from DMRIPretrainLib.tasks.registry import TASKS, default_head

CARD = ModelCard(
    "simulated",
    ["simulated brains", "48 real scans, unlabelled"],
    {"count macro-F1": 0.8712345, "error [deg] | median": 4.5, "not measured": float("nan")},
    {"steps": 20000, "seed": 3, "data": ["simulated"]},
    "CC-BY-4.0",
    "For CPUs.",
    ["dmri-pretrain pretrain simulated --data simulated --out job"],
    {"bvalue": [500, 3200], "reconstruction_error": {"median": 0.9, "p99": 1.6}},
)


@pytest.fixture
def path(tmp_path):
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS), reconstruction=True))
    save_model(tmp_path / "small.safetensors", model, CARD)
    return tmp_path / "small.safetensors"


def test_header_and_loaded_model_say_the_same(path):
    model, card = load_model(path)
    header = read_header(path)
    assert ModelCard.from_header(header) == card
    assert Architecture.from_json(header["architecture"]) == model.architecture
    assert (card.description, card.commands, card.limits) == (CARD.description, CARD.commands, CARD.limits)


def test_a_card_tells_all(path):
    text = card_text("small", read_header(path))
    assert text.startswith("# small\n\nFor CPUs.\n\n")
    for line in (
        "| network | tiny |",
        "| tasks | segmentation, crossings, orientation, reconstruction of the signal |",
        "| recipe | simulated |",
        "| licence of the weights | CC-BY-4.0 |",
        "- 48 real scans, unlabelled",
        "| count macro-F1 | 0.8712 |",
        "| error [deg] \\| median | 4.5 |",
        "| not measured | None |",
        "| bvalue | 500, 3200 |",
        "| reconstruction_error | median 0.9, p99 1.6 |",
        "| steps | 20000 |",
        "```sh\ndmri-pretrain pretrain simulated --data simulated --out job\n```",
    ):
        assert line in text, line


def test_a_card_leaves_out_what_is_not_known(tmp_path):
    save_model(tmp_path / "m.safetensors", build_model(Architecture("bvm", (), skips=False)), ModelCard())
    text = card_text("m", read_header(tmp_path / "m.safetensors"))
    assert "bvm, without skips" in text
    assert "| tasks | none |" in text
    assert all(title not in text for title in ("Measured", "Scans it has seen", "How to make it again"))


def test_others_may_read_the_file(path):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("size", [0, 2**63, 50_000_000])
def test_a_length_that_no_file_has_is_refused_before_it_is_read(tmp_path, size):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(size.to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError, match="damaged"):
        read_header(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_halves_the_file_and_hardly_changes_the_answer(tmp_path, random_features, dtype):
    torch.manual_seed(1)
    model = build_model(Architecture("tiny", tuple(default_head(task) for task in TASKS))).eval()
    for parameter in model.fodf.parameters():  # zeros and ones, which no precision changes
        parameter.add_(0.01 * torch.randn_like(parameter))
    model.heads["crossings"].last.bias[1] = 100.0  # a count that rounding could change would change the fODF
    path = tmp_path / "model.safetensors"
    save_model(path, model, CARD, dtype)
    floats = sum(p.numel() for p in model.parameters())
    assert path.stat().st_size == pytest.approx(floats * dtype.itemsize, rel=0.02)
    loaded, _ = load_model(path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    features = random_features((16, 16, 16), [(1000, 30), (2500, 40)])
    tolerance = {torch.float32: 0, torch.float16: 3e-3, torch.bfloat16: 3e-2}[dtype]
    expected = model(features)
    for task, output in loaded(features).items():
        difference = (output - expected[task]).norm() / expected[task].norm()
        assert difference <= tolerance, task
        assert (difference > 0) == (dtype != torch.float32)


def test_weights_too_large_for_the_type_are_no_file(tmp_path):
    model = build_model(Architecture("tiny", (default_head("segmentation"),)))
    with torch.no_grad():
        model.adapter.first.bias[0] = 1e6
    with pytest.raises(ValueError, match="float16"):
        save_model(tmp_path / "m.safetensors", model, CARD, torch.float16)
    assert not list(tmp_path.iterdir())
    save_model(tmp_path / "m.safetensors", model, CARD, torch.bfloat16)


def test_numbers_that_are_none_become_null(path):
    text = json.dumps(read_header(path)["metrics"])
    assert json.loads(text)["not measured"] is None
