import numpy as np
import pytest

from DMRIPretrainLib.evaluation.orientation import axis_angles
from DMRIPretrainLib.tasks.orientation import peaks_to_fodf
from DMRIPretrainLib.tasks.peaks import find_peaks


def random_axes(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fodf_of(*fibres: np.ndarray) -> np.ndarray:
    """(V, 45) fODFs with a lobe along each of up to three (V, 3) vectors, as high as they are long."""
    peaks = np.zeros((len(fibres[0]), 3, 3))
    for index, fibre in enumerate(fibres):
        peaks[:, index] = fibre
    return peaks_to_fodf(peaks[:, None, None])[:, :, 0, 0].T


def crossing(angle: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, 3) random axes, and others at this angle to them."""
    first = random_axes(count, seed)
    side = np.cross(first, random_axes(count, seed + 1))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return first, np.cos(np.radians(angle)) * first + np.sin(np.radians(angle)) * side


@pytest.mark.parametrize("amplitude", [0.15, 0.5, 1.0])
def test_a_lone_fibre_is_found_with_its_amplitude(amplitude):
    axes = random_axes(500, 0)
    peaks = find_peaks(fodf_of(amplitude * axes))
    assert peaks.dtype == np.float32
    assert peaks.shape == (500, 3, 3)
    assert axis_angles(peaks[:, 0], axes).max() < 1
    np.testing.assert_allclose(np.linalg.norm(peaks[:, 0], axis=1), amplitude, rtol=0.05)
    assert np.all(peaks[:, 1:] == 0)


@pytest.mark.parametrize("angle", [40, 60, 90])
def test_crossings_are_resolved(angle):
    first, second = crossing(angle, 300, 2)
    peaks = find_peaks(fodf_of(0.6 * first, 0.4 * second))
    assert np.all(np.any(peaks[:, 1] != 0, axis=1))
    assert np.all(peaks[:, 2] == 0)
    # Lobes that overlap lean towards each other.
    assert axis_angles(peaks[:, 0], first).max() < (6 if angle == 40 else 2)
    assert axis_angles(peaks[:, 1], second).max() < (6 if angle == 40 else 3)
    assert np.all(np.linalg.norm(peaks[:, 0], axis=1) > np.linalg.norm(peaks[:, 1], axis=1))


def test_three_orthogonal_fibres():
    frames = np.stack([np.linalg.qr(matrix)[0] for matrix in np.random.default_rng(3).normal(size=(100, 3, 3))])
    peaks = find_peaks(fodf_of(0.5 * frames[:, 0], 0.4 * frames[:, 1], 0.3 * frames[:, 2]))
    for index in range(3):
        assert axis_angles(peaks[:, index], frames[:, index]).max() < 4


def test_there_are_at_most_three_and_the_strongest_come_first():
    fodf = np.random.default_rng(4).normal(size=(200, 45)) * 0.3
    fodf[:, 0] += 1
    lengths = np.linalg.norm(find_peaks(fodf), axis=-1)
    assert np.all(np.diff(lengths, axis=1) <= 0.02 * lengths[:, :1])
    assert np.all((lengths > 0).sum(axis=1) >= 1)


def test_peaks_are_apart():
    fodf = np.random.default_rng(5).normal(size=(300, 45)) * 0.3
    peaks = find_peaks(fodf)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = np.any(peaks[:, first] != 0, axis=1) & np.any(peaks[:, second] != 0, axis=1)
        assert both.any()
        # 25 degrees between the sampled directions, which the refinement moves a little.
        assert axis_angles(peaks[both, first], peaks[both, second]).min() > 15


def test_an_axis_has_no_sign():
    axes = random_axes(50, 6)
    np.testing.assert_allclose(fodf_of(axes), fodf_of(-axes), atol=1e-5)
    np.testing.assert_allclose(find_peaks(fodf_of(axes)), find_peaks(fodf_of(-axes)), atol=1e-5)


@pytest.mark.parametrize(("amplitude", "found"), [(0.08, False), (0.09, False), (0.11, True), (0.2, True)])
def test_weak_fibres_are_left_out(amplitude, found):
    peaks = find_peaks(fodf_of(amplitude * random_axes(100, 7)))
    share = np.mean(np.any(peaks[:, 0] != 0, axis=1))
    assert share > 0.9 if found else share == 0


@pytest.mark.parametrize(("share", "found"), [(0.18, False), (0.32, True)])
def test_fibres_weak_beside_the_strongest_are_left_out(share, found):
    first, second = crossing(90, 100, 8)
    # The ripple of the cut-off lobe moves a small lobe up or down by a few percent of the large one.
    peaks = find_peaks(fodf_of(first, share * second))
    assert np.mean(np.any(peaks[:, 1] != 0, axis=1)) == pytest.approx(float(found), abs=0.1)


def test_nothing_and_constants_have_no_peaks():
    coefficients = np.zeros((3, 45))
    coefficients[1, 0] = 1.0
    coefficients[2, 0] = -1.0
    assert np.all(find_peaks(coefficients) == 0)


def test_order_six_and_many_voxels():
    axes = random_axes(5000, 9)
    peaks = find_peaks(fodf_of(axes)[:, :28])
    assert axis_angles(peaks[:, 0], axes).max() < 1.5


def test_no_voxels():
    assert find_peaks(np.zeros((0, 45))).shape == (0, 3, 3)


def test_expected_peaks_are_taken_even_if_low():
    first = random_axes(200, 9)
    second = random_axes(200, 10)
    apart = np.abs(np.einsum("vc,vc->v", first, second)) < np.cos(np.radians(60))
    fodf = fodf_of(0.4 * first, 0.085 * second)[apart]
    assert np.all((np.linalg.norm(find_peaks(fodf), axis=2) > 0).sum(axis=1) == 1)
    found = find_peaks(fodf, np.full(len(fodf), 2))
    assert np.mean((np.linalg.norm(found, axis=2) > 0).sum(axis=1) == 2) > 0.95
    assert np.all((np.linalg.norm(find_peaks(fodf, np.ones(len(fodf), int)), axis=2) > 0).sum(axis=1) == 1)
    np.testing.assert_array_equal(find_peaks(fodf, np.zeros(len(fodf), int)), find_peaks(fodf))
