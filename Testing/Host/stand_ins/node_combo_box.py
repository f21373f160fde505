"""qMRMLNodeComboBox: choice of one MRML node of the scene."""

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host import dialogs
from Testing.Host.observers import Observers
from Testing.Host.stand_ins.base import forwarded, stored


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of some classes, follows the scene, and can make, rename and delete nodes."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    currentNodeRenamed = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)

    nodeTypes = stored("QStringList", [], after="_refill")
    showHidden = stored(bool, False, after="_refill")
    showChildNodeTypes = stored(bool, True, after="_refill")
    hideChildNodeTypes = stored("QStringList", [], after="_refill")
    noneEnabled = stored(bool, False, after="_refill")
    noneDisplay = stored(str, "None", after="_refill")
    addEnabled = stored(bool, True, after="_refill")
    removeEnabled = stored(bool, True, after="_refill")
    renameEnabled = stored(bool, False, after="_refill")
    editEnabled = stored(bool, False, after="_refill")
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    interactionNodeSingletonTag = stored(str, "")
    sizeAdjustPolicy = forwarded(QtWidgets.QComboBox.SizeAdjustPolicy, "_combo", "sizeAdjustPolicy")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: Any = None
        self._current_id = ""
        self._attributes: list[tuple[str, str, str | None]] = []
        self._menu_actions: list[QtGui.QAction] = []
        self._labels: dict[str, str] = {}
        self._scene_observers = Observers(self)
        self._node_observers = Observers(self)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setMinimumContentsLength(8)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._combo.activated.connect(self._activated)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self.setEnabled(False)

    # --- the scene ---

    def setMRMLScene(self, scene: Any) -> None:
        """Follow a scene; without one the widget is disabled."""
        if scene is self._scene:
            return
        self._scene_observers.clear()
        self._scene = scene
        self.setEnabled(scene is not None)
        if scene is not None:
            self._scene_observers.add_with_node(scene, slicer.vtkMRMLScene.NodeAddedEvent, self._node_added)
            self._scene_observers.add_with_node(
                scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._node_about_to_be_removed
            )
            self._scene_observers.add(scene, slicer.vtkMRMLScene.NodeRemovedEvent, self._refill)
            self._scene_observers.add(scene, slicer.vtkMRMLScene.EndBatchProcessEvent, self._refill)
        self._refill()

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def _node_added(self, node: Any) -> None:
        if self._scene.IsBatchProcessing():
            return
        self._refill()
        if self._shows(node):
            self.nodeAdded.emit(node)

    def _node_about_to_be_removed(self, node: Any) -> None:
        if self._shows(node):
            self.nodeAboutToBeRemoved.emit(node)

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in nodes if self._shows(node)]

    def _shows(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(hidden) for hidden in self.hideChildNodeTypes if hidden):
            return False
        matching = [kind for kind in self.nodeTypes if kind and self._is_of(node, kind)]
        return any(self._has_attributes(node, kind) for kind in matching)

    def _is_of(self, node: Any, kind: str) -> bool:
        return node.IsA(kind) if self.showChildNodeTypes else node.GetClassName() == kind

    def _has_attributes(self, node: Any, kind: str) -> bool:
        for of_kind, name, value in self._attributes:
            found = node.GetAttribute(name)
            if of_kind == kind and (found is None or (value is not None and found != value)):
                return False
        return True

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """Show nodes of a class only if they have an attribute (with that value)."""
        self._attributes.append((node_type, name, value))
        self._refill()

    def removeAttribute(self, node_type: str, name: str) -> None:
        """Show nodes of a class again whatever that attribute is."""
        self._attributes = [entry for entry in self._attributes if entry[:2] != (node_type, name)]
        self._refill()

    # --- the list ---

    def _refill(self) -> None:
        nodes = self._nodes()
        self._node_observers.clear()
        with QtCore.QSignalBlocker(self._combo):
            self._combo.clear()
            if self.noneEnabled:
                self._combo.addItem(self.noneDisplay, "")
            for node in nodes:
                self._combo.addItem(node.GetName(), node.GetID())
                self._node_observers.add(node, vtk.vtkCommand.ModifiedEvent, self._relabel)
            self._add_actions()
        ids = [node.GetID() for node in nodes]
        if self._current_id not in ids:
            self._select("" if self.noneEnabled or not ids else ids[0])
        self._show_current()

    def _relabel(self) -> None:
        for index in range(self._combo.count()):
            node = self._node(self._combo.itemData(index))
            if node is not None and node.GetName() != self._combo.itemText(index):
                self._combo.setItemText(index, node.GetName())

    def _add_actions(self) -> None:
        label = self.nodeTypeLabel(self.nodeTypes[0]) if self.nodeTypes else "Node"
        offers: list[tuple[bool, str, Callable[[], Any]]] = [
            (self.addEnabled, f"Create new {label}", self._add_by_user),
            (self.renameEnabled, f"Rename current {label}", self.renameCurrentNode),
            (self.editEnabled, f"Edit current {label}...", self.editCurrentNode),
            (self.removeEnabled, f"Delete current {label}", self.removeCurrentNode),
        ]
        actions = [(text, call) for enabled, text, call in offers if enabled]
        actions += [(action.text(), action.trigger) for action in self._menu_actions]
        if actions and self._combo.count():
            self._combo.insertSeparator(self._combo.count())
        for text, call in actions:
            self._combo.addItem(text, call)

    def _activated(self, index: int) -> None:
        data = self._combo.itemData(index)
        self._show_current()
        if callable(data):
            data()
            return
        self._select(data or "")
        self.nodeActivated.emit(self.currentNode())

    def _select(self, node_id: str) -> None:
        if node_id == self._current_id:
            return
        self._current_id = node_id
        self._show_current()
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(node_id)

    def _show_current(self) -> None:
        shown = next((i for i in range(self._combo.count()) if self._combo.itemData(i) == self._current_id), -1)
        with QtCore.QSignalBlocker(self._combo):
            self._combo.setCurrentIndex(shown)

    def _node(self, node_id: Any) -> Any:
        return self._scene.GetNodeByID(node_id) if self._scene is not None and isinstance(node_id, str) else None

    # --- the current node ---

    def currentNode(self) -> Any:
        """The chosen node, or None."""
        return self._node(self._current_id) if self._current_id else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; one that is not in the list chooses none."""
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        """Choose a node by its ID."""
        shown = node_id if any(node.GetID() == node_id for node in self._nodes()) else ""
        self._select(shown or "")

    def setCurrentNodeIndex(self, index: int) -> None:
        """Choose the n-th of the listed nodes."""
        self.setCurrentNode(self.nodeFromIndex(index))

    currentNodeID = QtCore.Property(str, lambda self: self._current_id, setCurrentNodeID)
    currentNodeId = QtCore.Property(str, lambda self: self._current_id, setCurrentNodeID)

    def nodeCount(self) -> int:
        """Number of listed nodes."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """The n-th listed node, or None."""
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def nodeTypeLabel(self, node_type: str) -> str:
        """What a class is called in the menu."""
        if node_type in self._labels:
            return self._labels[node_type]
        try:
            return getattr(slicer, node_type)().GetTypeDisplayName()
        except TypeError:  # an abstract class
            return "Node"

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        """Call a class so in the menu."""
        self._labels[node_type] = label
        self._refill()

    # --- what the menu does ---

    def addNode(self, node_type: str | None = None) -> Any:
        """Make a node of a class, by default of the first one."""
        node_type = node_type or self.nodeTypes[0]
        base = self.baseName or self.nodeTypeLabel(node_type)
        node = self._scene.AddNewNodeByClass(node_type, self._scene.GenerateUniqueName(base))
        for of_kind, name, value in self._attributes:
            if of_kind == node_type:
                node.SetAttribute(name, value or "")
        self._refill()
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        return node

    def _add_by_user(self) -> None:
        self.nodeAddedByUser.emit(self.addNode())

    def removeCurrentNode(self) -> None:
        """Remove the chosen node from the scene."""
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self) -> None:
        """Ask for another name."""
        node = self.currentNode()
        if node is None:
            return
        name = dialogs.QInputDialog.getText(self, "Rename", "New name:", text=node.GetName())
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def editCurrentNode(self) -> None:
        """Tell that the user wants to edit the node."""
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def addMenuAction(self, action: QtGui.QAction) -> None:
        """One more line in the menu."""
        self._menu_actions.append(action)
        self._refill()


class qMRMLColorTableComboBox(qMRMLNodeComboBox):
    """Choice of a colour table."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.nodeTypes = ["vtkMRMLColorNode"]
        self.showHidden = True
        self.addEnabled = False
        self.removeEnabled = False
