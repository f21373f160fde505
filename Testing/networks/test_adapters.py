import numpy as np
import pytest
import torch

from DMRIPretrainLib.networks.adapters import ShellSetAdapter, _order_norms
from DMRIPretrainLib.qspace.deconvolution import deconvolve, linear_fodf
from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.qspace.harmonics import rotation_matrix
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.simulation.tables import make_gradient_table

OBLIQUE = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


@pytest.mark.parametrize("matrix", [OBLIQUE, -OBLIQUE, cube_symmetries()[17], cube_symmetries()[38]])
def test_norms_of_the_orders_do_not_turn(matrix):
    """All coefficients of an order have one scale, so that the scaled ones turn as the plain ones do."""
    generator = torch.Generator().manual_seed(0)
    shells = torch.randn(2, 3, 30, 4, 3, 2, generator=generator)
    turn = torch.tensor(rotation_matrix(matrix, 6), dtype=torch.float32)
    turned = shells.clone()
    turned[:, :, :28] = torch.einsum("ij,bsjxyz->bsixyz", turn, shells[:, :, :28])
    assert (turned - shells).abs().max() > 1
    torch.testing.assert_close(_order_norms(turned), _order_norms(shells), rtol=1e-4, atol=1e-4)


def test_norms_are_those_of_the_orders_two_to_six():
    shells = torch.zeros(1, 1, 30, 1, 1, 1)
    shells[0, 0, [0, 28, 29]] = 5.0  # order zero, deviation and residual do not count
    shells[0, 0, [1, 5]] = torch.tensor([3.0, 4.0])[:, None, None, None]
    shells[0, 0, [6, 14]] = torch.tensor([6.0, 8.0])[:, None, None, None]
    shells[0, 0, [15, 27]] = torch.tensor([5.0, 12.0])[:, None, None, None]
    assert _order_norms(shells).flatten().tolist() == [5.0, 10.0, 13.0]


def test_norms_of_a_scan_do_not_turn_with_its_gradients():
    """The same signal, its table turned: only the frame is another one."""
    table = make_gradient_table([(1000, 40)], 1, seed=2)
    signal = torch.tensor(np.exp(-table.bvals * (0.3e-3 + 1.4e-3 * (table.directions @ [0.48, -0.6, 0.64]) ** 2)))
    block, mask = signal.float()[:, None, None, None], torch.ones(1, 1, 1, dtype=torch.bool)

    def features(matrix: np.ndarray) -> QSpaceFeatures:
        return QSpaceProjection(table.transformed(matrix))(block, mask, 1.0)

    plain, turned = features(np.eye(3)), features(OBLIQUE)
    assert (plain.shells - turned.shells).abs().max() > 0.05
    torch.testing.assert_close(_order_norms(turned.shells), _order_norms(plain.shells), rtol=1e-4, atol=1e-4)


def test_empty_voxels_stop_no_gradient():
    """The norm of nothing has no derivative; features are data, so that none is asked for."""
    torch.manual_seed(0)
    adapter = ShellSetAdapter()
    conditions = torch.tensor([[[1.0, 0.8, 1.0, 0.5]]])
    empty = QSpaceFeatures(torch.zeros(1, 1, 30, 2, 2, 2), conditions, torch.ones(1, 1), torch.zeros(1, 1, 2, 2, 2))
    adapter(empty).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in adapter.parameters())


def test_the_backbone_is_given_the_averaged_fodf():
    """Of like neighbours: in a block of one fibre it varies less than that of single voxels."""
    table = make_gradient_table([(1000, 30)], 4, seed=2)
    clean = np.exp(-table.bvals * (0.3e-3 + 1.4e-3 * (table.directions @ [0.48, -0.6, 0.64]) ** 2))
    noise = np.random.default_rng(1).normal(scale=0.05, size=(len(table), 6, 6, 6))
    signal = torch.tensor(clean[:, None, None, None] + noise, dtype=torch.float32)
    features = QSpaceProjection(table, 0.05)(signal, torch.ones(6, 6, 6, dtype=torch.bool), 1.0)
    with torch.inference_mode():
        given = ShellSetAdapter.fodf(ShellSetAdapter()(features))
    assert given.shape == (1, 28, 6, 6, 6)
    spreads = [fodf[0, 1:].flatten(1).std(dim=1).mean() for fodf in (given, deconvolve(features))]
    assert spreads[0] < 0.4 * spreads[1]
    torch.testing.assert_close(given, linear_fodf(features))
