"""Pictures for the repository: previews of the shipped model on the real scans beside it.

    .venv/bin/python Testing/Benchmarks/screenshots.py [--model FILE] [--data FOLDER] [--out FOLDER]

Each scan of the data folder that is there gives a PNG of its name, which says its gradient table.
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import atomic_path
from DMRIPretrainLib.inference.loaded_model import LoadedModel, load_models
from DMRIPretrainLib.inference.predict import PREVIEW, predict
from DMRIPretrainLib.scans.load import load_scan

REPOSITORY = Path(__file__).resolve().parents[2]
SCANS = ("toshiba_60dir_b1500", "prisma_20dir_b2500", "elition_12dir_b1000_slab")
#: A repository keeps every version of a picture for ever.
MOST_BYTES = 400_000
WIDTHS = range(1600, 600, -100)  # pixels


def main() -> None:
    options = parse()
    try:
        models = load_models([options.model] if options.model else [])
        for name in SCANS:
            scan = options.data / name / "dwi.nii.gz"
            if scan.is_file():
                take(scan, models, options.out / f"{name}.png")
            else:
                print(f"{name}: skipped, there is none at {scan}")
    except UserError as error:
        raise SystemExit(f"screenshots: {error}") from error


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="file or name of a model; by default as predict")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of the scans")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "Resources" / "Screenshots")
    return parser.parse_args()


def take(scan: Path, models: list[LoadedModel], out: Path) -> None:
    """Predict a scan and keep its preview."""
    with tempfile.TemporaryDirectory() as folder:
        predict(load_scan(scan), models, Path(folder))
        with Image.open(Path(folder) / PREVIEW) as preview:
            content = small_png(preview.convert("RGB"))
    with atomic_path(out) as temporary:
        temporary.write_bytes(content)
    print(f"wrote {out}, {len(content) / 1000:.0f} kB")


def small_png(picture: Image.Image) -> bytes:
    """The widest PNG that is small enough.

    Of each colour 5 bits are kept. A palette would be smaller, and would lose the colours of few and thin lines: those
    of the directions.
    """
    for width in WIDTHS:
        resized = picture.resize((width, round(width * picture.height / picture.width)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        ImageOps.posterize(resized, 5).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            return buffer.getvalue()
    raise UserError(f"expected a preview that fits in {MOST_BYTES} bytes, found a larger one; choose smaller WIDTHS")


if __name__ == "__main__":
    main()
