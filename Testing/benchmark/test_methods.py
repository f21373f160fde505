"""Each method finds what is there."""

import shutil

import numpy as np
import pytest

from DMRIPretrainLib.benchmark.methods.method import Question, strongest_apart, weighted_shells
from DMRIPretrainLib.benchmark.methods.registry import METHODS, load_method
from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.evaluation.segmentation import dice_scores
from DMRIPretrainLib.scans.load import load_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.simulation.export import save_scan
from DMRIPretrainLib.simulation.phantom import simulate_brain
from DMRIPretrainLib.simulation.signal import simulate_signal
from DMRIPretrainLib.simulation.tables import make_gradient_table

FIBRE = np.array([0.6, -0.48, 0.64])
needs_mrtrix = pytest.mark.skipif(not shutil.which("dwi2fod"), reason="MRtrix3 is not installed")


@pytest.fixture(scope="module")
def single_fibre(make_dwi, tmp_path_factory) -> Scan:
    """A block of one fibre everywhere, read from files."""
    path = tmp_path_factory.mktemp("single") / "dwi.nii.gz"
    save_scan(path, make_dwi((12, 11, 10), directions=45, fibre=FIBRE, snr=40.0))
    return load_scan(path)


@pytest.mark.parametrize(
    ("name", "error"),
    [("tensor", 2), ("csa", 7), ("csd", 3), pytest.param("mrtrix-csd", 3, marks=needs_mrtrix)],
)
def test_a_single_fibre_is_counted_once_and_found(single_fibre, tmp_path, name, error):
    method = load_method(name)
    assert method.missing(single_fibre.gradients) is None
    method.prepare()
    found = method.answer(Question(single_fibre, np.asarray(single_fibre.mask), tmp_path))
    assert found.peaks.shape == (len(found.counts), 3, 3)
    assert np.mean(found.counts == 1) > 0.9
    assert np.median(axis_angles(found.peaks[:, 0], FIBRE[None])) < error


def test_tissue_is_told_better_than_by_chance(tmp_path):
    phantom = simulate_brain((24, 28, 10), seed=3, voxel_size=4.0)
    scan = simulate_signal(phantom, make_gradient_table([(1000, 20)], 2, 0), 25, 0)
    mask = np.asarray(scan.mask)
    truth = phantom.segmentation.numpy()[mask]
    found = load_method("label").answer(Question(scan, mask, tmp_path)).tissue
    assert min(dice_scores(found, truth, (1, 2, 3)).values()) > 0.8
    white = load_method("hmrf").answer(Question(scan, mask, tmp_path)).tissue == 3
    assert dice_scores(white, truth == 3, (1,))[1] > 0.6


def test_several_shells_are_asked_for_where_they_are_needed():
    one, two = (make_gradient_table([(1000, 12), (2000, 12)][:count], 1) for count in (1, 2))
    assert (weighted_shells(one), weighted_shells(two)) == (1, 2)
    for name in ("msmt", "dam", "mrtrix-msmt"):
        reason = load_method(name).missing(one)
        assert "two shells" in reason or "not installed" in reason


def test_all_methods_have_a_title_of_their_own():
    titles = [load_method(name).title for name in METHODS]
    assert len(set(titles)) == len(METHODS)


def test_peaks_that_are_low_or_near_a_stronger_one_go():
    near = [np.cos(np.radians(20)), np.sin(np.radians(20)), 0.0]
    peaks = np.array([[[0, 0, 0.2], [1.0, 0, 0], np.multiply(near, 0.9)], [[np.nan] * 3, [0, -0.5, 0], [0, 0, 0.1]]])
    kept = strongest_apart(peaks, relative=0.25, separation=25)
    np.testing.assert_allclose(kept[0], [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(kept[1], [[0, -0.5, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(strongest_apart(peaks, 0.1, 15)[0], [[1, 0, 0], np.multiply(near, 0.9), [0, 0, 0.2]])
