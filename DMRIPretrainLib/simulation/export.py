"""Write simulated scans and their truth to disk, alone or as a BIDS dataset."""

import csv
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..errors import UserError
from ..files import atomic_path, write_json, write_nifti
from ..scans.fsl import stem, write_fsl_gradients
from ..scans.scan import Scan
from ..tasks.maps import CROSSINGS, PEAKS, SEGMENTATION, save_crossings, save_peaks, save_segmentation
from .phantom import Phantom

if TYPE_CHECKING:
    from .artifacts.artifact import Artifact

ARTIFACTS = "artifacts.json"


class SimulatedStudy:
    """A BIDS dataset of simulated scans, written subject by subject.

    Each scan has its mask beside it. The truth is in ``derivatives/truth``, a folder a scan, in the form of the labels
    that ``finetune --labels`` and ``evaluate`` read.
    """

    def __init__(self, root: Path, subjects: Mapping[str, int]) -> None:
        """Write what describes the dataset.

        Args:
            root: folder of the dataset; is made if need be.
            subjects: seed of each subject, by its label without ``sub-``.

        Raises:
            UserError: if the folder holds other subjects or cannot be written to.
        """
        self.root = root
        self.truth = root / "derivatives" / "truth"
        others = {path.name for path in root.glob("sub-*")} - {f"sub-{label}" for label in subjects}
        if others:
            raise UserError(
                f"{root}: expected a folder without other subjects, found {min(others)}; choose another one"
            )
        write_json(root / "dataset_description.json", _description("Simulated diffusion scans", "raw"))
        write_json(self.truth / "dataset_description.json", _description("Truth of the scans", "derivative"))
        with atomic_path(root / ".bidsignore") as temporary:
            temporary.write_text("*_mask.nii.gz\n", encoding="utf-8")
        with (
            atomic_path(root / "participants.tsv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f, delimiter="\t", lineterminator="\n")
            writer.writerow(["participant_id", "seed"])
            writer.writerows([f"sub-{label}", seed] for label, seed in subjects.items())

    def add(
        self, subject: str, scan: Scan, phantom: Phantom, artifacts: "Mapping[str, Artifact] | None" = None
    ) -> Path:
        """Write the scan of a subject, its truth and what corrupted it; returns the path of the scan."""
        name = f"sub-{subject}_dwi"
        path = self.root / f"sub-{subject}" / "dwi" / f"{name}.nii.gz"
        save_scan(path, scan)
        save_truth(self.truth / name, phantom, artifacts)
        return path


def save_scan(path: Path, scan: Scan) -> None:
    """Write a scan as NIfTI with its gradient table and mask beside it, as ``load_scan`` finds them.

    Args:
        path: such as ``dwi.nii.gz``; the others are ``dwi.bval``, ``dwi.bvec`` and ``dwi_mask.nii.gz``.
        scan: what to write.
    """
    name = stem(path)
    write_nifti(path, scan.signal.astype(np.float32), scan.affine)
    write_fsl_gradients(path.with_name(f"{name}.bval"), path.with_name(f"{name}.bvec"), scan.gradients, scan.affine)
    if scan.mask is not None:
        write_nifti(path.with_name(f"{name}_mask.nii.gz"), scan.mask.astype(np.uint8), scan.affine)


def save_truth(folder: Path, phantom: Phantom, artifacts: "Mapping[str, Artifact] | None" = None) -> None:
    """Write tissue, number of fibres and peaks in the form of labels, and what corrupted the scan, by name.

    Args:
        folder: is made if need be.
        phantom: the truth.
        artifacts: written to ``artifacts.json``.
    """
    save_segmentation(folder / SEGMENTATION, phantom.segmentation.cpu().numpy(), phantom.affine)
    save_crossings(folder / CROSSINGS, phantom.crossings.cpu().numpy(), phantom.affine)
    save_peaks(folder / PEAKS, phantom.peaks.cpu().numpy(), phantom.affine)
    if artifacts:
        write_json(folder / ARTIFACTS, {name: asdict(artifact) for name, artifact in artifacts.items()})
    else:
        (folder / ARTIFACTS).unlink(missing_ok=True)  # of an earlier simulation


def _description(name: str, kind: str) -> dict[str, object]:
    generator = {"Name": "DMRIPretrain", "Version": __version__}
    return {"Name": name, "BIDSVersion": "1.10.0", "DatasetType": kind, "GeneratedBy": [generator]}
