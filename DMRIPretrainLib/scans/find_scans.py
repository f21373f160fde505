"""Which scans to pretrain on: studies, folders, single scans and lists of them."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UserError
from .load import list_scans
from .nifti import NIFTI_SUFFIXES
from .nrrd_file import NRRD_SUFFIXES
from .scan_files import ScanFiles, read_scan_table

#: Folders are searched this many levels deep: a folder of studies of HCP subjects has four.
_DEPTH = 4

_log = logging.getLogger(__name__)


def find_scans(sources: Sequence[str | Path]) -> list[ScanFiles]:
    """All scans that a user names, each once, in the order of the sources.

    A source is one of these:

    * a BIDS dataset (``sub-*/[ses-*/]dwi``), raw or derived, or a subject of one;
    * a folder of scans: ``data.nii.gz`` with ``bvals`` and ``bvecs`` (HCP, minimally preprocessed), or images with
      gradient files of their own name, or DWI NRRD files;
    * an HCP subject (its ``T1w/Diffusion*`` folders count, and nothing else in it);
    * a folder above any of these; a folder that has scans itself is not searched further;
    * one scan;
    * a list: a text file (``.txt``) with one of the above a line, or a CSV table with the column ``scan`` and, where
      they are not found beside it, ``mask``, ``bval`` and ``bvec``. Paths are relative to the list.

    A folder or line of a list that cannot be used is left out with a warning.

    Raises:
        UserError: if a source does not exist, is something else, or holds no scan.
    """
    scans: dict[Path, ScanFiles] = {}
    for source in map(Path, sources):
        found = _find(source)
        if not found:
            raise UserError(
                f"{source}: expected diffusion scans (BIDS, HCP, or images with .bval and .bvec), found none; "
                "check the path"
            )
        for files in found:
            scans.setdefault(files.scan.resolve(), files)
    return list(scans.values())


def _find(source: Path) -> list[ScanFiles]:
    if source.is_file() and source.suffix.lower() == ".csv":
        return [row.scan_files() for row in read_scan_table(source)]
    if source.is_file() and source.suffix.lower() == ".txt":
        return [files for line in _lines(source) for files in _listed(source.parent / line, source)]
    return _named(source)


def _named(path: Path) -> list[ScanFiles]:
    """The scans of a folder, or the one scan that a path names."""
    if path.is_dir():
        name = path.resolve().name
        return [ScanFiles(f"{name}/{scan.relative_to(path).as_posix()}", scan) for scan in _scans_below(path, _DEPTH)]
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; check the path")
    if not path.name.endswith(NIFTI_SUFFIXES + NRRD_SUFFIXES):
        raise UserError(
            f"{path}: expected a folder, a scan (.nii, .nii.gz, .nrrd, .nhdr) or a list (.txt, .csv), found neither"
        )
    return [ScanFiles(f"{path.resolve().parent.name}/{path.name}", path)]


def _scans_below(folder: Path, depth: int) -> Iterator[Path]:
    """The scans of a folder, or those of the folders in it."""
    try:
        scans = list_scans(folder)
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except UserError as error:
        _log.warning("left out: %s", error)
        return
    except OSError as error:
        _log.warning("left out: %s: the folder cannot be read (%s)", folder, error.strerror)
        return
    if scans or depth == 0:
        yield from scans
        return
    # Beside these an HCP subject has the same scan unprocessed, and runs of functional MRI.
    for path in sorted(folder.glob("T1w/Diffusion*")) or below:
        yield from _scans_below(path, depth - 1)


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a list of paths, one a line, cannot be read ({error})") from error
    return [line.strip() for line in lines if line.strip()]


def _listed(path: Path, source: Path) -> list[ScanFiles]:
    """What a line of a list names; a warning where that is nothing."""
    try:
        found = _named(path)
    except UserError as error:
        _log.warning("left out, a line of %s: %s", source, error)
        return []
    if not found:
        _log.warning("left out, a line of %s: %s: expected diffusion scans, found none", source, path)
    return found
