import pytest
import torch
from torch import nn

from DMRIPretrainLib.networks.heads import PlainHead, TaskHead, VoxelwiseLinear


@pytest.mark.parametrize("shape", [(4, 5, 6), (2048, 1, 1), (1, 1, 1)])
def test_a_voxelwise_layer_is_a_convolution_of_one_voxel(shape):
    torch.manual_seed(0)
    layer, convolution = VoxelwiseLinear(7, 5), nn.Conv3d(7, 5, 1)
    with torch.no_grad():
        convolution.weight.copy_(layer.weight[..., None, None, None])
        convolution.bias.copy_(layer.bias)
    x = torch.randn(2, 7, *shape)
    outputs, gradients = [], []
    for module in (layer, convolution):
        seen = x.clone().requires_grad_()
        output = module(seen)
        output.square().sum().backward()
        outputs.append(output.detach())
        gradients.append([seen.grad, module.weight.grad.flatten(1), module.bias.grad])
    assert outputs[0].shape == (2, 5, *shape)
    torch.testing.assert_close(*outputs)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_heads_see_one_voxel_and_all_that_they_are_given():
    torch.manual_seed(0)
    decoded, adapted = torch.randn(1, 4, 3, 3, 3), torch.randn(1, 6, 3, 3, 3)
    head = TaskHead(10, 2).eval()
    before = head(decoded, adapted)
    for changed in ("decoded", "adapted"):
        inputs = {"decoded": decoded.clone(), "adapted": adapted.clone()}
        inputs[changed][..., 1, 2, 0] += 1
        difference = (head(*inputs.values()) - before).abs().amax(dim=(0, 1))
        assert difference[1, 2, 0] > 1e-3
        assert torch.count_nonzero(difference > 1e-6) == 1
    plain = PlainHead(4, 2)
    assert torch.equal(plain(decoded, adapted), plain(decoded, adapted + 1))
