from dataclasses import replace

import numpy as np
import pytest
import torch

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.pretext.directions import can_be_fitted
from DMRIPretrainLib.pretext.recipe import RawPatch
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.phantom import Phantom, simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_volumes
from DMRIPretrainLib.simulation.tables import make_gradient_table
from DMRIPretrainLib.training import simulated_source as module
from DMRIPretrainLib.training.cube import Cube
from DMRIPretrainLib.training.simulated_source import SimulatedSource, SimulationPrior, cut_phantom, turn_phantom

SIZE = 16
PRIOR = SimulationPrior(brains=2, voxel_size=(3.0, 3.2))
#: As good as no noise, and no artifacts.
PURE = replace(PRIOR, snr=(1e6, 1e6), clean=1.0, loose_masks=0.0)
SYMMETRIES = cube_symmetries()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def make_source():
    """Sources that share their brains, which take long to make."""
    brains: dict[int, Phantom] = {}

    def make(**changes) -> SimulatedSource:
        source = SimulatedSource(SIZE, replace(PRIOR, **changes))
        source._brains = brains
        return source

    return make


@pytest.fixture(scope="module")
def pure(make_source):
    """``pure(mosaics)``: a source of patches as good as without noise, all or none of them mosaics."""
    return lambda mosaics: make_source(**{**vars(PURE), "mosaics": mosaics})


@pytest.fixture(scope="module")
def brain() -> Phantom:
    return simulate_brain((24, 28, 22), seed=1, voxel_size=(5.0, 5.5, 7.0), lesions=5)


def parts(patch: RawPatch) -> list[torch.Tensor]:
    acquisition = patch.acquisition
    table = [torch.from_numpy(part) for part in (acquisition.gradients.bvals, acquisition.gradients.directions)]
    return [acquisition.signal, acquisition.mask, patch.clean, *patch.truth.values(), *table]


def equal(one: RawPatch, other: RawPatch) -> bool:
    same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(parts(one), parts(other), strict=True))
    return same and one.b0_median == other.b0_median and one.acquisition.voxel_size == other.acquisition.voxel_size


def tensor_axes(signal: torch.Tensor, table: GradientTable) -> np.ndarray:
    """(V, 3) principal directions of diffusion tensors fitted to the logarithm of (N, V) signal."""
    x, y, z = table.directions.T
    b = table.bvals[:, None]
    design = np.hstack([np.ones_like(b), -b * np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)])
    _, xx, yy, zz, xy, xz, yz = np.linalg.lstsq(design, np.log(signal.double().numpy()), rcond=None)[0]
    tensors = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    return np.linalg.eigh(tensors)[1][:, :, -1]


def errors(signal: torch.Tensor, table: GradientTable, peaks: torch.Tensor) -> np.ndarray:
    """Degrees between tensors and truth, in voxels that hold hardly anything but one population."""
    chosen = peaks[..., 0, :].norm(dim=-1) > 0.9
    return axis_angles(tensor_axes(signal[:, chosen], table), peaks[chosen][:, 0].numpy())


def test_patches_do_not_depend_on_those_before(make_source):
    shared = make_source()
    forwards = [shared.draw(seeded(seed)) for seed in range(6)]
    fresh = SimulatedSource(SIZE, PRIOR)
    for seed in (4, 1, 3):
        assert equal(fresh.draw(seeded(seed)), forwards[seed])
    assert not any(equal(forwards[seed], forwards[seed + 1]) for seed in range(5))


def test_patches_have_the_layout_of_recipes(make_source):
    source = make_source()
    for seed in range(4):
        patch = source.draw(seeded(seed))
        cube = (SIZE,) * 3
        volumes = (len(patch.acquisition.gradients), *cube)
        assert patch.acquisition.signal.shape == patch.clean.shape == volumes
        assert patch.acquisition.signal.dtype == patch.clean.dtype == torch.float32
        assert patch.acquisition.mask.shape == cube
        shapes = {name: tuple(truth.shape) for name, truth in patch.truth.items()}
        assert shapes == {"segmentation": cube, "crossings": cube, "orientation": (*cube, 3, 3)}
        for signal in (patch.acquisition.signal, patch.clean):
            assert torch.isfinite(signal).all()
            assert signal.min() >= 0
        assert torch.isfinite(patch.features().shells).all()
        assert torch.isfinite(patch.clean_features().shells).all()


def test_both_kinds_of_patches_come_as_often_as_asked_for(make_source, monkeypatch):
    class BrainError(Exception):
        pass

    def refuse(self, generator):
        raise BrainError

    monkeypatch.setattr(SimulatedSource, "_brain_patch", refuse)
    monkeypatch.setattr(module, "simulate_mosaic", refuse)
    source, brains = make_source(mosaics=0.25), 0
    for seed in range(100):
        with pytest.raises((BrainError, TypeError)) as error:
            source.draw(seeded(seed))
        brains += error.type is BrainError
    assert 65 <= brains <= 85


