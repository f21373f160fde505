import gc
import itertools
import logging
import multiprocessing
import pickle
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.files import write_nifti
from DMRIPretrainLib.pretext.recipe import RawPatch
from DMRIPretrainLib.qspace.deconvolution import deconvolve
from DMRIPretrainLib.qspace.prepare import prepare_scan
from DMRIPretrainLib.scans.find_scans import find_scans
from DMRIPretrainLib.scans.fsl import write_fsl_gradients
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.scans.scan_files import ScanFiles
from DMRIPretrainLib.tasks.peaks import find_peaks
from DMRIPretrainLib.training.cube import turn_volume
from DMRIPretrainLib.training.scan_source import MixedSource, ScanSource

SHAPE = (14, 17, 12)
VOXEL = (2.0, 2.5, 3.0)
AXIS_ORDERS = [
    "".join(order) for letters in itertools.product("LR", "AP", "IS") for order in itertools.permutations(letters)
]


@pytest.fixture(scope="module")
def fibre() -> np.ndarray:
    """(X, Y, Z, 3) unit vectors, world frame."""
    vectors = np.random.default_rng(0).normal(size=(*SHAPE, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def speckled(make_dwi, fibre) -> Scan:
    """A brain with a fibre and a b0 of its own in every voxel, so that every cube is unlike all others."""
    affine = np.diag([*VOXEL, 1.0])
    scan = make_dwi(SHAPE, bvalues=(1000.0,), directions=30, b0s=2, fibre=fibre, affine=affine)
    level = np.random.default_rng(1).uniform(0.5, 1.5, size=(*SHAPE, 1)).astype(np.float32)
    return replace(scan, signal=scan.signal * level)


@pytest.fixture(scope="module")
def plain(speckled, tmp_path_factory) -> ScanSource:
    """Patches of the brain saved in RAS order."""
    path = tmp_path_factory.mktemp("plain") / "dwi.nii"
    write_nifti(path, speckled.signal, speckled.affine)
    write_fsl_gradients(path.with_name("dwi.bval"), path.with_name("dwi.bvec"), speckled.gradients, speckled.affine)
    return ScanSource([ScanFiles("plain", path)], 6)


@pytest.fixture
def files(speckled, save_dwi) -> ScanFiles:
    return ScanFiles("speckled", save_dwi(speckled))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_same(first: RawPatch, second: RawPatch) -> None:
    assert torch.equal(first.acquisition.signal, second.acquisition.signal)
    assert torch.equal(first.acquisition.mask, second.acquisition.mask)
    assert np.array_equal(first.acquisition.gradients.directions, second.acquisition.gradients.directions)
    assert first.acquisition.voxel_size == second.acquisition.voxel_size
    assert first.b0_median == second.b0_median


def place_of(part: torch.Tensor, whole: torch.Tensor) -> tuple[slice, ...]:
    """Where the only copy of (P, P, P) in (X, Y, Z) is."""
    windows = np.lib.stride_tricks.sliding_window_view(whole.numpy(), part.shape)
    (start,) = np.argwhere(np.isclose(windows, part.numpy(), rtol=1e-4).all(axis=(3, 4, 5)))
    return tuple(slice(first, first + size) for first, size in zip(start, part.shape, strict=True))


def drawn_turn(patch: RawPatch, directions: np.ndarray) -> np.ndarray:
    """The matrix between the table of the scan and that of the patch."""
    return np.linalg.lstsq(directions, patch.acquisition.gradients.directions, rcond=None)[0].T.round(4) + 0.0


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.0])
def test_a_patch_is_a_part_of_the_scan_turned_with_its_gradients(files, speckled, turn):
    source = ScanSource([files], 6, turn=turn)
    prepared = prepare_scan(speckled)
    whole = torch.from_numpy(np.moveaxis(speckled.signal, -1, 0).copy())
    matrices = Counter()
    for seed in range(40):
        patch = source.draw(seeded(seed))
        acquisition = patch.acquisition
        matrix = drawn_turn(patch, prepared.table.directions)
        matrices[tuple(matrix.ravel())] += 1
        back = turn_volume(acquisition.signal, matrix.T)
        where = place_of(back[0], whole[0])
        torch.testing.assert_close(back, whole[(slice(None), *where)])
        assert torch.equal(turn_volume(acquisition.mask, matrix.T), torch.from_numpy(speckled.mask[where]))
        assert acquisition.voxel_size == pytest.approx(np.abs(matrix) @ VOXEL)
        # The patient's anterior-posterior and the thick slices, wherever they point now.
        assert abs(matrix[acquisition.phase_axis, 1]) == 1
        assert abs(matrix[acquisition.slice_axis, 2]) == 1
        assert acquisition.mask.any()
        assert patch.b0_median == pytest.approx(np.median(speckled.mean_b0()[speckled.mask]))
        assert acquisition.signal.dtype == torch.float32
    identity, mirror = (tuple(np.diag([x, 1.0, 1.0]).ravel()) for x in (1.0, -1.0))
    if turn == 0:
        assert set(matrices) == {identity}
    elif turn == 1:
        assert len(matrices) > 15
    else:
        assert matrices[identity] + matrices[mirror] < 40
        assert min(matrices[identity], matrices[mirror]) > 5


