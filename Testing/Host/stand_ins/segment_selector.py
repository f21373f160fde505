"""qMRMLSegmentSelectorWidget: choice of a segmentation and of one or more of its segments."""

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.stand_ins.base import stored
from Testing.Host.stand_ins.choices import ctkCheckableComboBox
from Testing.Host.stand_ins.node_combo_box import qMRMLNodeComboBox
from Testing.Host.stand_ins.scene_widget import qMRMLWidget


class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """A segmentation node and a segment of it."""

    currentNodeChanged = QtCore.Signal(object)
    currentSegmentChanged = QtCore.Signal(str)
    segmentSelectionChanged = QtCore.Signal("QStringList")
    nodeAboutToBeEdited = QtCore.Signal(object)

    noneEnabled = stored(bool, False, after="_configure")
    multiSelection = stored(bool, False, after="_configure")
    selectNodeUponCreation = stored(bool, False)
    editEnabled = stored(bool, False)
    horizontalLayout = stored(bool, False)
    segmentationNodeSelectorVisible = stored(bool, True, after="_configure")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._observers = Observers(self)
        self._node_box = qMRMLNodeComboBox(self)
        self._node_box.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._node_box.addEnabled = self._node_box.removeEnabled = False
        self._single = QtWidgets.QComboBox(self)
        self._several = ctkCheckableComboBox(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._node_box, self._single, self._several):
            layout.addWidget(part)
        self._node_box.currentNodeChanged.connect(self._node_changed)
        self._single.currentIndexChanged.connect(lambda: self.currentSegmentChanged.emit(self.currentSegmentID()))
        self._several.checkedIndexesChanged.connect(
            lambda: self.segmentSelectionChanged.emit(self.selectedSegmentIDs())
        )
        self._configure()

    def _configure(self) -> None:
        self._node_box.noneEnabled = self.noneEnabled
        self._node_box.setVisible(self.segmentationNodeSelectorVisible)
        self._single.setVisible(not self.multiSelection)
        self._several.setVisible(self.multiSelection)

    def setMRMLScene(self, scene: Any) -> None:
        """Follow a scene."""
        super().setMRMLScene(scene)
        self._node_box.setMRMLScene(scene)

    def _node_changed(self, node: Any) -> None:
        self._observers.clear()
        if node is not None:
            for event in (
                slicer.vtkSegmentation.SegmentAdded,
                slicer.vtkSegmentation.SegmentRemoved,
                slicer.vtkSegmentation.SegmentModified,
                vtk.vtkCommand.ModifiedEvent,
            ):
                self._observers.add(node.GetSegmentation(), event, self._refill)
        self._refill()
        self.currentNodeChanged.emit(node)

    def _refill(self) -> None:
        segments = self._segments()
        if segments == [(box.itemText(i), box.itemData(i)) for box in [self._single] for i in range(box.count())]:
            return
        before = self.currentSegmentID()
        for box in (self._single, self._several):
            with QtCore.QSignalBlocker(box):
                box.clear()
                for name, segment_id in segments:
                    box.addItem(name, segment_id)
        self._single.setCurrentIndex(max(self._single.findData(before), 0 if segments else -1))
        self.currentSegmentChanged.emit(self.currentSegmentID())

    def _segments(self) -> list[tuple[str, str]]:
        node = self.currentNode()
        if node is None:
            return []
        segmentation = node.GetSegmentation()
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        return [(segmentation.GetSegment(segment_id).GetName(), segment_id) for segment_id in ids]

    def currentNode(self) -> Any:
        """The segmentation node, or None."""
        return self._node_box.currentNode()

    def currentNodeID(self) -> str:
        """ID of the segmentation node, or an empty text."""
        return self._node_box.currentNodeID

    def setCurrentNode(self, node: Any) -> None:
        """Choose a segmentation."""
        self._node_box.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        """Choose a segmentation by its ID."""
        self._node_box.setCurrentNodeID(node_id)

    def segmentIDs(self) -> list[str]:
        """All segments of the segmentation."""
        return [segment_id for _, segment_id in self._segments()]

    def currentSegmentID(self) -> str:
        """The chosen segment, or an empty text."""
        return self._single.currentData() or ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        """Choose a segment."""
        self._single.setCurrentIndex(self._single.findData(segment_id))

    def selectedSegmentIDs(self) -> list[str]:
        """The checked segments, where several can be chosen."""
        if not self.multiSelection:
            return [self.currentSegmentID()] if self.currentSegmentID() else []
        return [self._several.itemData(index.row()) for index in self._several.checkedIndexes()]

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        """Check these segments and no others."""
        for row in range(self._several.count()):
            state = (
                QtCore.Qt.CheckState.Checked if self._several.itemData(row) in ids else QtCore.Qt.CheckState.Unchecked
            )
            self._several.setCheckState(self._several.model().index(row, 0), state)
