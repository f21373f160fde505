import pytest
import torch

from DMRIPretrainLib.networks.adapters import ShellSetAdapter
from DMRIPretrainLib.networks.fodf_head import FODFHead
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import build_model
from DMRIPretrainLib.qspace.fibre_fit import FIT_CHANNELS, fitted_fodf
from DMRIPretrainLib.tasks.registry import TASKS, default_head

HEADS = tuple(default_head(task) for task in TASKS)
SHAPE = (3, 4, 5)


@pytest.fixture
def head() -> FODFHead:
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", HEADS))
    assert model.fodf is not None
    return model.fodf


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Decoder features, backbone input and fit."""
    generator = torch.Generator().manual_seed(1)
    decoded, adapted, fit = (torch.randn(1, count, *SHAPE, generator=generator) for count in (16, 61, FIT_CHANNELS))
    return decoded, adapted, fit


def one_hot(count: int) -> torch.Tensor:
    weights = torch.zeros(1, 3, *SHAPE)
    weights[:, count - 1] = 1.0
    return weights


def test_untrained_it_is_the_fodf_of_as_many_fibres_as_are_counted(head, inputs):
    decoded, adapted, fit = inputs
    for count in (1, 2, 3):
        logits = torch.zeros(1, 4, *SHAPE)
        logits[:, 0] = 5.0  # that there may be none is for whoever reads the fODF
        logits[:, count] = 1.0
        torch.testing.assert_close(head(decoded, adapted, fit, logits), fitted_fodf(fit, one_hot(count)))


@pytest.mark.parametrize(("left", "count"), [((0.1, 0.3, 0.1), 1), ((0.3, 0.1, 0.1), 2), ((0.9, 0.8, 0.7), 3)])
def test_without_a_count_it_is_of_as_few_fibres_as_explain_most(head, inputs, left, count):
    decoded, adapted, fit = inputs
    adapted[:, 32:60] = 0.0
    adapted[:, 40] = 1.0  # all the power of the linear fODF
    fit[:, 18:] = 0.0
    fit[:, [19, 23, 27]] = torch.tensor(left)[:, None, None, None]
    torch.testing.assert_close(head(decoded, adapted, fit, None), fitted_fodf(fit, one_hot(count)))


@torch.no_grad()
def test_whole_orders_are_scaled(head, inputs):
    """The factor of an order multiplies all its coefficients, so that the result turns with the head."""
    decoded, adapted, fit = inputs
    head.factors.zero_()
    head.factors[0] = 1.0
    head.factors[0, 2] = 1.5
    linear = ShellSetAdapter.fodf(adapted)
    output = head(decoded, adapted, fit, None)
    expected = linear.clone()
    expected[:, 6:15] *= 1.5
    torch.testing.assert_close(output[:, :28], expected)
    assert torch.all(output[:, 28:] == 0)


def test_scales_and_correction_can_be_learned(head, inputs):
    head(*inputs, None).square().sum().backward()
    assert torch.all(head.factors.grad[:, :4].abs() > 1e-4)
    assert torch.count_nonzero(head.body.layers[-1].bias.grad) >= 54


def test_the_fodf_does_not_teach_the_count(head, inputs):
    logits = torch.zeros(1, 4, *SHAPE, requires_grad=True)
    head(*inputs, logits).square().sum().backward()
    assert logits.grad is None