def test_fibres_of_a_turned_patch_are_those_of_the_anatomy(files, speckled, fibre):
    source = ScanSource([files], 6, turn=1.0)
    directions = prepare_scan(speckled).table.directions
    whole = torch.from_numpy(speckled.signal[..., 0])
    for seed in range(5):
        patch = source.draw(seeded(seed))
        matrix, mask = drawn_turn(patch, directions), patch.acquisition.mask
        where = place_of(turn_volume(patch.acquisition.signal[0], matrix.T), whole)
        truth = turn_volume(torch.from_numpy(fibre[where] @ matrix.T).movedim(-1, 0), matrix)[:, mask].T.numpy()
        found = find_peaks(deconvolve(patch.features())[0][:, mask].T.numpy())[:, 0]
        assert np.median(axis_angles(truth, found)) < 3


@pytest.mark.parametrize("order", AXIS_ORDERS)
def test_the_axis_order_of_the_file_does_not_matter(plain, speckled, save_dwi, order):
    """A scan saved in another axis order gives the same patches, gradients and features."""
    to_order = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(tuple(order))
    )
    signal = nib.orientations.apply_orientation(speckled.signal, to_order)
    affine = speckled.affine @ nib.orientations.inv_ornt_aff(to_order, SHAPE)
    other = save_dwi(Scan(np.ascontiguousarray(signal), affine, speckled.gradients), f"{order}.nii")
    assert "".join(nib.aff2axcodes(nib.load(other).affine)) == order
    turned = ScanSource([ScanFiles(order, other)], 6)
    for seed in range(3):
        first, second = plain.draw(seeded(seed)), turned.draw(seeded(seed))
        torch.testing.assert_close(second.acquisition.signal, first.acquisition.signal)
        assert torch.equal(second.acquisition.mask, first.acquisition.mask)
        assert second.acquisition.voxel_size == pytest.approx(first.acquisition.voxel_size)
        np.testing.assert_allclose(
            second.acquisition.gradients.directions, first.acquisition.gradients.directions, atol=1e-6
        )
        torch.testing.assert_close(second.features().shells, first.features().shells, atol=1e-3, rtol=1e-3)


def test_equal_states_give_equal_patches(files):
    first, second = ScanSource([files], 6), ScanSource([files], 6)
    generators = seeded(3), seeded(3)
    drawn = []
    for _ in range(5):
        assert_same(first.draw(generators[0]), second.draw(generators[1]))
        drawn.append(first.draw(seeded(len(drawn))))
    for one, other in itertools.combinations(drawn, 2):
        assert not torch.equal(one.acquisition.signal, other.acquisition.signal)


