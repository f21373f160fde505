"""One way to load a scan, whatever its kind."""

import logging
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from .bids import dwi_images
from .checks import check_scan, raise_errors
from .fsl import find_side_file, read_bvals, stem
from .gradient_table import DEFAULT_B0_THRESHOLD
from .mask import choose_mask
from .nifti import NIFTI_SUFFIXES, open_nifti, read_nifti_scan
from .nrrd_file import NRRD_SUFFIXES, is_diffusion_nrrd, read_nrrd_scan
from .scan import Scan

_log = logging.getLogger(__name__)


def load_scan(
    path: Path,
    *,
    bval: Path | None = None,
    bvec: Path | None = None,
    mask: Path | None = None,
    b0_threshold: float = DEFAULT_B0_THRESHOLD,
    check: bool = True,
) -> Scan:
    """Load a scan, check it and fill its mask.

    Args:
        path: NIfTI (``.nii``, ``.nii.gz``) or DWI NRRD (``.nrrd``, ``.nhdr``), or a folder with exactly one scan: a
            BIDS subject or dataset, or a plain folder (HCP: ``data.nii.gz``, ``bvals``, ``bvecs``).
        bval: b-values of a NIfTI scan; by default found beside it.
        bvec: b-vectors of a NIfTI scan, likewise.
        mask: brain mask; by default the one beside the scan, else it is computed.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        check: refuse scans that ``check_scan`` finds wrong; its warnings are logged.

    Returns:
        The scan with its mask.

    Raises:
        UserError: if something cannot be read or is wrong; one line that says all errors.
    """
    scan = read_scan(path, bval=bval, bvec=bvec, b0_threshold=b0_threshold)
    if check:
        findings = check_scan(scan)
        raise_errors(findings, scan.path)
        for finding in findings:
            _log.warning("%s: %s", scan.path, finding.text)
    return replace(scan, mask=choose_mask(scan, mask)[0])


def read_scan(
    path: Path,
    *,
    bval: Path | None = None,
    bvec: Path | None = None,
    b0_threshold: float = DEFAULT_B0_THRESHOLD,
) -> Scan:
    """Read a scan as ``load_scan`` does, but neither check it nor fill its mask."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path")
    if path.is_dir():
        path = find_scan(path)
    if path.name.endswith(NIFTI_SUFFIXES):
        return read_nifti_scan(path, bval, bvec, b0_threshold)
    if not path.name.endswith(NRRD_SUFFIXES):
        raise UserError(f"{path}: expected a scan (.nii, .nii.gz, .nrrd, .nhdr or a folder); convert the file")
    if bval is not None or bvec is not None:
        raise UserError(f"{path}: an NRRD scan holds its own gradient table; leave out the bval and bvec files")
    return read_nrrd_scan(path, b0_threshold)


def find_scan(folder: Path) -> Path:
    """The only scan of a folder, see :func:`list_scans`.

    Raises:
        UserError: if there is none or more than one.
    """
    scans = list_scans(folder)
    if len(scans) == 1:
        return scans[0]
    if not scans:
        raise UserError(f"{folder}: expected a diffusion scan in this folder, found none; give the path of the image")
    names = ", ".join(str(path.relative_to(folder)) for path in scans[:3]) + (", ..." if len(scans) > 3 else "")
    raise UserError(f"{folder}: expected one diffusion scan, found {len(scans)} ({names}); give the path of one image")


def list_scans(folder: Path) -> list[Path]:
    """The scans of a folder, sorted.

    In a BIDS folder these are its ``dwi`` images; elsewhere the 4D NIfTI images with gradient files, those with
    gradient files of their own name first, and NRRD files.

    Raises:
        UserError: if an image has no readable header.
    """
    return dwi_images(folder) or _bids_subject_scans(folder) or _plain_scans(folder)


def _bids_subject_scans(folder: Path) -> list[Path]:
    """Scans of a ``sub-*`` or ``ses-*`` folder."""
    if not folder.name.startswith(("sub-", "ses-")):
        return []
    subject = folder if folder.name.startswith("sub-") else folder.parent
    return [path for path in dwi_images(subject.parent) if path.is_relative_to(folder)]


def _plain_scans(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    nrrd = [path for path in files if path.name.endswith(NRRD_SUFFIXES) and is_diffusion_nrrd(path)]
    nifti = [path for path in files if path.name.endswith(NIFTI_SUFFIXES)]
    own = [path for path in nifti if path.with_name(f"{stem(path)}.bval").is_file()]
    return (own or [path for path in nifti if _matches_gradients(path)]) + nrrd


def _matches_gradients(path: Path) -> bool:
    """Whether there are as many b-values for an image as it has volumes: HCP folders hold other 4D images too."""
    shape = open_nifti(path).shape
    try:
        return len(shape) == 4 and len(read_bvals(find_side_file(path, "bval"))) == shape[3]
    except UserError:
        return False
