"""Diffusion scans of a BIDS dataset (https://bids-specification.readthedocs.io, version 1.10)."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError


@dataclass(frozen=True)
class BidsScan:
    """One diffusion-weighted image of a BIDS dataset.

    Attributes:
        subject: label without ``sub-``.
        session: label without ``ses-``; None in datasets without sessions.
        path: the image.
        bval: its b-values, own or inherited; None if there are none.
        bvec: its b-vectors, likewise.
        name: file name without its ending, unique in the dataset, such as ``sub-01_ses-a_run-2_dwi``.
    """

    subject: str
    session: str | None
    path: Path
    bval: Path | None
    bvec: Path | None
    name: str


def find_dwi(root: Path) -> list[BidsScan]:
    """The diffusion scans of a BIDS dataset, sorted by path, see :func:`dwi_images`.

    Raises:
        UserError: if the folder does not exist, or two side files compete for one image.
    """
    return [_bids_scan(path) for path in dwi_images(root)]


def dwi_images(root: Path) -> list[Path]:
    """The diffusion images of a BIDS dataset, sorted by path.

    Only magnitude images under ``sub-*/[ses-*/]dwi`` count; derivatives of the dataset do not, but a
    derivative dataset may itself be given as ``root``.

    Args:
        root: folder that holds the ``sub-*`` folders.

    Raises:
        UserError: if the folder does not exist.
    """
    if not root.is_dir():
        raise UserError(f"{root}: expected a BIDS folder, found none; check the path")
    images = sorted(
        path
        for pattern in ("sub-*/dwi", "sub-*/ses-*/dwi")
        for folder in root.glob(pattern)
        for path in folder.glob("*_dwi.nii*")
        if path.name.endswith((".nii", ".nii.gz"))
    )
    return [path for path in images if _entities(path.name).get("part", "mag") == "mag"]


def inherited_file(image: Path, extension: str) -> Path | None:
    """The side file that BIDS assigns to an image: the inheritance principle.

    A file applies if it has the suffix of the image, lies in its folder or one above it up to the root
    of the dataset, and its entities are a subset of those of the image. The deepest folder wins.

    Args:
        image: path such as ``sub-01/ses-a/dwi/sub-01_ses-a_dwi.nii.gz``.
        extension: such as ``.bval``.

    Returns:
        The file; None if there is none or the image is not named as BIDS demands.

    Raises:
        UserError: if two files of one folder apply equally.
    """
    entities = _entities(image.name)
    if "sub" not in entities:
        return None
    for folder in _folders_to_root(image):
        candidates = [
            path
            for path in folder.glob(f"*{extension}")
            if _suffix(path.name) == _suffix(image.name) and _entities(path.name).items() <= entities.items()
        ]
        if candidates:
            return _most_specific(candidates, image)
    return None


def _folders_to_root(image: Path) -> list[Path]:
    """Folders from that of the image up to the parent of its ``sub-*`` folder."""
    folders: list[Path] = []
    for folder in image.absolute().parents:
        folders.append(folder)
        if folders[-2:-1] and folders[-2].name.startswith("sub-"):
            return folders
    return folders[:1]


def _most_specific(candidates: list[Path], image: Path) -> Path:
    ranked = sorted(candidates, key=lambda path: len(_entities(path.name)), reverse=True)
    if len(ranked) > 1 and len(_entities(ranked[0].name)) == len(_entities(ranked[1].name)):
        raise UserError(
            f"{image}: expected one side file that applies to it, found {ranked[0]} and {ranked[1].name}; "
            "remove or rename one of them"
        )
    return ranked[0]


def _bids_scan(path: Path) -> BidsScan:
    entities = _entities(path.name)
    return BidsScan(
        subject=entities.get("sub", path.parent.parent.name.removeprefix("sub-")),
        session=entities.get("ses"),
        path=path,
        bval=inherited_file(path, ".bval"),
        bvec=inherited_file(path, ".bvec"),
        name=path.name.split(".")[0],
    )


def _entities(name: str) -> dict[str, str]:
    parts = (part.split("-", 1) for part in name.split(".", maxsplit=1)[0].split("_")[:-1])
    return {part[0]: part[1] for part in parts if len(part) == 2}


def _suffix(name: str) -> str:
    return name.split(".", maxsplit=1)[0].rsplit("_", maxsplit=1)[-1]
