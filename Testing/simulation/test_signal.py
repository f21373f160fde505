from dataclasses import replace

import numpy as np
import pytest
import torch
from dipy.core.gradients import gradient_table
from dipy.sims.voxel import multi_tensor, single_tensor
from scipy.stats import rice

from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation import signal as module
from DMRIPretrainLib.simulation.microstructure import Microstructure, draw_fibres, draw_isotropic
from DMRIPretrainLib.simulation.mosaic import draw_voxels, simulate_mosaic
from DMRIPretrainLib.simulation.phantom import Phantom
from DMRIPretrainLib.simulation.signal import add_noise, simulate_signal, simulate_volumes, simulate_voxels
from DMRIPretrainLib.simulation.tables import make_gradient_table

TABLE = make_gradient_table([(1000, 20), (2500, 20)], b0_count=2, seed=3)
SHORT = make_gradient_table([(700, 7), (2000, 8)], b0_count=1, seed=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dipy_table(table: GradientTable):
    return gradient_table(table.bvals, bvecs=table.directions, b0_threshold=0)


def one_voxel(fractions, directions=(), fibre_fractions=(), lesion: float = 0.0) -> Phantom:
    fibres, shares = torch.zeros(1, 1, 1, 3, 3), torch.zeros(1, 1, 1, 3)
    for index, (direction, share) in enumerate(zip(directions, fibre_fractions, strict=True)):
        fibres[0, 0, 0, index] = torch.as_tensor(direction)
        shares[..., index] = share
    return Phantom(
        torch.tensor(fractions, dtype=torch.float32).reshape(1, 1, 1, 3),
        fibres,
        shares,
        torch.ones(1, 1, 1, dtype=torch.bool),
        np.eye(4),
        torch.full((1, 1, 1), lesion),
    )


def signal_of(phantom: Phantom, table: GradientTable, tissue: Microstructure) -> np.ndarray:
    return simulate_signal(phantom, table, snr=None, microstructure=tissue).signal[0, 0, 0]


def random_tissue(count: int, seed: int = 0) -> Microstructure:
    """Every value another one in each voxel, and for fibres in each population."""
    generator = seeded(seed)
    return Microstructure(**draw_fibres(generator, (count, 3)), **draw_isotropic(generator, (count,)))


@pytest.mark.parametrize("angle", [0, 40, 90])
def test_crossing_sticks_and_zeppelins_agree_with_dipy(angle):
    tissue = Microstructure(parallel_diffusivity=1.7e-3, stick_fraction=0.6)
    radians = np.radians([0.0, angle])
    directions = np.stack([np.cos(radians), 0.6 * np.sin(radians), 0.8 * np.sin(radians)], axis=1)
    signal = signal_of(one_voxel([0, 0, 1], directions, [0.7, 0.3]), TABLE, tissue)

    stick, zeppelin = [1.7e-3, 0, 0], [1.7e-3, 0.4 * 1.7e-3, 0.4 * 1.7e-3]
    expected, _ = multi_tensor(
        dipy_table(TABLE),
        np.array([stick, zeppelin] * 2),
        S0=tissue.b0_signal[2],
        angles=list(np.repeat(directions, 2, axis=0)),
        fractions=[42, 28, 18, 12],
        snr=None,
    )
    np.testing.assert_allclose(signal, expected, rtol=1e-4)


def test_a_fibre_without_a_stick_is_the_tensor_of_dipy():
    tissue = Microstructure(parallel_diffusivity=1.5e-3, stick_fraction=0.0, perpendicular_diffusivity=0.3e-3)
    axis = np.array([0.48, -0.6, 0.64])
    frame = np.linalg.qr(np.stack([axis, [1, 0, 0], [0, 1, 0]], axis=1))[0]
    expected = single_tensor(dipy_table(TABLE), 650.0, evals=np.array([1.5e-3, 0.3e-3, 0.3e-3]), evecs=frame)
    np.testing.assert_allclose(signal_of(one_voxel([0, 0, 1], [axis], [1.0]), TABLE, tissue), expected, rtol=1e-4)


@pytest.mark.parametrize("dispersion", [0.05, 0.3])
def test_dispersion_is_the_mean_of_dipys_tensors_over_a_watson_distribution(dispersion):
    axis = np.array([0.48, -0.6, 0.64])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    cosine, azimuth = (nodes + 1) / 2, 2 * np.pi * np.arange(24) / 24
    concentration = 1 / np.tan(np.pi / 2 * dispersion)
    density = weights * np.exp(concentration * (cosine**2 - 1))
    sine = np.sqrt(1 - cosine**2)
    across = np.linalg.qr(np.column_stack([axis, np.eye(3)[:, :2]]))[0][:, 1:]
    axes = (
        cosine[:, None, None] * axis
        + sine[:, None, None] * np.cos(azimuth)[:, None] * across[:, 0]
        + sine[:, None, None] * np.sin(azimuth)[:, None] * across[:, 1]
    ).reshape(-1, 3)
    shares = np.repeat(density / density.sum() / 24, 24)
    eigenvalues = np.array([[1.9e-3, 0, 0]] * len(axes) + [[1.9e-3, 0.8e-3, 0.8e-3]] * len(axes))
    expected, _ = multi_tensor(
        dipy_table(SHORT),
        eigenvalues,
        S0=1.0,
        angles=list(np.concatenate([axes, axes])),
        fractions=100 * np.concatenate([0.6 * shares, 0.4 * shares]),
        snr=None,
    )
    tissue = Microstructure(1.9e-3, 0.6, 0.8e-3, dispersion, b0_signal=(1.0, 1.0, 1.0))
    found = signal_of(one_voxel([0, 0, 1], [axis], [1.0]), SHORT, tissue)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    parallel = signal_of(one_voxel([0, 0, 1], [axis], [1.0]), SHORT, replace(tissue, dispersion=0.0))
    assert np.abs(parallel - expected).max() > 0.01


def test_isotropic_tissues_decay_as_their_diffusivity_says():
    table = make_gradient_table([(1000, 6), (3000, 6)], b0_count=1)
    signal = signal_of(one_voxel([0.25, 0.75, 0]), table, Microstructure())
    assert signal[0] == pytest.approx(0.25 * 1500 + 0.75 * 850)
    np.testing.assert_allclose(signal[1:7], 375 * np.exp(-3.0) + 637.5 * np.exp(-0.8), rtol=1e-5)
    np.testing.assert_allclose(signal[7:], 375 * np.exp(-9.0) + 637.5 * np.exp(-2.4), rtol=1e-5)


def test_a_lesion_replaces_its_share_of_the_fibres():
    axis = np.array([0.0, 0.6, 0.8])
    whole, half, all_diseased = (
        signal_of(one_voxel([0.2, 0.1, 0.7], [axis], [1.0], lesion), SHORT, Microstructure())
        for lesion in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(half, (whole + all_diseased) / 2, rtol=1e-5)
    b = SHORT.bvals
    expected = 300 * np.exp(-b * 3e-3) + 85 * np.exp(-b * 0.8e-3) + 455 * np.exp(-b * 1.3e-3)
    np.testing.assert_allclose(all_diseased, expected, rtol=1e-5)


def test_b0_is_the_mixture_of_the_tissues_whatever_the_fibres():
    fractions, directions, shares = draw_voxels(200, seeded(1))
    tissue = replace(random_tissue(200), b0_signal=(1000.0, 600.0, 400.0))
    signal = simulate_voxels(fractions, directions, shares, SHORT, tissue)
    assert signal.shape == (16, 200)
    assert signal.dtype == torch.float32
    has_fibres = shares.sum(dim=1) > 0
    expected = fractions @ torch.tensor([1000.0, 600.0, 400.0])
    torch.testing.assert_close(signal[0, has_fibres], expected[has_fibres], rtol=1e-5, atol=1e-3)
    assert (signal[1:] < signal[0] * 1.00001).all()
    assert (signal >= 0).all()


@pytest.mark.parametrize("tortuous", [True, False])
def test_values_of_each_voxel_mean_what_numbers_mean(tortuous):
    count = 12
    fractions, directions, shares = draw_voxels(count, seeded(2))
    tissue = random_tissue(count)
    if tortuous:
        tissue = replace(tissue, perpendicular_diffusivity=None)
    together = simulate_voxels(fractions, directions, shares, SHORT, tissue)
    isotropic = ("gm_diffusivity", "csf_diffusivity", "lesion_diffusivity")
    for voxel in range(count):
        alone = torch.zeros(16)
        for fibre in range(3):  # the signal is linear in the populations
            numbers = {
                name: value[voxel].item() if name in isotropic else value[voxel, fibre].item()
                for name, value in vars(tissue).items()
                if isinstance(value, torch.Tensor)
            }
            one = torch.zeros(1, 3)
            one[0, fibre] = shares[voxel, fibre]
            here = slice(voxel, voxel + 1)
            tissue_fractions = fractions[here].clone()
            if fibre:
                tissue_fractions[:, :2] = 0
            alone += simulate_voxels(tissue_fractions, directions[here], one, SHORT, Microstructure(**numbers))[:, 0]
        torch.testing.assert_close(together[:, voxel], alone, rtol=1e-4, atol=0.02)


def test_one_value_a_voxel_is_that_of_all_its_populations():
    fractions, directions, shares = draw_voxels(20, seeded(3))
    values = draw_fibres(seeded(4), (20,))
    repeated = {name: value[:, None].expand(-1, 3) for name, value in values.items()}
    one, three = (
        simulate_voxels(fractions, directions, shares, SHORT, Microstructure(**v)) for v in (values, repeated)
    )
    assert torch.equal(one, three)


def test_the_size_of_a_block_does_not_matter(monkeypatch):
    fractions, directions, shares = draw_voxels(20, seeded(5))
    arguments = (fractions, directions, shares, SHORT, random_tissue(20), torch.rand(20, generator=seeded()))
    expected = simulate_voxels(*arguments)
    for size in (1, 7, 20):
        monkeypatch.setattr(module, "_VOXELS_AT_ONCE", size)
        torch.testing.assert_close(simulate_voxels(*arguments), expected, rtol=1e-5, atol=1e-3)


def test_no_voxels_give_no_signal():
    nothing = simulate_voxels(torch.zeros(0, 3), torch.zeros(0, 3, 3), torch.zeros(0, 3), SHORT)
    assert nothing.shape == (16, 0)


def test_turning_fibres_and_gradients_together_changes_nothing():
    fractions, directions, shares = draw_voxels(50, seeded(6))
    tissue = random_tissue(50)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    matrix = torch.tensor(rotation, dtype=torch.float32)
    expected = simulate_voxels(fractions, directions, shares, SHORT, tissue)
    turned = simulate_voxels(fractions, directions @ matrix.T, shares, SHORT.transformed(rotation), tissue)
    torch.testing.assert_close(turned, expected, rtol=1e-4, atol=0.02)
    fibres_alone = simulate_voxels(fractions, directions @ matrix.T, shares, SHORT, tissue)
    assert (fibres_alone - expected).abs().max() > 50
    torch.testing.assert_close(simulate_voxels(fractions, -directions, shares, SHORT, tissue), expected)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("gm_diffusivity", (5, 3)), ("dispersion", (6,)), ("dispersion", ()), ("stick_fraction", (1, 3))],
)
def test_values_of_other_voxels_are_refused(name, shape):
    tissue = Microstructure(**{name: torch.zeros(shape)})
    with pytest.raises(ValueError, match=rf"{name}: expected a number or a tensor of \(5,\)"):
        simulate_voxels(*draw_voxels(5, seeded()), SHORT, tissue)