def test_patches_are_copies(files):
    """What a recipe does to a patch must not reach the scan, even where a patch is the whole of it."""
    for size in (1, 6, 30):
        source = ScanSource([files], size, turn=0.0)
        before = source.draw(seeded(0))
        kept = before.acquisition.signal.clone(), before.acquisition.mask.clone()
        before.acquisition.signal.zero_()
        before.acquisition.mask.zero_()
        after = source.draw(seeded(0)).acquisition
        assert torch.equal(after.signal, kept[0])
        assert torch.equal(after.mask, kept[1])


def test_a_scan_smaller_than_the_patch_is_padded(files, speckled):
    patch = ScanSource([files], 20, turn=1.0).draw(seeded(0)).acquisition
    assert patch.signal.shape == (32, 20, 20, 20)
    assert patch.mask.sum() == speckled.mask.sum()
    assert torch.all(patch.signal[:, ~patch.mask] == 0)
    assert patch.signal.sum().item() == pytest.approx(speckled.signal.sum(), rel=1e-4)


def test_every_part_of_every_brain_is_drawn(files, speckled, save_dwi, make_dwi):
    other = ScanFiles("other", save_dwi(make_dwi((8, 8, 8), directions=12, seed=1), "other.nii.gz"))
    source = ScanSource([files, other], 1, turn=0.0)
    counts = Counter(len(source.draw(seeded(seed)).acquisition.gradients) for seed in range(400))
    assert 150 < counts[32] < 250
    centres = {source.draw(seeded(seed)).acquisition.signal[0].item() for seed in range(400)}
    assert len(centres) > 120  # no voxel of the first brain is like another
    whole = ScanSource([files], 1, turn=0.0)
    assert all(whole.draw(seeded(seed)).acquisition.mask.all() for seed in range(100))


def test_scans_beyond_the_budget_are_cut_from_files(files, speckled):
    in_memory, in_files = ScanSource([files], 6), ScanSource([files], 6, budget=0)
    (held,) = in_files._scans
    assert isinstance(held.signal, Path)
    for seed in range(10):
        first, second = in_memory.draw(seeded(seed)), in_files.draw(seeded(seed))
        torch.testing.assert_close(second.acquisition.signal, first.acquisition.signal, rtol=1e-3, atol=0.1)
        assert torch.equal(second.acquisition.mask, first.acquisition.mask)
        assert not torch.equal(second.acquisition.signal, first.acquisition.signal)  # half precision
    folder = held.signal.parent
    del in_files, held
    gc.collect()
    assert not folder.exists()


def test_a_budget_takes_what_fits(files, speckled, save_dwi):
    twice = [files, ScanFiles("again", save_dwi(speckled, "again.nii.gz"))]
    source = ScanSource(twice, 6, budget=int(1.5 * speckled.signal.size * 4))
    assert [isinstance(scan.signal, Path) for scan in source._scans] == [False, True]


