"""Peaks in wrong frames, wrong units, or not there at all."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.scans.frames import cube_symmetries, grid_to_world_rotation
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.training.peaks_check import check_peaks, compare_with_tensors

FIBRE = np.array([0.8, 0.5, 0.33166248])


def peaks_of(scan: Scan, direction: np.ndarray = FIBRE, amplitude: float = 1.0) -> np.ndarray:
    """(X, Y, Z, 3, 3) one peak in every voxel of the brain."""
    peaks = np.zeros((*scan.shape, 3, 3), dtype=np.float32)
    peaks[scan.mask, 0] = amplitude * direction
    return peaks


def found(scan: Scan, peaks: np.ndarray, raw: np.ndarray | None = None) -> list[str]:
    assert scan.mask is not None
    return [f.code for f in check_peaks(peaks if raw is None else raw, peaks, scan.mask, scan)]


@pytest.mark.parametrize("matrix", cube_symmetries()[::7])
def test_right_peaks_are_right_on_any_grid(make_dwi, matrix: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [10, -20, 15], degrees=True).as_matrix() @ matrix @ np.diag([2, 2, 2.5])
    scan = make_dwi(fibre=FIBRE, affine=affine, snr=30)
    assert found(scan, peaks_of(scan)) == []
    in_grid = FIBRE @ grid_to_world_rotation(affine)
    (finding,) = check_peaks(peaks_of(scan, in_grid), peaks_of(scan, in_grid), scan.mask, scan)
    assert finding.code == "peaks-flipped"
    fit = compare_with_tensors(peaks_of(scan, in_grid), scan.mask, scan)
    assert fit is not None
    assert fit.best_angle < 5


def test_the_flip_is_named(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE, snr=30)
    flipped = peaks_of(scan, FIBRE * (1, -1, 1))
    fit = compare_with_tensors(flipped, scan.mask, scan)
    assert fit is not None
    assert fit.best == "after flip y"
    (finding,) = check_peaks(flipped, flipped, scan.mask, scan)
    assert finding.severity == "warning"
    assert "flip y" in finding.message


def test_the_sign_of_a_peak_means_nothing(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE, snr=30)
    assert found(scan, peaks_of(scan, -FIBRE)) == []


def test_random_peaks_are_no_flip(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE, snr=30)
    directions = np.random.default_rng(0).normal(size=(*scan.shape, 3))
    peaks = peaks_of(scan)
    peaks[scan.mask, 0] = (directions / np.linalg.norm(directions, axis=-1, keepdims=True))[scan.mask]
    assert found(scan, peaks) == []


def test_too_few_directions_to_compare(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE)
    few = scan.subset(np.arange(7))
    few = replace(few, mask=scan.mask)
    assert compare_with_tensors(peaks_of(scan), scan.mask, few) is None


@pytest.mark.parametrize("amplitude", [0.01, 50.0])
def test_absurd_amplitudes(make_dwi, amplitude: float) -> None:
    scan = make_dwi(fibre=FIBRE)
    assert found(scan, peaks_of(scan, amplitude=amplitude)) == ["peaks-amplitude"]


def test_no_peaks(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE)
    none = np.zeros((*scan.shape, 3, 3), dtype=np.float32)
    assert found(scan, none) == ["peaks-empty"]
    (finding,) = check_peaks(none + np.nan, none, scan.mask, scan)
    assert "NaN" in finding.message
    outside = none.copy()
    outside[~scan.mask, 0, 0] = 1
    (finding,) = check_peaks(outside, outside, scan.mask, scan)
    assert "in the brain" in finding.message


def test_infinite_peaks(make_dwi) -> None:
    scan = make_dwi(fibre=FIBRE)
    raw = peaks_of(scan)
    raw[6, 6, 6, 0, 0] = np.inf
    assert found(scan, peaks_of(scan), raw) == ["peaks-infinite"]