def test_volumes_have_signal_in_the_mask_alone():
    phantom, tissue = simulate_mosaic((4, 3, 2), seeded())
    mask = torch.rand(4, 3, 2, generator=seeded()) < 0.5
    inside = simulate_volumes(phantom, SHORT, tissue)
    values = tissue.changed(lambda value: value[mask.flatten()])
    masked = simulate_volumes(replace(phantom, mask=mask), SHORT, values)
    assert masked.shape == (16, 4, 3, 2)
    assert (masked[:, ~mask] == 0).all()
    torch.testing.assert_close(masked[:, mask], inside[:, mask], rtol=1e-4, atol=1e-3)


def test_a_scan_has_the_volumes_of_the_table_last():
    phantom, tissue = simulate_mosaic((4, 3, 2), seeded())
    scan = simulate_signal(phantom, SHORT, None, microstructure=tissue)
    assert scan.signal.shape == (4, 3, 2, 16)
    assert scan.signal.dtype == np.float32
    np.testing.assert_array_equal(np.moveaxis(scan.signal, -1, 0), simulate_volumes(phantom, SHORT, tissue))
    assert scan.gradients is SHORT
    assert scan.mask.all()


def test_noise_is_rician_with_the_stated_snr():
    phantom = replace(
        one_voxel([0, 0, 1], [[1.0, 0, 0]], [1.0]),
        **{
            name: torch.zeros(20, 20, 20, *size)
            for name, size in (("fractions", (3,)), ("directions", (3, 3)), ("fibre_fractions", (3,)), ("lesions", ()))
        },
        mask=torch.ones(20, 20, 20, dtype=torch.bool),
    )
    phantom.fractions[10:, ..., 1] = 1.0  # grey matter of 850 in half of the volume
    table = make_gradient_table([(1000, 6)], b0_count=4)
    scan = simulate_signal(phantom, table, snr=10, seed=1)
    assert np.mean(scan.signal[:10]) == pytest.approx(65.0 * np.sqrt(np.pi / 2), rel=0.01)  # Rayleigh
    assert scan.signal[10:, ..., :4].std() == pytest.approx(65.0, rel=0.02)
    assert np.array_equal(scan.signal, simulate_signal(phantom, table, snr=10, seed=1).signal)
    assert not np.array_equal(scan.signal, simulate_signal(phantom, table, snr=10, seed=2).signal)


