"""Pictures of the module for README, from those that the click-through has kept.

    make clickthrough PICTURES=build/clickthrough
    make clickthrough SCAN=sample PICTURES=build/tutorial
    .venv/bin/python -m Testing.Benchmarks.module_screenshots

Also writes the thumbnail of the sample.
"""

from pathlib import Path

from PIL import Image

from Testing.Benchmarks.screenshots import small_png

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENSHOTS = REPOSITORY / "Resources" / "Screenshots"
THUMBNAIL = REPOSITORY / "DMRIPretrain" / "Resources" / "SampleData" / "brain.png"
#: Picture of a stage -> name in the repository.
PICTURES = {
    "clickthrough/06-prediction.png": "module.png",
    "tutorial/06-prediction.png": "tutorial_prediction.png",
    "tutorial/10-inspector.png": "tutorial_voxel.png",
    "tutorial/17-resumed.png": "tutorial_training.png",
    "tutorial/19-compare.png": "tutorial_compare.png",
}
#: Of Slicer's Sample Data.
_THUMBNAIL_SIZE = (260, 280)


def main() -> None:
    """Write them."""
    for source, name in PICTURES.items():
        (SCREENSHOTS / name).write_bytes(small_png(Image.open(REPOSITORY / "build" / source).convert("RGB")))
        print(f"{name}: {(SCREENSHOTS / name).stat().st_size / 1000:.0f} kB")
    picture = Image.open(REPOSITORY / "build/tutorial/06-prediction.png").convert("RGB")
    # The axial view, as large as the thumbnail allows.
    left, top, right, bottom = (round(part * size) for part, size in zip(_AXIAL, picture.size * 2, strict=True))
    picture.crop((left, top, right, bottom)).resize(_THUMBNAIL_SIZE).quantize(128).save(THUMBNAIL, optimize=True)


#: Left, top, right and bottom of the brain in the axial view, of the window.
_AXIAL = (0.335, 0.075, 0.565, 0.5)


if __name__ == "__main__":
    main()
