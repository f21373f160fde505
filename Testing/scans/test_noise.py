from dataclasses import replace

import numpy as np
import pytest

from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.noise import estimate_noise


@pytest.mark.parametrize(("directions", "bvalue"), [(12, 200), (20, 1000), (60, 1000)])
def test_noise_of_simulated_shells_is_recovered(make_dwi, directions: int, bvalue: float) -> None:
    """Whatever the number of directions: the degrees of freedom are counted."""
    scan = make_dwi((20, 20, 20), directions=directions, b0s=5, snr=40, bvalues=(bvalue,))
    noise = estimate_noise(scan)
    assert noise.sigma_b0 == pytest.approx(25, rel=0.03)
    assert noise.shells[0].sigma == pytest.approx(25, rel=0.05)
    assert noise.snr_b0 == pytest.approx(40, rel=0.06)
    inside = scan.signal[scan.mask][:, 5:]
    assert noise.shells[0].snr == pytest.approx(np.median(inside.mean(axis=1)) / 25, rel=0.05)


def test_outliers_in_a_minority_of_the_voxels_do_not_count(make_dwi) -> None:
    scan = make_dwi((20, 20, 20), b0s=5, snr=40)
    signal = scan.signal.copy()
    signal[:5, ..., ::2] *= 2
    assert estimate_noise(replace(scan, signal=signal)).sigma == pytest.approx(25, rel=0.15)


def test_each_shell_has_its_own_estimate(make_dwi) -> None:
    scan = make_dwi((16, 16, 16), bvalues=(700, 2000), directions=30, snr=50)
    low, high = estimate_noise(scan).shells
    assert (low.bvalue, high.bvalue) == (700, 2000)
    assert low.sigma == pytest.approx(20, rel=0.06)
    assert high.snr < low.snr


def test_spread_of_fewer_than_three_b0_is_not_used(make_dwi) -> None:
    noise = estimate_noise(make_dwi(b0s=2, snr=40))
    assert noise.sigma_b0 is None
    assert noise.sigma == noise.shells[0].sigma


def test_motion_between_b0_volumes_does_not_hide_the_quality_of_the_shell(make_dwi) -> None:
    scan = make_dwi((16, 16, 16), b0s=4, snr=40)
    signal = scan.signal.copy()
    signal[..., :4] *= [0.9, 1.0, 1.1, 1.2]
    noise = estimate_noise(replace(scan, signal=signal))
    assert noise.sigma_b0 > 80
    assert noise.sigma == pytest.approx(25, rel=0.06)


def test_too_few_directions_give_no_estimate(make_dwi) -> None:
    shell = estimate_noise(make_dwi(directions=1, b0s=1, snr=40)).shells[0]
    assert shell.sigma is None
    assert shell.snr is None


@pytest.mark.parametrize(("name", "dwi_snr"), [("toshiba", 11), ("prisma", 7)])
def test_real_scans_have_about_the_published_snr(shared_scan_path, name: str, dwi_snr: float) -> None:
    """Published with the data; there in white matter, here in the whole mask."""
    noise = estimate_noise(load_scan(shared_scan_path(name)))
    assert dwi_snr * 0.6 < noise.shells[0].snr < dwi_snr * 1.7
    assert 31 * 0.6 < noise.snr_b0 < 31 * 2
