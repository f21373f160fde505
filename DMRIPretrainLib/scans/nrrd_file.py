"""Diffusion scans in NRRD files, as 3D Slicer writes them.

Container: http://teem.sourceforge.net/nrrd/format.html. Diffusion fields: the DWMRI key/value pairs of
https://www.na-mic.org/wiki/NAMIC_Wiki:DTI:Nrrd_format.
"""

import os
import re
import zlib
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from ..errors import UserError
from ..files import atomic_path
from .checks import check_count, check_dimensions, raise_errors
from .gradient_table import DEFAULT_B0_THRESHOLD, GradientTable
from .scan import Scan

NRRD_SUFFIXES = (".nrrd", ".nhdr")

#: Signs that turn the space of a file into RAS.
_SIGNS_TO_RAS = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}

#: Types that are memory-mapped, by their names in the header.
_MAPPABLE_TYPES = {
    **dict.fromkeys(("int8", "signed char"), "i1"),
    **dict.fromkeys(("uint8", "uchar", "unsigned char"), "u1"),
    **dict.fromkeys(("int16", "short", "short int", "signed short"), "i2"),
    **dict.fromkeys(("uint16", "ushort", "unsigned short"), "u2"),
    **dict.fromkeys(("int32", "int", "signed int"), "i4"),
    **dict.fromkeys(("uint32", "uint", "unsigned int"), "u4"),
    "float": "f4",
    "double": "f8",
}

_GRADIENT_KEY = re.compile(r"DWMRI_gradient_(\d+)")

_MAX_FRAME_ERROR = 0.01


def read_nrrd_scan(path: Path, b0_threshold: float = DEFAULT_B0_THRESHOLD) -> Scan:
    """Read a diffusion-weighted NRRD.

    The volumes may lie along any axis of the file; they become the last one. The b-value of a volume is
    ``b_max * (|g| / max |g|)²`` for its gradient ``g``, which is turned to the world frame by the
    measurement frame of the header. Raw data is memory-mapped; other encodings become float32.

    Args:
        path: ``.nrrd``, or ``.nhdr`` with its data in another file.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.

    Returns:
        The scan without a mask.

    Raises:
        UserError: if the file is missing, damaged, or not a DWI NRRD in a known space.
    """
    header, offset = _read_header(path)
    raise_errors(check_dimensions([int(size) for size in header.get("sizes", [])]), path)
    bvals, vectors = _read_gradients(header, path)
    to_world = _signs_to_ras(header, path)[:, None] * _measurement_frame(header, path)
    image, affine = _read_image(header, offset, path)
    raise_errors(check_count(image.shape[3], len(bvals)), path)
    signal = image if isinstance(image, np.memmap) else np.asarray(image, dtype=np.float32)
    return Scan(signal, affine, GradientTable(bvals, _normalised(vectors @ to_world.T), b0_threshold), path=path)


def read_nrrd_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read any NRRD image with three space axes and at most one other.

    Returns:
        (X, Y, Z) or (X, Y, Z, N) array in the type of the file, and the (4, 4) affine to RAS mm.

    Raises:
        UserError: if the file is missing, damaged, or not in a known space.
    """
    return _read_image(*_read_header(path), path)


def is_diffusion_nrrd(path: Path) -> bool:
    """Whether an NRRD file holds a diffusion scan.

    Raises:
        UserError: if its header cannot be read.
    """
    return "DWMRI_b-value" in _read_header(path)[0]


def write_nrrd_scan(path: Path, scan: Scan, *, compressed: bool = True) -> None:
    """Write a scan as DWI NRRD in LPS space, atomically; the volumes are the last axis.

    A b-value is stored as the length of its gradient, so volumes with a b-value but without a direction
    come back with b = 0.

    Args:
        path: file to write, ``.nrrd``.
        scan: the scan; its mask is not written.
        compressed: gzip, or raw, which can be memory-mapped.

    Raises:
        UserError: if the file cannot be written or has another ending.
    """
    if path.suffix != ".nrrd":
        raise UserError(f"{path}: expected a name that ends with .nrrd; choose such a name")
    to_lps = np.diag([-1.0, -1.0, 1.0])
    axes = to_lps @ scan.affine[:3, :3]
    largest = float(scan.gradients.bvals.max())
    lengths = np.sqrt(np.clip(scan.gradients.bvals, 0, None) / largest) if largest > 0 else scan.gradients.bvals
    vectors = scan.gradients.directions @ to_lps * lengths[:, None] + 0.0  # the sum turns -0 into 0
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": np.vstack([axes.T, np.full(3, np.nan)]),
        "space origin": to_lps @ scan.affine[:3, 3],
        "kinds": ["space", "space", "space", "list"],
        "space units": ["mm", "mm", "mm"],
        "measurement frame": np.eye(3),
        "encoding": "gzip" if compressed else "raw",
        "modality": "DWMRI",
        "DWMRI_b-value": f"{largest:.10g}",
    }
    for index, vector in enumerate(vectors):
        header[f"DWMRI_gradient_{index:04d}"] = " ".join(f"{component:.10g}" for component in vector)
    with atomic_path(path) as temporary:
        nrrd.write(str(temporary), np.asarray(scan.signal), header, compression_level=4)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where it ends in the file (bytes)."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    try:
        with path.open("rb") as stream:
            header = nrrd.read_header(stream)
            return header, stream.tell()
    except (nrrd.NRRDError, OSError, ValueError, StopIteration) as error:
        raise UserError(
            f"{path}: expected an NRRD image, the header cannot be read ({error}); copy or convert the file again"
        ) from error


def _read_gradients(header: dict[str, Any], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N,) b-values in s/mm² and (N, 3) vectors in the measurement frame, as long as in the file."""
    if any(key.startswith("DWMRI_NEX_") for key in header):
        raise UserError(
            f"{path}: expected one gradient a volume, found repeats (DWMRI_NEX_), which are not supported; "
            "write every gradient out or convert the scan to NIfTI"
        )
    found = {int(match[1]): text for key, text in header.items() if (match := _GRADIENT_KEY.fullmatch(key))}
    if "DWMRI_b-value" not in header or not found or sorted(found) != list(range(len(found))):
        raise UserError(
            f"{path}: expected DWMRI_b-value and DWMRI_gradient_0000, 0001, ... in the header, found {len(found)} "
            "gradients; give a DWI, or its NIfTI with bval and bvec"
        )
    try:
        largest = float(header["DWMRI_b-value"])
        vectors = np.array([[float(word) for word in found[index].split()] for index in range(len(found))])
    except ValueError as error:
        raise UserError(f"{path}: expected numbers in the DWMRI fields, {error}; repair the header") from error
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise UserError(f"{path}: expected three numbers in every DWMRI_gradient; repair the header")
    lengths = np.linalg.norm(vectors, axis=1)
    longest = lengths.max()
    return largest * (lengths / longest) ** 2 if longest > 0 else lengths, vectors


