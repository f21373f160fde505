"""Gradient tables in FSL files (``bval`` and ``bvec``).

The convention is FSL's (https://fsl.fmrib.ox.ac.uk/fsl/docs/#/diffusion/faq) and that of BIDS: vectors lie
along the voxel axes, the first component negated when the affine has a positive determinant.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import UserError
from ..files import atomic_path
from .bids import inherited_file
from .frames import fsl_to_world, world_to_fsl
from .gradient_table import DEFAULT_B0_THRESHOLD, GradientTable

#: Vectors this near to length one are rounded unit vectors; the checks report all others.
UNIT_LENGTH_TOLERANCE = 0.02

_IMAGE_SUFFIXES = (".nii", ".nii.gz")


def read_fsl_gradients(
    bval_path: Path, bvec_path: Path, affine: np.ndarray, b0_threshold: float = DEFAULT_B0_THRESHOLD
) -> GradientTable:
    """Read ``bval`` and ``bvec`` files into the world frame.

    Values may be separated by blanks, tabs, commas or semicolons. The vectors may fill three rows, as FSL
    writes them, or three columns. Vectors within 2 % of unit length are normalised; those of b0 volumes
    that are not (zero, NaN) become zero; those of weighted volumes stay as they are, for ``check_scan``.

    Args:
        bval_path: text file with N b-values in s/mm².
        bvec_path: text file with (3, N) or (N, 3) components, FSL convention.
        affine: (4, 4) of the image that the vectors belong to, voxel indices to RAS mm.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.

    Raises:
        UserError: if a file cannot be read, is not made of numbers, or the counts differ.
    """
    bvals = read_bvals(bval_path)
    vectors = _to_columns(_read_rows(bvec_path), bvals, bvec_path)
    if len(vectors) != len(bvals):
        raise UserError(
            f"{bvec_path}: expected {len(bvals)} b-vectors, as many as b-values in {bval_path.name}, "
            f"found {len(vectors)}; give the two files that belong together"
        )
    directions = fsl_to_world(_normalised(vectors, bvals <= b0_threshold), affine)
    return GradientTable(bvals, directions, b0_threshold)


def read_bvals(path: Path) -> np.ndarray:
    """(N,) b-values of a text file, whatever its layout.

    Raises:
        UserError: if the file cannot be read or is not made of numbers.
    """
    return np.concatenate(_read_rows(path))


def write_fsl_gradients(bval_path: Path, bvec_path: Path, gradients: GradientTable, affine: np.ndarray) -> None:
    """Write b-values as one row and b-vectors as three rows in the FSL convention, each file atomically.

    Args:
        bval_path: file of the b-values.
        bvec_path: file of the b-vectors.
        gradients: table in the world frame.
        affine: (4, 4) of the image that the files will lie beside, voxel indices to RAS mm.

    Raises:
        UserError: if the files cannot be written.
    """
    with atomic_path(bval_path) as temporary:
        temporary.write_text(" ".join(f"{value:.10g}" for value in gradients.bvals) + "\n", encoding="ascii")
    write_bvecs(bvec_path, gradients, affine)


def write_bvecs(path: Path, gradients: GradientTable, affine: np.ndarray) -> None:
    """Write the b-vectors alone, see ``write_fsl_gradients``."""
    rows = world_to_fsl(gradients.directions, affine).T + 0.0  # the sum turns -0 into 0
    with atomic_path(path) as temporary:
        temporary.write_text(
            "".join(" ".join(f"{value:.8f}" for value in row) + "\n" for row in rows), encoding="ascii"
        )


def find_side_file(image: Path, kind: Literal["bval", "bvec"]) -> Path:
    """The file of b-values or b-vectors that belongs to a NIfTI image.

    Looked for in this order: the stem of the image with ``.bval``; for BIDS names the file inherited from
    a folder above; a file ``bvals`` (as in HCP data) or ``bval``; the only ``*.bval`` of the folder, unless
    it is named after another image. Likewise for the vectors.

    Raises:
        UserError: if there is none.
    """
    named = image.with_name(f"{stem(image)}.{kind}")
    inherited = inherited_file(image, f".{kind}")
    for candidate in (named, inherited, image.with_name(f"{kind}s"), image.with_name(kind)):
        if candidate is not None and candidate.is_file():
            return candidate
    strangers = [path for path in image.parent.glob(f"*.{kind}") if not _has_own_image(path)]
    if len(strangers) == 1:
        return strangers[0]
    raise UserError(f"{image}: expected its .{kind} file beside it ({named.name}), found none; give it with --{kind}")


def stem(image: Path) -> str:
    """File name without its image ending: ``dwi.nii.gz`` -> ``dwi``."""
    return image.name.removesuffix(".gz").rsplit(".", 1)[0]


def _has_own_image(side_file: Path) -> bool:
    return any(side_file.with_name(side_file.stem + suffix).exists() for suffix in _IMAGE_SUFFIXES)


def _read_rows(path: Path) -> list[list[float]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a text file of numbers, cannot be read ({error}); check the file") from error
    lines = (line.replace(",", " ").replace(";", " ").split() for line in text.splitlines())
    try:
        rows = [[float(word) for word in line] for line in lines if line]
    except ValueError as error:
        raise UserError(f"{path}: expected a text file of numbers, {error}; check the file") from error
    if not rows:
        raise UserError(f"{path}: expected numbers, found an empty file; check the file")
    return rows


def _to_columns(rows: list[list[float]], bvals: np.ndarray, path: Path) -> np.ndarray:
    """(N, 3) vectors from rows of either layout."""
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 3 not in (len(rows), *lengths):
        found = " and ".join(str(length) for length in sorted(lengths))
        raise UserError(
            f"{path}: expected three rows or three columns of b-vectors, found {len(rows)} rows of {found} "
            "numbers; check the file"
        )
    matrix = np.array(rows)
    if matrix.shape != (3, 3):
        return matrix.T if len(matrix) == 3 else matrix
    # Three vectors fit both ways: FSL's layout, unless only the other one makes them unit vectors.
    weighted = bvals > 0 if len(bvals) == 3 else np.ones(3, dtype=bool)
    by_column, by_row = (np.all(_is_unit(vectors[weighted])) for vectors in (matrix.T, matrix))
    return matrix if by_row and not by_column else matrix.T


def _is_unit(vectors: np.ndarray) -> np.ndarray:
    return np.abs(np.linalg.norm(vectors, axis=1) - 1.0) <= UNIT_LENGTH_TOLERANCE


def _normalised(vectors: np.ndarray, is_b0: np.ndarray) -> np.ndarray:
    unit = _is_unit(vectors)
    result = np.where((is_b0 & ~unit)[:, None], 0.0, vectors)
    result[unit] /= np.linalg.norm(vectors[unit], axis=1, keepdims=True)
    return result
