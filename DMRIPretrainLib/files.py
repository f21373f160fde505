"""Writing files so that nobody ever finds half of one."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is renamed to ``path``, else removed.

    The temporary name keeps the endings of ``path``, since writers choose the format by them.

    Raises:
        UserError: if the folder cannot be made or written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); choose another folder or make space"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def require_writable(folder: Path) -> None:
    """Fail before hours of work rather than after: whether a folder can be made and written to.

    Raises:
        UserError: if it cannot.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: expected a folder that can be written to, found none; choose another one")


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; numpy scalars and arrays, and paths, are converted."""
    with atomic_path(path) as temporary:
        temporary.write_text(to_json(content, indent=2) + "\n", encoding="utf-8")


def to_json(content: Any, indent: int | None = None) -> str:
    """JSON text of ``content``; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_plain(content), indent=indent, allow_nan=False, ensure_ascii=False)


def plain_json(content: Any) -> Any:
    """``content`` as it comes back from JSON."""
    return json.loads(to_json(content))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write an array as NIfTI-1 with an affine to RAS mm in both sform and qform, atomically."""
    import nibabel as nib

    image = nib.Nifti1Image(np.ascontiguousarray(data), np.asarray(affine, dtype=float))
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
