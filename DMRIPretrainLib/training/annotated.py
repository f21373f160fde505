"""The annotated scans of a fine-tuning run, those to learn from and those to validate on."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import write_nifti
from ..jobs.folder import JobFolder
from ..jobs.inputs import remember_inputs
from ..progress import Progress
from .cases import CaseFiles, find_cases, split_cases
from .loaded_case import LoadedCase, hold_out_slab, load_case

#: In the result folder where a single scan was learned from: mask of the part that was held out.
HELD_OUT = "held_out.nii.gz"


@dataclass(frozen=True)
class AnnotatedScans:
    """What a run learns from.

    Attributes:
        training: cases to learn from.
        validation: cases to validate on; of a single subject the same ones with another region.
    """

    training: list[LoadedCase]
    validation: list[LoadedCase]


@dataclass(frozen=True)
class CaseSource:
    """Where annotated scans are.

    Attributes:
        cases: table of cases, BIDS folder or scan.
        tasks: what to learn.
        labels: folder of label maps where ``cases`` is no table.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    cases: Path
    tasks: tuple[str, ...]
    labels: Path | None = None
    mask: Path | None = None
    bval: Path | None = None
    bvec: Path | None = None

    def find(self) -> list[CaseFiles]:
        """The files of every case.

        Raises:
            UserError: if something is missing or unknown, or files are named for a single scan of several.
        """
        files = find_cases(self.cases, self.tasks, self.labels)
        own = {name: path for name in ("mask", "bval", "bvec") if (path := getattr(self, name))}
        if own and (len(files) > 1 or self.cases.suffix.lower() == ".csv"):
            raise UserError(
                f"{self.cases}: expected a single scan with --{', --'.join(own)}, found a study; name these files "
                "in the columns of a table"
            )
        return [replace(case, **own) for case in files]


def load_annotated(
    source: CaseSource, seed: int, b0_threshold: float, job: JobFolder, progress: Progress
) -> AnnotatedScans:
    """Read all cases and divide them; the job remembers which files they were.

    Args:
        source: where they are.
        seed: of the division, where the user made none.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        job: the job; where part of a brain is held out its mask is written there.
        progress: told how far it is.

    Raises:
        UserError: if a file cannot be used, or nothing is left to learn from.
    """
    files = source.find()
    training, validation = split_cases(files, seed)
    if not training:
        raise UserError(f"{source.cases}: expected at least one case for training, found validation cases only")
    remember_inputs(job, [path for case in files for path in case.paths()], progress)
    loaded = []
    for number, case in enumerate(files):
        progress(f"reading {case.name}", number / len(files))
        loaded.append(load_case(case, source.tasks, b0_threshold))
    if training is validation:
        return _divide_brains(source, loaded, job)
    first, second = ([loaded[n] for n, case in enumerate(files) if case in side] for side in (training, validation))
    return AnnotatedScans(first, second)


def _divide_brains(source: CaseSource, loaded: list[LoadedCase], job: JobFolder) -> AnnotatedScans:
    slabs = [hold_out_slab(case.region) for case in loaded]
    if len(loaded) == 1:
        orientation = loaded[0].scan.orientation
        slab = orientation.undo(slabs[0]).astype(np.uint8)
        write_nifti(job.result / HELD_OUT, slab, orientation.original_affine)
    kept = [replace(case, region=case.region & ~slab) for case, slab in zip(loaded, slabs, strict=True)]
    if not all(case.region.any() for case in kept):
        raise UserError(
            f"{source.cases}: expected a brain from which a quarter can be held out to validate, found a mask of "
            "next to no voxels; give another mask"
        )
    return AnnotatedScans(kept, [replace(case, region=slab) for case, slab in zip(loaded, slabs, strict=True)])