@pytest.mark.parametrize("mosaics", [0.0, 1.0])
def test_truth_agrees_with_the_signal(pure, mosaics):
    """In the frame of the table, however the patch was turned; of those tables that fix a tensor well."""
    source, found = pure(mosaics), []
    for seed in range(16):
        patch = source.draw(seeded(seed))
        table = patch.acquisition.gradients
        if len(table) > 40:
            found.append(errors(patch.clean, table, patch.truth["orientation"]))
    assert len(found) >= 2
    assert sum(map(len, found)) > 100
    # Up to a tenth of the voxel is something else.
    assert np.median(np.concatenate(found)) < 1
    assert np.percentile(np.concatenate(found), 95) < 3


def test_the_48_turns_keep_truth_and_signal_together(brain):
    table = make_gradient_table([(1000, 40)], 1)
    patch = cut_phantom(brain, Cube.around((12, 14, 11), tuple(brain.mask.shape), 12))
    expected = patch.crossings.sum()
    for matrix in SYMMETRIES:
        turned = turn_phantom(patch, matrix)
        found = errors(simulate_volumes(turned, table), table, turned.peaks)
        assert len(found) > 10
        assert found.max() < 3
        assert turned.crossings.sum() == expected


def test_a_turn_moves_voxels_as_it_moves_directions(brain):
    """A voxel that lies off the centre along an axis lies off it along the turned axis."""
    patch = cut_phantom(brain, Cube.around((12, 14, 11), tuple(brain.mask.shape), 9))
    edges = np.array([5.0, 5.5, 7.0])
    offset = np.array([1, 2, 3])
    for matrix in SYMMETRIES:
        turned = turn_phantom(patch, matrix)
        here, there = tuple(4 + offset), tuple((4 + matrix @ offset).astype(int))
        for name in ("fractions", "fibre_fractions", "mask", "lesions"):
            assert torch.equal(getattr(turned, name)[there], getattr(patch, name)[here])
        moved = patch.directions[here] @ torch.tensor(matrix.T, dtype=torch.float32)
        torch.testing.assert_close(turned.directions[there], moved)
        np.testing.assert_allclose(turned.affine.diagonal()[:3], np.abs(matrix @ edges))


@pytest.mark.parametrize("centre", [(0, 0, 0), (23, 27, 21), (12, 0, 21), (12, 14, 11)])
def test_patches_at_the_border_lie_inside_the_volume(brain, centre):
    patch = cut_phantom(brain, Cube.around(centre, (24, 28, 22), 8))
    starts = [min(max(middle - 4, 0), length - 8) for middle, length in zip(centre, (24, 28, 22), strict=True)]
    where = tuple(slice(start, start + 8) for start in starts)
    for name in ("fractions", "directions", "fibre_fractions", "mask", "lesions"):
        assert torch.equal(getattr(patch, name), getattr(brain, name)[where])


def test_volumes_smaller_than_a_patch_are_padded_with_nothing(brain):
    cube = Cube.around((12, 14, 11), (24, 28, 22), 26)
    patch = cut_phantom(brain, cube)
    assert patch.mask.shape == (26, 26, 26)
    assert patch.directions.shape == (26, 26, 26, 3, 3)
    assert patch.mask.sum() == brain.mask[:, 1:27].sum()
    assert patch.fractions[~patch.mask].abs().max() == 0


def test_stored_brains_are_nearly_the_simulated_ones(make_source):
    source = make_source(mosaics=0.0)
    source.draw(seeded())
    for brain in source._brains.values():
        assert brain.fractions.dtype == brain.directions.dtype == torch.float16
        assert brain.mask.dtype == torch.bool
        lengths = brain.directions.float().norm(dim=-1)
        present = brain.fibre_fractions > 0
        assert (lengths[present] - 1).abs().max() < 1e-3
        sums = brain.fractions.float().sum(dim=-1)
        assert (sums[brain.mask] - 1).abs().max() < 1e-3


def test_without_noise_the_signal_is_the_clean_one_and_nothing_outside_the_brain(pure):
    for mosaics in (0.0, 1.0):
        for seed in range(3):
            patch = pure(mosaics).draw(seeded(seed))
            inside = patch.truth["segmentation"] > 0
            assert torch.equal(inside, patch.acquisition.mask)
            assert (patch.clean[:, ~inside] == 0).all()
            assert patch.clean[0, inside].min() > 0
            torch.testing.assert_close(patch.acquisition.signal, patch.clean, rtol=1e-4, atol=0.02)


def test_loose_masks_add_a_rim_of_air(make_source):
    source = make_source(mosaics=0.0, loose_masks=1.0)
    rims = []
    for seed in range(8):
        patch = source.draw(seeded(seed))
        inside, mask = patch.truth["segmentation"] > 0, patch.acquisition.mask
        assert (mask | ~inside).all()
        rim = mask & ~inside
        rims.append(int(rim.sum()))
        assert (patch.clean[:, rim] == 0).all()
        for truth in patch.truth.values():
            assert not truth[rim].any()
        grown = torch.nn.functional.max_pool3d(inside[None].float(), 5, stride=1, padding=2)[0] > 0
        assert (grown | ~mask).all()
    assert max(rims) > 100


