"""What can be wrong with a diffusion scan, and plain answers to it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..findings import Finding
from .frames import grid_to_world_rotation
from .fsl import UNIT_LENGTH_TOLERANCE
from .gradient_table import MINIMUM_DIRECTIONS, GradientTable, count_directions
from .scan import Scan

#: The largest b-value of a table in s/mm² lies between these; outside, the unit is another one.
_PLAUSIBLE_MAXIMUM = (60.0, 1e6)

#: Factor by which the mean of a b0 volume may differ from that of the others.
_MAX_B0_RATIO = 2.0

#: Degrees by which sform and qform may differ: both are rounded, the qform cannot hold shear.
_MAX_ANGLE_BETWEEN_FORMS = 1.0


def check_scan(scan: Scan) -> list[Finding]:
    """Everything that is wrong with a scan, errors and warnings.

    Reads every voxel once, volume by volume.
    """
    structure = check_dimensions(scan.signal.shape) or check_count(scan.signal.shape[3], len(scan.gradients))
    if structure:
        return structure
    table = check_gradients(scan.gradients)
    # With a wrong table nobody knows which volumes are b0.
    is_b0 = scan.gradients.is_b0 & (not table)
    return [*table, *_check_signal(scan.signal, is_b0), *_check_header(scan.path)]


def check_dimensions(shape: Sequence[int]) -> list[Finding]:
    """Whether an image has four dimensions."""
    if len(shape) == 4:
        return []
    found = " x ".join(str(size) for size in shape)
    return [_error("not-4d", f"expected a 4D image (X, Y, Z, volumes), found {len(shape)}D ({found}); give the DWI")]


def check_count(volumes: int, table_length: int) -> list[Finding]:
    """Whether an image has as many volumes as the gradient table has entries."""
    if volumes == table_length:
        return []
    return [
        _error(
            "count",
            f"expected as many b-values and b-vectors as volumes ({volumes}), found {table_length}; "
            "give the gradient files that belong to this image",
        )
    ]


def check_gradients(gradients: GradientTable) -> list[Finding]:
    """What is wrong with a gradient table by itself."""
    broken = ~np.isfinite(gradients.bvals) | (gradients.bvals < 0)
    if broken.any():
        return [_error("bvalue", f"expected b-values from 0 up, found others in {_volumes(broken)}; mend the table")]
    unit = _check_unit(float(gradients.bvals.max(initial=0.0)))
    if unit:
        return unit
    findings = []
    if not gradients.is_b0.any():
        findings.append(
            _error(
                "no-b0",
                f"expected a b0 volume (b-value up to {gradients.b0_threshold:g} s/mm²), found none (lowest "
                f"{gradients.bvals.min():g}); add one or raise the b0 threshold",
            )
        )
    lengths = np.linalg.norm(gradients.directions, axis=1)
    return [*findings, *_check_lengths(lengths, ~gradients.is_b0), *_check_directions(gradients)]


def raise_errors(findings: Iterable[Finding], path: Path | None) -> None:
    """Raise one ``UserError`` that names the file and says all errors among the findings, if there are any."""
    errors = [finding.text for finding in findings if finding.severity == "error"]
    if errors:
        raise UserError(f"{path or 'scan'}: {'; also: '.join(errors)}")


def _check_unit(largest: float) -> list[Finding]:
    low, high = _PLAUSIBLE_MAXIMUM
    if 0.0 < largest < low:
        unit, factor = "ms/µm²", "multiply them by 1000"
    elif largest > high:
        unit, factor = "s/m²", "divide them by 1 000 000"
    else:
        return []
    message = f"expected b-values in s/mm², found a largest one of {largest:g}, which looks like {unit}; {factor}"
    return [_error("bvalue-unit", message)]


def _check_lengths(lengths: np.ndarray, weighted: np.ndarray) -> list[Finding]:
    zero = weighted & (lengths == 0)
    not_finite = weighted & ~np.isfinite(lengths)
    not_unit = weighted & ~zero & ~not_finite & (np.abs(lengths - 1) > UNIT_LENGTH_TOLERANCE)
    findings = []
    if zero.any():
        findings.append(
            _error(
                "bvec-zero",
                f"expected a direction for every weighted volume, found zero b-vectors in {_volumes(zero)}; "
                "mend the table or remove these volumes",
            )
        )
    if not_finite.any():
        findings.append(
            _error("bvec-nan", f"expected unit b-vectors, found NaN or infinity in {_volumes(not_finite)}; mend them")
        )
    if not_unit.any():
        findings.append(
            _error(
                "bvec-length",
                f"expected b-vectors of length 1, found lengths {lengths[not_unit].min():.3g} to "
                f"{lengths[not_unit].max():.3g} in {_volumes(not_unit)}; if the lengths scale the b-value (as in DSI "
                "tables), write the true b-values and unit vectors",
            )
        )
    return findings


def _check_directions(gradients: GradientTable) -> list[Finding]:
    count = count_directions(gradients.directions[~gradients.is_b0])
    if count >= MINIMUM_DIRECTIONS:
        return []
    return [
        _error(
            "few-directions",
            f"expected at least {MINIMUM_DIRECTIONS} distinct gradient directions, found {count} in "
            f"{int(np.sum(~gradients.is_b0))} weighted volumes; give a scan with more",
        )
    ]


def _check_signal(signal: np.ndarray, is_b0: np.ndarray) -> list[Finding]:
    not_finite, constant, negative = (np.zeros(signal.shape[3], dtype=bool) for _ in range(3))
    level = np.zeros(signal.shape[3])
    for index in range(signal.shape[3]):
        volume = np.asarray(signal[..., index])
        low, high = volume.min(), volume.max()
        not_finite[index] = not np.isfinite(low) or not np.isfinite(high)
        constant[index] = low == high
        negative[index] = low < 0
        level[index] = volume.mean(dtype=np.float64)
    findings = []
    if not_finite.any():
        message = f"expected finite signal, found NaN or infinity in {_volumes(not_finite)}; repair these volumes"
        findings.append(_error("not-finite", message))
    if constant.any():
        message = f"expected an image in every volume, found one constant value in {_volumes(constant)}; remove them"
        findings.append(_error("constant", message))
    if negative.any():
        message = f"expected signal from 0 up, found negative values in {_volumes(negative)}; check the preprocessing"
        findings.append(Finding.from_line("warning", "negative", message))
    if not findings and is_b0.any():
        usual = np.median(level[is_b0])
        odd = is_b0 & ((level > _MAX_B0_RATIO * usual) | (level < usual / _MAX_B0_RATIO))
        if odd.any():
            message = f"expected b0 volumes of like brightness, found others in {_volumes(odd)}; look at them"
            findings.append(Finding.from_line("warning", "b0-level", message))
    return findings


def _check_header(path: Path | None) -> list[Finding]:
    """Whether the two orientations that a NIfTI header may hold agree."""
    if path is None or not path.name.endswith((".nii", ".nii.gz")) or not path.is_file():
        return []
    import nibabel as nib

    header: Any = nib.load(path).header
    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = header.get_qform(coded=True)
    if not sform_code or not qform_code:
        return []
    angle = _rotation_angle(grid_to_world_rotation(sform).T @ grid_to_world_rotation(qform))
    if angle <= _MAX_ANGLE_BETWEEN_FORMS:
        return []
    return [
        Finding.from_line(
            "warning",
            "sform-qform",
            f"expected sform and qform to agree, found them {angle:.1f} degrees apart; the sform is used, check "
            "the gradient orientation",
        )
    ]


def _rotation_angle(matrix: np.ndarray) -> float:
    """Angle of a rotation in degrees; 180 where the matrix also mirrors."""
    if np.linalg.det(matrix) < 0:
        return 180.0
    return float(np.rad2deg(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))))


def _volumes(flags: np.ndarray) -> str:
    """Such as ``volumes 3, 7, 9`` (counted from 0), cut short after five."""
    indices = np.flatnonzero(flags)
    listed = ", ".join(str(index) for index in indices[:5])
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"volume{'s' if len(indices) > 1 else ''} {listed}{more} (counted from 0)"


def _error(code: str, line: str) -> Finding:
    return Finding.from_line("error", code, line)