def _normalised(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _signs_to_ras(header: dict[str, Any], path: Path) -> np.ndarray:
    space = str(header.get("space", "none"))
    signs = _SIGNS_TO_RAS.get(space.lower())
    if signs is None:
        raise UserError(f"{path}: expected the space RAS, LAS or LPS in the header, found {space}; convert the image")
    return np.array(signs, dtype=float)


def _measurement_frame(header: dict[str, Any], path: Path) -> np.ndarray:
    """(3, 3) matrix that turns vectors of the measurement frame into the space of the file.

    The header lists its columns; pynrrd returns them as rows.
    """
    frame = np.asarray(header.get("measurement frame", np.eye(3)), dtype=float).T
    if frame.shape != (3, 3) or not np.allclose(frame.T @ frame, np.eye(3), atol=_MAX_FRAME_ERROR):
        raise UserError(f"{path}: expected a measurement frame of three orthogonal unit vectors; repair the header")
    return frame


def _read_image(header: dict[str, Any], offset: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z[, N]) array and (4, 4) affine to RAS mm."""
    axes = np.asarray(header.get("space directions", np.empty((0, 3))), dtype=float)
    sizes = [int(size) for size in header.get("sizes", [])]
    on_grid = np.all(np.isfinite(axes), axis=1) if axes.shape == (len(sizes), 3) else np.zeros(0, dtype=bool)
    if on_grid.sum() != 3 or len(sizes) > 4 or abs(np.linalg.det(axes[on_grid])) < 1e-12:
        raise UserError(
            f"{path}: expected three independent space directions and at most one axis of volumes, found "
            f"{int(on_grid.sum())} space directions in {len(sizes)} axes; convert the image"
        )
    signs = _signs_to_ras(header, path)
    affine = np.eye(4)
    affine[:3, :3] = signs[:, None] * axes[on_grid].T
    affine[:3, 3] = signs * np.asarray(header.get("space origin", np.zeros(3)), dtype=float)
    image = _read_data(header, offset, path)
    return (image if on_grid.all() else np.moveaxis(image, int(np.flatnonzero(~on_grid)[0]), -1)), affine


def _read_data(header: dict[str, Any], offset: int, path: Path) -> np.ndarray:
    try:
        if str(header.get("encoding")).lower() == "raw" and header.get("type") in _MAPPABLE_TYPES:
            return _map_data(header, offset, path)
        with path.open("rb") as stream:
            stream.seek(offset)
            return nrrd.read_data(header, stream, str(path))
    except FileNotFoundError as error:
        raise UserError(f"{path}: its data file {error.filename} is missing; copy it beside the header") from error
    except (nrrd.NRRDError, OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise UserError(
            f"{path}: the data is truncated, damaged or of an unknown kind ({error}); copy or convert the file again"
        ) from error


def _map_data(header: dict[str, Any], offset: int, path: Path) -> np.memmap:
    """Memory-map raw data, attached or in a file of its own."""
    order = {"big": ">", "little": "<"}.get(str(header.get("endian")))
    dtype = np.dtype((order or "") + _MAPPABLE_TYPES[header["type"]])
    if dtype.itemsize > 1 and order is None:
        raise ValueError("the header does not say the byte order")
    sizes = tuple(int(size) for size in header["sizes"])
    data_file = header.get("data file", header.get("datafile"))
    if data_file is not None:
        path, offset = path.parent / data_file, 0
    with path.open("rb") as stream:
        stream.seek(offset)
        for _ in range(header.get("line skip", header.get("lineskip", 0))):
            stream.readline()
        skip = header.get("byte skip", header.get("byteskip", 0))
        size = dtype.itemsize * int(np.prod(sizes))
        offset = stream.seek(0, os.SEEK_END) - size if skip == -1 else stream.tell() + skip
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=sizes, order="F")