def test_the_median_b0_is_that_of_the_whole_brain_but_for_shading(pure, monkeypatch):
    monkeypatch.setattr(module, "draw_b0_signal", lambda generator: (1000.0, 700.0, 500.0))
    levels = []
    for seed in range(8):
        patch = pure(0.0).draw(seeded(seed))
        levels.append(patch.b0_median)
        assert 500 / 1.5 <= patch.b0_median <= 700 * 1.5
    assert np.ptp(levels) > 100
    for seed in range(4):
        patch = pure(1.0).draw(seeded(seed))
        found = patch.clean[patch.acquisition.gradients.is_b0].mean(dim=0)[patch.acquisition.mask].median().item()
        assert patch.b0_median == pytest.approx(found, rel=0.2)


def test_shading_is_smooth_and_moderate():
    factors = torch.stack([module._shade(seeded(seed), torch.ones(12, 14, 16)) for seed in range(20)])
    assert factors.shape == (20, 12, 14, 16)
    assert 0.74 < factors.min() < 0.8
    assert 1.25 < factors.max() < 1.34
    assert factors.log().mean().item() == pytest.approx(0, abs=0.02)
    for axis in (1, 2, 3):
        assert 0.001 < factors.diff(dim=axis).abs().max() < 0.2


def test_the_clean_signal_is_shaded_the_same_in_all_volumes(pure, monkeypatch):
    shade, factors = module._shade, []

    def note(generator, mask):
        factors.append(shade(generator, mask))
        return torch.ones(mask.shape)

    shaded = pure(1.0).draw(seeded(2))
    monkeypatch.setattr(module, "_shade", note)
    plain = pure(1.0).draw(seeded(2))
    torch.testing.assert_close(shaded.clean, plain.clean * factors[0])
    assert shaded.b0_median == plain.b0_median


@pytest.mark.parametrize("one_coil", [1.0, 0.0])
def test_noise_has_the_stated_level_whatever_the_coils(make_source, monkeypatch, one_coil):
    """The mean square of n channels of each coil is that of one coil: twice that of (b0 / SNR)."""
    monkeypatch.setattr(module, "draw_b0_signal", lambda generator: (1000.0, 700.0, 500.0))
    monkeypatch.setattr(module, "_ONE_COIL", one_coil)
    source = make_source(mosaics=0.0, snr=(10.0, 10.0), clean=1.0)
    for seed in range(4):
        patch = source.draw(seeded(seed))
        power = (patch.acquisition.signal.double().square() - patch.clean.double().square()).mean().item()
        assert power == pytest.approx(2 * 50**2, rel=0.05)


def test_artifacts_change_the_signal_and_not_what_is_clean(make_source):
    marred = make_source(snr=(1e6, 1e6), clean=0.0, artifact=1.0)
    pure = make_source(snr=(1e6, 1e6), clean=1.0, artifact=1.0)
    for seed in range(4):
        with_artifacts, without = (source.draw(seeded(seed)) for source in (marred, pure))
        assert torch.equal(with_artifacts.clean, without.clean)
        assert all(torch.equal(with_artifacts.truth[name], without.truth[name]) for name in without.truth)
        torch.testing.assert_close(without.acquisition.signal, without.clean, rtol=1e-4, atol=0.02)
        difference = (with_artifacts.acquisition.signal - with_artifacts.clean).abs().mean()
        assert difference > 0.01 * with_artifacts.clean.mean()


@pytest.mark.parametrize("bvals", [lambda b: b + 150, lambda b: b * 0, lambda b: b * 1.5 ** np.arange(len(b))])
def test_a_table_that_errors_made_useless_is_not_used(make_source, monkeypatch, bvals):
    def break_table(acquisition, names, generator, strength):
        table = replace(acquisition.gradients, bvals=bvals(acquisition.gradients.bvals))
        assert not can_be_fitted(table)
        return replace(acquisition, signal=acquisition.signal + 1000, gradients=table), {}

    monkeypatch.setattr(module, "corrupt", break_table)
    patch = make_source(mosaics=1.0, snr=(1e6, 1e6), clean=0.0).draw(seeded(3))
    assert can_be_fitted(patch.acquisition.gradients)
    torch.testing.assert_close(patch.acquisition.signal, patch.clean, rtol=1e-4, atol=0.02)


@pytest.mark.gpu
def test_a_gpu_draws_the_patches_of_the_cpu():
    for mosaics in (0.0, 1.0):
        prior = replace(PURE, mosaics=mosaics)
        here, there = (SimulatedSource(SIZE, prior, device).draw(seeded(1)) for device in ("cpu", "cuda"))
        assert there.acquisition.signal.is_cuda
        assert np.array_equal(here.acquisition.gradients.bvals, there.acquisition.gradients.bvals)
        differs = (here.truth["segmentation"] != there.truth["segmentation"].cpu()).float().mean()
        assert differs < 0.01
        difference = (here.clean - there.clean.cpu()).abs().mean()
        assert difference < 0.01 * here.clean.mean()
