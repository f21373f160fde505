"""What holds for every artifact."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.artifacts.artifact import Acquisition
from DMRIPretrainLib.simulation.artifacts.registry import ARTIFACTS, artifact_class


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one: Acquisition, two: Acquisition) -> bool:
    return (
        torch.equal(one.signal, two.signal)
        and np.array_equal(one.gradients.bvals, two.gradients.bvals)
        and np.array_equal(one.gradients.directions, two.gradients.directions)
    )


@pytest.mark.parametrize("name", ARTIFACTS)
def test_no_strength_changes_nothing(name, make_acquisition):
    clean = make_acquisition()
    corrupted = artifact_class(name).draw(clean, generator(), strength=0.0)(clean)
    torch.testing.assert_close(corrupted.signal, clean.signal, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(corrupted.gradients.directions, clean.gradients.directions, atol=1e-7)
    np.testing.assert_array_equal(corrupted.gradients.bvals, clean.gradients.bvals)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_full_strength_changes_something_and_leaves_its_argument_alone(name, make_acquisition):
    clean, untouched = make_acquisition(), make_acquisition()
    corrupted = artifact_class(name).draw(clean, generator())(clean)
    assert not same(corrupted, clean)
    assert same(clean, untouched)
    assert corrupted.signal.shape == clean.signal.shape
    assert corrupted.signal.dtype == clean.signal.dtype
    assert corrupted.signal.min() >= 0


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_seed_says_everything(name, make_acquisition):
    clean = make_acquisition()
    cls = artifact_class(name)
    one, two, other = (cls.draw(clean, generator(seed), 1.0) for seed in (3, 3, 4))
    assert one == two != other
    assert same(one(clean), two(clean))
    assert not same(one(clean), other(clean))


@pytest.mark.parametrize("name", ARTIFACTS)
def test_parameters_are_plain_numbers(name, make_acquisition):
    clean = make_acquisition()
    content = asdict(artifact_class(name).draw(clean, generator()))
    assert json.loads(json.dumps(content)).keys() == content.keys()


@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.parametrize("shape", [(9, 7, 5), (8, 8, 1)])
def test_odd_sizes_single_slices_b0_alone_and_empty_masks(name, shape, make_acquisition):
    clean = make_acquisition(torch.rand(3, *shape) * 100)
    clean = replace(clean, mask=torch.zeros(shape, dtype=torch.bool))
    corrupted = artifact_class(name).draw(clean, generator())(clean)
    assert corrupted.signal.isfinite().all()
    np.testing.assert_array_equal(corrupted.gradients.directions, 0)  # b0 volumes have no direction to be wrong
    np.testing.assert_array_equal(corrupted.gradients.bvals, 0)


@pytest.mark.parametrize("name", ["slice_dropout", "eddy", "gradient_errors"])
def test_what_comes_of_the_diffusion_gradients_spares_b0_volumes(name, make_acquisition):
    clean = make_acquisition()
    for seed in range(5):
        corrupted = artifact_class(name).draw(clean, generator(seed))(clean)
        assert torch.equal(corrupted.signal[:2], clean.signal[:2])
        np.testing.assert_array_equal(corrupted.gradients.bvals[:2], 0)


@pytest.mark.parametrize("name", [name for name in ARTIFACTS if name != "noise"])
def test_signal_works_in_double_precision(name, make_acquisition):
    clean = make_acquisition()
    artifact = artifact_class(name).draw(clean, generator())
    double = artifact(clean.with_signal(clean.signal.double())).signal
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), artifact(clean).signal, rtol=1e-3, atol=0.5)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_gpu_agrees(name, make_acquisition):
    clean = make_acquisition()
    on_gpu = replace(clean, signal=clean.signal.cuda(), mask=clean.mask.cuda())
    artifact = artifact_class(name).draw(clean, generator())
    assert artifact_class(name).draw(on_gpu, generator()) == artifact or name == "noise"  # its level is a mean
    result = artifact(on_gpu).signal
    assert result.is_cuda
    if name != "noise":
        torch.testing.assert_close(result.cpu(), artifact(clean).signal, rtol=1e-3, atol=0.5)


def test_an_acquisition_that_does_not_fit_is_refused():
    signal, mask = torch.ones(2, 4, 5, 6), torch.ones(4, 5, 6, dtype=torch.bool)
    table = GradientTable(np.zeros(2), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="expected 3 volumes"):
        Acquisition(signal, GradientTable(np.zeros(3), np.zeros((3, 3))), (1, 1, 1), mask)
    with pytest.raises(ValueError, match="mask"):
        Acquisition(signal, table, (1, 1, 1), mask[1:])
    with pytest.raises(ValueError, match="axis"):
        Acquisition(signal, table, (1, 1, 1), mask, phase_axis=2)
    assert Acquisition(signal, table, (1, 1, 1), mask, phase_axis=0).read_axis == 1


def test_b0_level_is_the_mean_in_the_mask(make_acquisition):
    signal = torch.zeros(3, 4, 4, 4)
    signal[0, :2], signal[1, :2], signal[2, :2] = 100, 300, 7
    table = GradientTable(np.array([0, 5, 1000]), np.array([[0, 0, 0], [0, 0, 0], [1.0, 0, 0]]))
    assert make_acquisition(signal, table).b0_level() == 200
    weighted = GradientTable(np.array([3000.0, 1000, 2000]), np.eye(3))
    assert make_acquisition(signal, weighted).b0_level() == 300
