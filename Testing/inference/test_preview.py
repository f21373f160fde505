from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.inference.layers import Anatomy, Overlay, Sticks
from DMRIPretrainLib.inference.preview import TISSUE_LEGEND, render_preview
from DMRIPretrainLib.inference.slices import Slice, overview
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scans.grid import GridOrientation

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def whole(shape: tuple[int, int, int], plane: str, voxel_size: tuple[float, float, float] = (1, 1, 1)) -> Slice:
    """The middle slice of a volume at 20 pixels a mm."""
    axis = AXES[plane]
    box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    return Slice(axis, shape[axis] // 2, box, np.array(voxel_size, dtype=float), 20)


def ink(picture: Image.Image) -> np.ndarray:
    """(rows, columns) bool: where something is drawn on black."""
    return np.asarray(picture).max(axis=-1) > 40


def extent(picture: Image.Image) -> tuple[int, int]:
    """Width and height of what is drawn, in pixels."""
    rows, columns = np.nonzero(ink(picture))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def paint_stick(direction: tuple[float, float, float], plane: str, affine: np.ndarray | None = None) -> Image.Image:
    """One peak in the middle of three voxels of 1 mm in RAS order."""
    peaks = np.zeros((3, 3, 3, 1, 3))
    peaks[1, 1, 1, 0] = direction
    black = Anatomy(np.zeros((3, 3, 3)), np.ones((3, 3, 3), dtype=bool))
    return Sticks(black, peaks, np.eye(4) if affine is None else affine).paint(whole((3, 3, 3), plane))


class TestSlices:
    @pytest.mark.parametrize(
        ("plane", "offset", "side"),
        [
            ("axial", (1, 0, 0), "left"),
            ("axial", (0, 1, 0), "top"),
            ("coronal", (1, 0, 0), "left"),
            ("coronal", (0, 0, 1), "top"),
            ("sagittal", (0, 1, 0), "left"),
            ("sagittal", (0, 0, 1), "top"),
        ],
    )
    def test_radiological_convention(self, plane: str, offset: tuple[int, int, int], side: str) -> None:
        volume = np.zeros((3, 3, 3))
        volume[1 + offset[0], 1 + offset[1], 1 + offset[2]] = 1
        ((row, column),) = np.argwhere(whole((3, 3, 3), plane).take(volume))
        assert (row, column) == {"left": (1, 0), "top": (0, 1)}[side]

    def test_letters_name_the_sides_that_the_voxels_are_on(self) -> None:
        assert whole((3, 3, 3), "axial").letters == "RLAP"
        assert whole((3, 3, 3), "coronal").letters == "RLSI"
        assert whole((3, 3, 3), "sagittal").letters == "APSI"

    def test_pictures_have_the_proportions_of_the_brain_not_of_the_grid(self) -> None:
        shape, voxel_size = (10, 8, 4), (1, 2, 5)
        assert whole(shape, "axial", voxel_size).size == (200, 320)
        assert whole(shape, "coronal", voxel_size).size == (200, 400)
        assert whole(shape, "sagittal", voxel_size).size == (320, 400)

    @pytest.mark.parametrize("shape", [(1, 1, 1), (10, 10, 10), (2, 30, 4), (260, 311, 260)])
    def test_pictures_are_neither_tiny_nor_huge(self, shape: tuple[int, int, int]) -> None:
        views = overview(np.ones(shape, dtype=bool), np.array([0.7, 0.7, 0.7]))
        assert 500 <= max(max(view.size) for view in views) <= 900
        assert all(0 <= view.index < shape[view.axis] for view in views)

    def test_slices_go_through_the_brain_and_not_the_middle_of_the_image(self) -> None:
        mask = np.zeros((40, 40, 40), dtype=bool)
        mask[20:31, 4:13, 10:35] = True
        views = overview(mask, np.ones(3))
        assert [(view.plane, view.index) for view in views] == [
            ("axial", 18),
            ("axial", 22),
            ("axial", 26),
            ("coronal", 8),
            ("sagittal", 25),
        ]
        assert views[0].box == (slice(18, 33), slice(2, 15), slice(8, 37))


class TestSticks:
    @pytest.mark.parametrize(
        ("direction", "plane", "shape"),
        [
            ((1, 0, 0), "axial", "horizontal"),
            ((1, 0, 0), "coronal", "horizontal"),
            ((1, 0, 0), "sagittal", "dot"),
            ((0, 1, 0), "axial", "vertical"),
            ((0, 1, 0), "coronal", "dot"),
            ((0, 1, 0), "sagittal", "horizontal"),
            ((0, 0, 1), "axial", "dot"),
            ((0, 0, 1), "coronal", "vertical"),
            ((0, 0, 1), "sagittal", "vertical"),
        ],
    )
    def test_a_stick_lies_along_its_direction(self, direction: tuple, plane: str, shape: str) -> None:
        width, height = extent(paint_stick(direction, plane))
        long, thin = range(18, 22), range(3, 7)
        expected = {"horizontal": (long, thin), "vertical": (thin, long), "dot": (thin, thin)}[shape]
        assert width in expected[0]
        assert height in expected[1]

    @pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_colour_is_the_world_axis(self, axis: int, plane: str) -> None:
        direction = [0.0, 0.0, 0.0]
        direction[axis] = -1
        middle = np.asarray(paint_stick(tuple(direction), plane))[30, 30]
        assert int(np.argmax(middle)) == axis
        assert middle[axis] == 255
        assert np.delete(middle, axis).max() < 60

    def test_a_diagonal_runs_to_the_side_it_points_to(self) -> None:
        drawn = ink(paint_stick((0.8, 0.6, 0), "axial"))
        # To the right and anterior: in the radiological convention towards the upper left.
        assert drawn[:30, :30].sum() > 20
        assert drawn[30:, 30:].sum() > 20
        assert drawn[:27, 33:].sum() == drawn[33:, :27].sum() == 0

    def test_world_directions_are_turned_into_an_oblique_grid(self) -> None:
        angle = np.deg2rad(30)
        affine = np.eye(4)
        affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        along_first_voxel_axis = (np.cos(angle), np.sin(angle), 0)
        picture = paint_stick(along_first_voxel_axis, "axial", affine)
        width, height = extent(picture)
        assert width >= 18
        assert height <= 6
        red, green, _ = np.asarray(picture)[30, 30]
        assert red > green > 100, "colour stays that of the world direction"

    def test_length_grows_with_the_amplitude(self) -> None:
        peaks = np.zeros((3, 3, 1, 1, 3))
        peaks[:, 0, 0, 0] = (1.0, 0, 0)
        peaks[1, 2, 0, 0] = (0.5, 0, 0)
        black = Anatomy(np.zeros((3, 3, 1)), np.ones((3, 3, 1), dtype=bool))
        drawn = ink(Sticks(black, peaks, np.eye(4)).paint(whole((3, 3, 1), "axial")))
        full, half = drawn[40:].any(axis=0).sum() / 3, drawn[:20].any(axis=0).sum()
        assert 0.4 < half / full < 0.65

    def test_nothing_is_drawn_outside_the_mask_or_for_missing_peaks(self) -> None:
        peaks = np.full((3, 3, 3, 3, 3), np.nan)
        peaks[0, :, :, 0] = (0, 1, 0)
        mask = np.ones((3, 3, 3), dtype=bool)
        mask[0] = False
        picture = Sticks(Anatomy(np.zeros((3, 3, 3)), mask), peaks, np.eye(4)).paint(whole((3, 3, 3), "axial"))
        assert not ink(picture).any()


def test_labels_are_painted_where_they_are_in_their_colours() -> None:
    labels = np.zeros((2, 2, 1), dtype=np.uint8)
    labels[1, 1, 0] = 3
    labels[0, 0, 0] = 9
    black = Anatomy(np.zeros((2, 2, 1)), np.ones((2, 2, 1), dtype=bool))
    pixels = np.asarray(Overlay(black, labels, TISSUE_LEGEND).paint(whole((2, 2, 1), "axial"))).astype(float)
    # Right and anterior is upper left; label 9 is not in the legend.
    np.testing.assert_allclose(pixels[:20, :20] / 150 * 255, np.broadcast_to(TISSUE_LEGEND[3][1], (20, 20, 3)), atol=2)
    pixels[:20, :20] = 0
    assert not pixels.any()


def example(shape: tuple[int, int, int] = (9, 11, 7)) -> dict[str, np.ndarray]:
    """Volumes without any symmetry, in RAS voxel order."""
    random = np.random.default_rng(0)
    mask = np.zeros(shape, dtype=bool)
    mask[1:-1, 2:, 1:] = True
    return {
        "background": random.uniform(0, 1000, shape),
        "mask": mask,
        "segmentation": random.integers(0, 4, shape),
        "crossings": random.integers(0, 4, shape),
        "peaks": random.normal(size=(*shape, 2, 3)),
    }


def picture(path: Path, affine: np.ndarray, volumes: dict[str, np.ndarray]) -> np.ndarray:
    render_preview(path, affine=affine, title=["scan"], **volumes)
    return np.asarray(Image.open(path))


def test_the_same_scan_gives_the_same_picture_in_all_48_storage_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small pictures will do, and 48 of them take less time.
    monkeypatch.setattr("DMRIPretrainLib.inference.slices._scale", lambda extent, smallest: 6.0)
    ras, affine = example(), np.diag([2.0, 1.5, 3.0, 1.0])
    affine[:3, :3] = _rotation() @ affine[:3, :3]
    affine[:3, 3] = (-20, 5, 11)
    expected = picture(tmp_path / "ras.png", affine, ras)
    for symmetry in cube_symmetries():
        stored, stored_affine = _stored(ras, affine, symmetry)
        np.testing.assert_array_equal(picture(tmp_path / "stored.png", stored_affine, stored), expected)


def _rotation() -> np.ndarray:
    """A turn by 20 degrees about an oblique axis."""
    axis = np.array([1, 2, 3]) / np.sqrt(14)
    cross = np.cross(np.eye(3), axis)
    angle = np.deg2rad(20)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _stored(ras: dict[str, np.ndarray], affine: np.ndarray, symmetry: np.ndarray) -> tuple[dict, np.ndarray]:
    """Volumes with permuted and flipped voxel axes, and the affine that keeps them in place, from first principles."""
    order = np.abs(symmetry).argmax(axis=1)
    flips = symmetry[range(3), order] < 0
    shape = np.array(ras["mask"].shape)
    to_ras = np.eye(4)
    to_ras[:3, :3] = 0
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        to_ras[source, axis] = -1 if flip else 1
        to_ras[source, 3] = shape[source] - 1 if flip else 0

    def store(volume: np.ndarray) -> np.ndarray:
        volume = np.transpose(volume, (*order, *range(3, volume.ndim)))
        return np.flip(volume, axis=np.flatnonzero(flips))

    stored = {name: store(volume) for name, volume in ras.items()}
    corner = to_ras @ (0, 0, 0, 1)
    assert stored["background"][0, 0, 0] == ras["background"][tuple(corner[:3].astype(int))]
    return stored, affine @ to_ras


@pytest.mark.parametrize("affine", [np.diag([-2.0, 2, 2, 1]), np.diag([2.0, 2, 2, 1])], ids=["LAS", "RAS"])
def test_the_right_of_the_patient_is_on_the_left_of_the_picture(tmp_path: Path, affine: np.ndarray) -> None:
    right = np.zeros((10, 10, 10), dtype=int)
    right[:3] = 2
    if affine[0, 0] > 0:
        right = right[::-1]
    mask = np.ones((10, 10, 10), dtype=bool)
    render_preview(
        tmp_path / "p.png", np.zeros(mask.shape), affine, mask, segmentation=right, labels={2: ("right", (255, 0, 0))}
    )
    pixels = np.asarray(Image.open(tmp_path / "p.png")).astype(int)
    (axial,) = overview(mask, np.full(3, 2.0))[:1]
    # The first column of pictures begins right of the legend.
    left = 24 + 250
    is_red = (pixels[..., 0] > 120) & (pixels[..., 1] < 20)
    row = is_red[:, left : left + axial.size[0]]
    assert row[:, : axial.size[0] // 4].sum() > 10_000
    assert row[:, axial.size[0] // 2 :].sum() == 0


def test_absent_results_take_no_row(tmp_path: Path) -> None:
    volumes = example()
    full = picture(tmp_path / "full.png", np.eye(4), volumes)
    anatomy = picture(tmp_path / "one.png", np.eye(4), {name: volumes[name] for name in ("background", "mask")})
    assert anatomy.shape[1] == full.shape[1]
    assert anatomy.shape[0] < 0.4 * full.shape[0]


@pytest.mark.filterwarnings("error")
def test_hollow_input_still_gives_a_picture(tmp_path: Path) -> None:
    shape = (10, 10, 10)
    background = np.full(shape, np.nan)
    nothing = np.zeros(shape, dtype=int)
    render_preview(
        tmp_path / "p.png",
        background,
        np.eye(4),
        nothing.astype(bool),
        segmentation=nothing,
        crossings=nothing,
        peaks=np.zeros((*shape, 3, 3)),
        title=["b = 1000 s/mm²"],
    )
    with Image.open(tmp_path / "p.png") as page:
        assert page.size[0] > 1000


def test_nothing_is_left_behind_where_the_picture_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        picture(tmp_path / "file" / "preview.png", np.eye(4), example())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_corpus_callosum_is_red_and_the_corticospinal_tract_blue_in_a_real_brain(shared_data: Path) -> None:
    """Peaks of tensors from an independent fit and the FSL rule, painted, at places known from anatomy."""
    import nibabel as nib
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    from DMRIPretrainLib.scans.frames import fsl_to_world

    (folder,) = shared_data.glob("toshiba*")
    image = nib.load(folder / "dwi.nii.gz")
    bvals, bvecs = np.loadtxt(folder / "dwi.bval"), np.loadtxt(folder / "dwi.bvec").T
    bvecs[bvals < 50] = 0
    table = gradient_table(bvals, bvecs=fsl_to_world(bvecs, image.affine), b0_threshold=50)
    orientation = GridOrientation(image.affine, image.shape[:3])
    signal = orientation.apply(np.asarray(image.dataobj))
    mask = orientation.apply(np.asarray(nib.load(folder / "mask.nii.gz").dataobj) > 0)
    views = overview(mask, np.full(3, 3.0))
    sagittal = views[-1]
    selected = np.zeros_like(mask)
    selected[sagittal.index] = mask[sagittal.index]
    fit = TensorModel(table).fit(signal, mask=selected)
    coherent = (fit.fa > 0.6) & selected
    peaks = np.where(coherent[..., None], fit.evecs[..., 0] * fit.fa[..., None], 0)[..., None, :]
    pixels = np.asarray(Sticks(Anatomy(np.zeros(mask.shape), mask), peaks, orientation.affine).paint(sagittal))
    width, height = sagittal.size
    # Middle third of the midline from front to back, upper half of the brain: the callosum.
    callosum = pixels[height // 4 : height // 2, width // 3 : 2 * width // 3].reshape(-1, 3).sum(axis=0)
    assert callosum[0] > 1.5 * callosum[1:].max()
    # Behind the middle, lowest quarter: the brain stem.
    stem = pixels[3 * height // 4 :, width // 2 : 3 * width // 4].reshape(-1, 3).sum(axis=0)
    assert stem[2] > 1.2 * stem[:2].max()
