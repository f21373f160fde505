"""Make reference labels of a scan and write them beside a record of how."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import write_json
from ...progress import Progress, silent
from ...scans.scan import Scan
from .. import maps
from .fibres import csd_labels
from .tissue import tissue_labels

LABEL_TASKS = ("segmentation", "crossings", "orientation")
LABELS_RECORD = "labels.json"


def make_labels(scan: Scan, tasks: Collection[str], out_dir: Path, progress: Progress = silent) -> dict[str, Any]:
    """Write reference labels in the scan's voxel order and geometry.

    ``segmentation`` gives ``segmentation.nii.gz`` and its probabilities, ``crossings`` ``crossings.nii.gz``,
    ``orientation`` ``peaks.nii.gz`` and ``fod.nii.gz``; ``labels.json`` holds the recipe and the versions of the
    libraries. Nothing is written before all is computed.

    Args:
        scan: with mask.
        tasks: any of ``segmentation``, ``crossings`` and ``orientation``.
        out_dir: folder to write to; made where absent.
        progress: told what is being done.

    Returns:
        What ``labels.json`` holds.

    Raises:
        UserError: if a task is unknown, the scan cannot be labelled, or the folder cannot be written to.
        ValueError: if the scan has no mask.
    """
    unknown = sorted(set(tasks) - set(LABEL_TASKS))
    if unknown or not tasks:
        raise UserError(
            f"task {', '.join(unknown) or '(none)'}: expected some of {', '.join(LABEL_TASKS)}; choose these"
        )
    out_dir = Path(out_dir)
    fibres = csd_labels(scan, progress) if {"crossings", "orientation"} & set(tasks) else None
    tissue = tissue_labels(scan, progress) if "segmentation" in tasks else None

    report: dict[str, Any] = {
        "scan": scan.path,
        "gradient table": scan.gradients.describe(),
        "recipes": {},
        "files": [],
    }
    if tissue is not None:
        maps.save_segmentation(out_dir / maps.SEGMENTATION, tissue.segmentation, scan.affine)
        report["recipes"]["segmentation"] = tissue.recipe
        maps.save_probabilities(out_dir / maps.SEGMENTATION_PROBABILITIES, tissue.probabilities, scan.affine)
        report["files"] += [maps.SEGMENTATION, maps.SEGMENTATION_PROBABILITIES]
    if fibres is not None:
        for task in sorted({"crossings", "orientation"} & set(tasks)):
            report["recipes"][task] = fibres.recipe
        if "crossings" in tasks:
            maps.save_crossings(out_dir / maps.CROSSINGS, fibres.crossings, scan.affine)
            report["files"].append(maps.CROSSINGS)
        if "orientation" in tasks:
            maps.save_peaks(out_dir / maps.PEAKS, fibres.peaks, scan.affine)
            maps.save_fod(out_dir / maps.FOD, fibres.fod_sh, scan.affine)
            report["files"] += [maps.PEAKS, maps.FOD]
    report["versions"] = _versions()
    write_json(out_dir / LABELS_RECORD, report)
    return report


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {package: version(package) for package in ("DMRIPretrain", "dipy", "numpy", "scipy")}
