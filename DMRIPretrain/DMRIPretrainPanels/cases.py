"""The annotated scans that a user has put together: plain Python, without Qt and Slicer."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from DMRIPretrainLib.files import atomic_path

#: Column of the table of cases for a single label map of each task, see ``DMRIPretrainLib.training.cases``.
LABEL_COLUMNS = {"segmentation": "segmentation", "crossings": "crossings", "orientation": "peaks"}
SPLITS = ("", "training", "validation")
SCAN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr")
#: Instead of the identifier of a node that is no longer in the scene.
GONE = "gone"


@dataclass(frozen=True)
class Case:
    """One row of the table; scan and labels are nodes of the scene or files.

    Attributes:
        scanNode: identifier of a node, ``GONE`` where it is no longer there; empty where the scan is a file.
        scan: a file; empty where it is a node.
        labelsNode: identifier of a segmentation or label map; empty for none.
        labels: a label map or a folder of label maps; empty for none.
        subject: whom it shows; empty for one of its own.
        split: ``training``, ``validation``, or empty to let the program choose.
    """

    scanNode: str = ""
    scan: str = ""
    labelsNode: str = ""
    labels: str = ""
    subject: str = ""
    split: str = ""

    def but(self, **changes):
        """The same with some fields changed."""
        return replace(self, **changes)

    @property
    def labelled(self):
        """Whether it has labels."""
        return bool(self.labelsNode or self.labels)

    @property
    def singleMap(self):
        """Whether its labels are one map rather than a folder of them."""
        return bool(self.labelsNode) or (bool(self.labels) and not Path(self.labels).is_dir())


def casesOfFolder(scans, labelsFolder=None):
    """Cases of the scans of a BIDS folder.

    Args:
        scans: ``BidsScan`` s of the folder.
        labelsFolder: with a folder of label maps for each scan, or the job that made them; None for none.
    """
    cases = []
    if labelsFolder is not None and (labelsFolder / "job.json").is_file():
        labelsFolder = labelsFolder / "result"
    for scan in scans:
        labels = labelsFolder / scan.name if labelsFolder is not None else None
        there = str(labels) if labels is not None and labels.is_dir() else ""
        cases.append(Case(scan=str(scan.path), labels=there, subject=scan.subject))
    return cases


def writeTable(path, rows):
    """Write the table that ``finetune`` and ``check`` read.

    Args:
        path: of the CSV file.
        rows: a mapping from column to text for each case.

    Raises:
        UserError: if it cannot be written.
    """
    columns = [name for name in ("scan", "labels", *LABEL_COLUMNS.values(), "subject", "split") if _used(rows, name)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def labelValues(segmentations, tissues=("background", "CSF", "GM", "WM")):
    """One value for each name of a segment, the same in all cases.

    Args:
        segmentations: of each segmentation the pairs (name, label value) of its segments.
        tissues: names of the tissues, by value; where there are no others they keep these values.

    Returns:
        The value of each name, and what to tell the training of the names: None where they are the tissues.
    """
    names = list(dict.fromkeys(name for segments in segmentations for name, _ in segments))
    if names and set(names) <= set(tissues):
        return {name: tissues.index(name) for name in names}, None
    own = {name: {value for s in segmentations for n, value in s if n == name} for name in names}
    given = [next(iter(values)) for values in own.values() if len(values) == 1]
    if all(len(values) == 1 for values in own.values()) and len(set(given)) == len(names) and min(given, default=0) > 0:
        values = {name: next(iter(own[name])) for name in names}
    else:
        values = {name: number for number, name in enumerate(names, start=1)}
    return values, {value: name for name, value in values.items()}


def _used(rows, column):
    return column == "scan" or any(row.get(column) for row in rows)