def test_a_full_disk_is_told(files, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(UserError, match="TMPDIR"):
        ScanSource([files], 6, budget=0)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.parametrize("budget", [None, 0])
def test_workers_draw_the_same(files, method, budget):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    source = ScanSource([files], 6, budget=budget)
    expected = source.draw(seeded(5)).acquisition.signal.sum().item()
    loader = torch.utils.data.DataLoader(_Sums(source), num_workers=1, multiprocessing_context=method)
    assert [float(value) for value in loader] == pytest.approx([expected])
    assert source.draw(seeded(5)).acquisition.signal.sum().item() == expected  # files outlive a worker


class _Sums(torch.utils.data.Dataset):
    def __init__(self, source: ScanSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> float:
        return self.source.draw(seeded(5)).acquisition.signal.sum().item()


def test_a_source_in_files_is_small_to_send(files):
    assert len(pickle.dumps(ScanSource([files], 6, budget=0))) < 100_000


def test_progress_names_every_scan(files, save_dwi, make_dwi):
    other = ScanFiles("other", save_dwi(make_dwi((8, 8, 8)), "other.nii.gz"))
    told = []
    ScanSource([files, other], 6, progress=lambda step, fraction: told.append((step, fraction)))
    assert told == [("reading speckled", 0.0), ("reading other", 0.5)]


def test_broken_scans_are_left_out_with_a_warning(files, make_dwi, save_dwi, caplog):
    broken = save_dwi(make_dwi((8, 8, 8)), "broken.nii.gz")
    broken.write_bytes(broken.read_bytes()[:-200])
    b0_alone = save_dwi(make_dwi((8, 8, 8), directions=0, b0s=3), "b0.nii.gz")
    missing = broken.with_name("missing.nii.gz")
    bad = [ScanFiles(path.name, path) for path in (broken, b0_alone, missing)]
    with caplog.at_level(logging.WARNING):
        source = ScanSource([bad[0], files, *bad[1:]], 6)
    assert source.names == ["speckled"]
    messages = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(messages) == 3
    for path, message in zip((broken, b0_alone, missing), messages, strict=True):
        assert str(path) in message
    with pytest.raises(UserError, match=r"none of 3.*broken\.nii\.gz"):
        ScanSource(bad, 6)
    with pytest.raises(UserError, match="none of 0"):
        ScanSource([], 6)


def test_mask_and_gradient_files_that_are_given_are_used(files, speckled):
    mask = np.zeros(SHAPE, np.uint8)
    mask[6:8, 8:10, 5:7] = 1
    path = files.scan.with_name("mine.nii.gz")
    write_nifti(path, mask, speckled.affine)
    source = ScanSource([replace(files, mask=path)], 6)
    assert all(source.draw(seeded(seed)).acquisition.mask.sum() == 8 for seed in range(5))


class Constant:
    """A source that gives itself away, and uses up the generator as it likes."""

    def __init__(self, patch: RawPatch, use: int) -> None:
        self.patch, self.use = patch, use

    def draw(self, generator: torch.Generator) -> RawPatch:
        torch.rand(self.use, generator=generator)
        return self.patch


def test_mixture_keeps_its_shares_and_its_seed(files):
    patch = ScanSource([files], 2).draw(seeded(0))
    sources = [Constant(replace(patch, b0_median=float(n)), n) for n in range(3)]
    mixture = MixedSource([(sources[0], 1), (sources[1], 0), (sources[2], 3)])
    generator = seeded(0)
    drawn = [mixture.draw(generator).b0_median for _ in range(600)]
    counts = Counter(drawn)
    assert counts[1.0] == 0
    assert 110 < counts[0.0] < 190
    again = seeded(0)
    assert [mixture.draw(again).b0_median for _ in range(600)] == drawn


@pytest.mark.parametrize("shares", [[], [0.0, 0.0], [1.0, -0.5], [float("nan")]])
def test_mixture_needs_shares(shares):
    with pytest.raises(ValueError, match="shares"):
        MixedSource([(Constant(None, 0), share) for share in shares])


def test_real_scans(shared_data):
    source = ScanSource(find_scans([shared_data]), 16)
    assert len(source.names) == 3
    for seed in range(6):
        patch = source.draw(seeded(seed))
        features = patch.features()
        assert torch.isfinite(features.shells).all()
        assert patch.acquisition.mask.any()


@pytest.mark.gpu
def test_on_a_gpu_patches_are_the_same_and_stay_there(files):
    on_cpu, on_gpu, mapped = (
        ScanSource([files], 6, device, budget=budget) for device, budget in (("cpu", None), ("cuda", None), ("cuda", 0))
    )
    assert on_gpu._scans[0].signal.dtype == torch.float16
    for seed in range(10):
        expected = on_cpu.draw(seeded(seed)).acquisition
        for source in (on_gpu, mapped):
            found = source.draw(seeded(seed)).acquisition
            assert found.signal.device.type == found.mask.device.type == "cuda"
            torch.testing.assert_close(found.signal.cpu(), expected.signal, rtol=1e-3, atol=0.1)
            assert torch.equal(found.mask.cpu(), expected.mask)
