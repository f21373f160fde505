"""Cases of the scene as files, for a process that cannot see the scene."""

from pathlib import Path

import slicer

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.geometry import affine_of, grid_shape, same_grid
from DMRIPretrainLib.scene.scan_nodes import node_to_scan
from DMRIPretrainLib.scene.segmentation import labels_in
from DMRIPretrainLib.scene.vector_volumes import values_of

from .cases import LABEL_COLUMNS, labelValues, writeTable

TABLE = "cases.csv"
#: Prefix of names of folders that hold what was in the scene.
_DATA = "data"


class CaseExport:
    """Takes what is needed from the scene at once; ``write`` may then run in a thread.

    Args:
        cases: the rows of the table.
        tasks: what is to be learned.
        folder: where to; that of a job.

    Attributes:
        labelNames: names of the values of segmentations, None where they are the tissues or are not known.

    Raises:
        UserError: if a node is gone or cannot be used.
    """

    def __init__(self, cases, tasks, folder):
        self.folder = Path(folder)
        self._rows = []
        self._writes = []
        self._values, self.labelNames = labelValues([_segmentsOf(case) for case in cases if _isSegmentation(case)])
        for number, case in enumerate(cases, start=1):
            self._rows.append(self._rowOf(case, tasks, f"{number:02d}"))

    @property
    def scans(self):
        """Paths of the scans, in the order of the cases."""
        return [row["scan"] for row in self._rows]

    def write(self):
        """Write scans, labels and the table; returns its path, None without cases. Touches neither Qt nor the scene.

        Raises:
            UserError: if something cannot be written.
        """
        for write in self._writes:
            write()
        if not self._rows:
            return None
        path = self.folder / TABLE
        writeTable(path, self._rows)
        return path

    def _rowOf(self, case, tasks, name):
        row = {"scan": case.scan, "subject": case.subject, "split": case.split}
        scanNode = None
        if case.scanNode:
            scanNode = _node(case.scanNode)
            row["scan"] = str(self._scan(scanNode, name))
            row["subject"] = case.subject or scanNode.GetName()
        column = LABEL_COLUMNS[tasks[0]] if len(tasks) == 1 else "labels"
        if case.labelsNode:
            labels = _node(case.labelsNode)
            if scanNode is None:
                text = "{labels}: expected a scan of the scene beside labels of the scene, found {scan}; load the scan"
                raise UserError(text.format(labels=labels.GetName(), scan=case.scan))
            row[column] = str(self._labels(labels, scanNode, name))
        elif case.labels:
            row["labels" if Path(case.labels).is_dir() else column] = case.labels
        return row

    def _scan(self, node, name):
        path, scan = self.folder / _DATA / name / f"{_fileName(node)}.nrrd", node_to_scan(node)
        self._writes.append(lambda: _writeScan(path, scan))
        return path

    def _labels(self, node, scanNode, name):
        affine = node_to_scan(scanNode).affine
        if node.IsA("vtkMRMLSegmentationNode"):
            values = labels_in(node, scanNode, self._values)
        else:
            _requireSameGrid(node, scanNode)
            values = values_of(node)
        path = self.folder / _DATA / name / "labels.nii.gz"
        self._writes.append(lambda: _writeLabels(path, values, affine))
        return path


# It takes a moment to import the packages that write: that is done in the thread.


def _writeScan(path, scan):
    from DMRIPretrainLib.scans.nrrd_file import write_nrrd_scan

    # Uncompressed: it is written in a moment, and read again without being loaded whole.
    write_nrrd_scan(path, scan, compressed=False)


def _writeLabels(path, values, affine):
    from DMRIPretrainLib.tasks.maps import save_segmentation

    save_segmentation(path, values, affine)


def _requireSameGrid(labels, scanNode):
    if same_grid(affine_of(labels), grid_shape(labels), affine_of(scanNode), grid_shape(scanNode)):
        return
    text = (
        "{labels}: expected the grid of {scan}, {size} voxels, found another, {found}; resample the labels, or "
        "choose those of this scan"
    )
    names = {"labels": labels.GetName(), "scan": scanNode.GetName()}
    size, found = (" x ".join(map(str, grid_shape(node))) for node in (scanNode, labels))
    raise UserError(text.format(size=size, found=found, **names))


def _isSegmentation(case):
    return bool(case.labelsNode) and _node(case.labelsNode).IsA("vtkMRMLSegmentationNode")


def _segmentsOf(case):
    node = _node(case.labelsNode)
    segmentation = node.GetSegmentation()
    if not segmentation.GetNumberOfSegments():
        text = "{labels}: expected segments to learn from, found none; draw some, or choose another segmentation"
        raise UserError(text.format(labels=node.GetName()))
    segments = [segmentation.GetNthSegment(index) for index in range(segmentation.GetNumberOfSegments())]
    return [(segment.GetName(), segment.GetLabelValue()) for segment in segments]


def _node(identifier):
    node = slicer.mrmlScene.GetNodeByID(identifier)
    if node is None:
        raise UserError("a case: expected its scan and labels in the scene, found them gone; remove its row")
    return node


def _fileName(node):
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in node.GetName()) or "scan"
