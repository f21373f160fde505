"""Spherical deconvolution of MRtrix3, by its own programs (Tournier et al., NeuroImage 202, 2019)."""

import shutil
import subprocess
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import write_nifti
from ...scans.fsl import stem
from ...scans.gradient_table import GradientTable
from .method import Found, Method, Question, strongest_apart, weighted_shells

_RELATIVE, _SEPARATION = 0.25, 25.0
PROGRAMS = ("dwi2response", "dwi2fod", "sh2peaks")


class MRtrixCSD(Method):
    """``dwi2response tournier``, ``dwi2fod csd`` and ``sh2peaks`` with their defaults."""

    title = "CSD (MRtrix3)"

    def missing(self, table: GradientTable) -> str | None:
        """MRtrix3."""
        return None if all(map(shutil.which, PROGRAMS)) else "needs MRtrix3, which is not installed"

    def prepare(self) -> None:
        """There is nothing to load."""

    def answer(self, question: Question) -> Found:
        """Peaks above a quarter of the strongest, 25 degrees apart."""
        run = Programs(question)
        run("dwi2response", "tournier", run.scan, "response.txt", *run.gradients, "-mask", "asked.nii", *run.scratch)
        run("dwi2fod", "csd", run.scan, "response.txt", "fod.nii", *run.gradients, "-mask", "asked.nii")
        return _found(run.peaks("fod.nii"))


class MRtrixMSMT(MRtrixCSD):
    """``dwi2response dhollander``, ``dwi2fod msmt_csd`` and ``sh2peaks`` with their defaults."""

    title = "MSMT-CSD (MRtrix3)"
    finds_tissue = True

    def missing(self, table: GradientTable) -> str | None:
        """MRtrix3, or a second shell for three tissues."""
        return super().missing(table) or (None if weighted_shells(table) >= 2 else "needs two shells")

    def answer(self, question: Question) -> Found:
        """Peaks as of CSD; the tissue with the largest share."""
        run = Programs(question)
        tissues = ("csf", "gm", "wm")
        responses = [f"{tissue}.txt" for tissue in reversed(tissues)]
        run("dwi2response", "dhollander", run.scan, *responses, *run.gradients, "-mask", "asked.nii", *run.scratch)
        pairs = [name for tissue in reversed(tissues) for name in (f"{tissue}.txt", f"{tissue}.nii")]
        run("dwi2fod", "msmt_csd", run.scan, *pairs, *run.gradients, "-mask", "asked.nii")
        shares = np.stack([run.values(f"{tissue}.nii")[:, 0] for tissue in tissues], axis=1)
        return _found(run.peaks("wm.nii"), 1 + shares.argmax(axis=1))


class Programs:
    """Programs of MRtrix3 run in a folder of their own on the files of a scan."""

    def __init__(self, question: Question) -> None:
        path = Path(str(question.scan.path)).absolute()
        beside = {end: str(path.with_name(f"{stem(path)}{end}")) for end in (".bvec", ".bval")}
        self.scan = str(path)
        self.gradients = ("-fslgrad", beside[".bvec"], beside[".bval"])
        self.scratch = ("-scratch", str(question.scratch.absolute()))
        self._question = question
        write_nifti(question.scratch / "asked.nii", question.asked.astype(np.uint8), question.scan.affine)

    def __call__(self, *command: str) -> None:
        """Run one.

        Raises:
            UserError: if it fails.
        """
        options = ("-nthreads", str(self._question.threads), "-force", "-quiet")
        done = subprocess.run(
            [*command, *options], cwd=self._question.scratch, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr.strip() or "nothing").splitlines()
            reason = next((line for line in said if "[ERROR]" in line), said[-1])
            raise UserError(f"{self.scan}: {command[0]} of MRtrix3 failed: {reason}; see what it says of this scan")

    def values(self, name: str) -> np.ndarray:
        """(V, C) values of an image in the voxels that were asked."""
        import nibabel as nib

        image = nib.load(self._question.scratch / name)
        values = np.asarray(image.dataobj, dtype=np.float32)[self._question.asked]
        return values.reshape(len(values), -1)

    def peaks(self, fod: str) -> np.ndarray:
        """(V, 3, 3) peaks of an fODF, world frame."""
        self("sh2peaks", fod, "peaks.nii", "-num", "3", "-mask", "asked.nii")
        return self.values("peaks.nii").reshape(-1, 3, 3)


def _found(peaks: np.ndarray, tissue: np.ndarray | None = None) -> Found:
    peaks = strongest_apart(peaks, _RELATIVE, _SEPARATION)
    return Found(np.any(peaks, axis=-1).sum(axis=-1), peaks, tissue)