@pytest.mark.parametrize("level", [0.0, 30.0, 200.0])
@pytest.mark.parametrize("coils", [1, 4])
def test_moments_of_noise(level, coils):
    """M² / sigma² is noncentral chi-square with 2n degrees of freedom (Constantinides et al. 1997)."""
    sigma, count = 20.0, 200_000
    magnitude = add_noise(torch.full((count,), level), sigma, seeded(7), coils).double()
    square = (magnitude / sigma).square()
    power = (level / sigma) ** 2
    variance = 4 * coils + 4 * power
    tolerance = 4 * (variance / count) ** 0.5
    assert square.mean().item() == pytest.approx(2 * coils + power, abs=tolerance)
    assert square.var().item() == pytest.approx(variance, rel=0.03)
    if coils == 1:
        assert magnitude.mean().item() == pytest.approx(rice.mean(level / sigma, scale=sigma), rel=0.005)
        assert magnitude.std().item() == pytest.approx(rice.std(level / sigma, scale=sigma), rel=0.01)


@pytest.mark.gpu
def test_a_gpu_gives_the_signal_of_the_cpu():
    phantom, tissue = simulate_mosaic((8, 8, 8), seeded(), 2)
    expected = simulate_volumes(phantom, TABLE, tissue)
    for values, reference in ((tissue, expected), (Microstructure(), simulate_volumes(phantom, TABLE))):
        found = simulate_volumes(phantom.to("cuda"), TABLE, values.to("cuda"))
        assert found.is_cuda
        torch.testing.assert_close(found.cpu(), reference, rtol=1e-3, atol=0.1)
