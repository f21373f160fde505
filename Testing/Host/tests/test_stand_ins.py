"""Widgets of ctk and qMRML behave as their documentation says."""

from pathlib import Path
from typing import Any

import pytest

from Testing.Host import pointer


@pytest.fixture
def selector(host: Any) -> Any:
    """A selector of models that follows the scene."""
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLModelNode"]
    box.setMRMLScene(host.scene)
    yield box
    box.deleteLater()


def add(host: Any, kind: str = "vtkMRMLModelNode", name: str = "m", **attributes: str) -> Any:
    node = host.scene.AddNewNodeByClass(kind, name)
    for key, value in attributes.items():
        node.SetAttribute(key, value)
    return node


def test_a_selector_without_a_scene_is_disabled(host: Any) -> None:
    import slicer

    assert not slicer.qMRMLNodeComboBox().isEnabled()


def test_without_none_the_first_node_is_chosen_and_replaced_when_removed(host: Any, selector: Any) -> None:
    seen: list[Any] = []
    selector.currentNodeChanged.connect(seen.append)
    assert selector.currentNode() is None
    first, second = add(host, name="first"), add(host, name="second")
    assert selector.currentNode() is first
    host.scene.RemoveNode(first)
    assert selector.currentNode() is second
    assert [node.GetName() if node else None for node in seen] == ["first", "second"]


def test_with_none_nothing_is_chosen_by_itself(host: Any, selector: Any) -> None:
    selector.noneEnabled = True
    node = add(host)
    assert selector.currentNode() is None
    selector.setCurrentNode(node)
    assert selector.currentNodeID == node.GetID()
    host.scene.RemoveNode(node)
    assert selector.currentNode() is None


def test_classes_attributes_and_hidden_nodes_are_filtered(host: Any, selector: Any) -> None:
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    plain, labels = add(host, "vtkMRMLScalarVolumeNode"), add(host, "vtkMRMLLabelMapVolumeNode")
    assert selector.nodeCount() == 2
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 1
    selector.showChildNodeTypes = True
    labels.SetAttribute("Kind", "a")
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Kind", "a")
    assert [selector.nodeFromIndex(index) for index in range(selector.nodeCount())] == [labels]
    selector.removeAttribute("vtkMRMLScalarVolumeNode", "Kind")
    plain.SetHideFromEditors(True)
    selector.showHidden = False
    host.scene.RemoveNode(labels)
    assert selector.nodeCount() == 0


def test_a_renamed_node_is_shown_with_its_new_name(host: Any, selector: Any) -> None:
    from PySide6 import QtWidgets

    node = add(host, name="before")
    node.SetName("after")
    assert selector.findChild(QtWidgets.QComboBox).currentText() == "after"


def test_the_menu_makes_renames_and_removes_nodes(host: Any, selector: Any) -> None:
    selector.renameEnabled = True
    selector.show()
    pointer.choose(selector, "Create new Model")
    assert selector.currentNode().GetName() == "Model"
    host.dialogs.answer("text", "Other")
    pointer.choose(selector, "Rename current Model")
    assert selector.currentNode().GetName() == "Other"
    pointer.choose(selector, "Delete current Model")
    assert selector.nodeCount() == 0


def test_a_menu_action_of_the_module_is_triggered(host: Any, selector: Any) -> None:
    from PySide6 import QtGui

    seen: list[int] = []
    action = QtGui.QAction("Load a model...", selector)
    action.triggered.connect(lambda: seen.append(1))
    node = add(host)
    selector.addMenuAction(action)
    selector.show()
    pointer.choose(selector, "Load a model...")
    assert seen == [1]
    assert selector.currentNode() is node


def test_a_deleted_selector_no_longer_follows_the_scene(host: Any) -> None:
    import shiboken6
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLModelNode"]
    box.setMRMLScene(host.scene)
    shiboken6.delete(box)
    add(host)


def test_several_nodes_can_be_checked(host: Any) -> None:
    import slicer

    box = slicer.qMRMLCheckableNodeComboBox()
    box.nodeTypes = ["vtkMRMLModelNode"]
    box.setMRMLScene(host.scene)
    changes: list[int] = []
    box.checkedNodesChanged.connect(lambda: changes.append(len(box.checkedNodes())))
    first, second = add(host, name="a"), add(host, name="b")
    assert box.noneChecked()
    box.check(first)
    box.check(second)
    assert box.allChecked()
    host.scene.RemoveNode(first)
    assert box.checkedNodes() == [second]
    assert changes == [1, 2, 1]
    box.deleteLater()


def test_segments_are_listed_and_chosen(host: Any) -> None:
    import slicer

    widget = slicer.qMRMLSegmentSelectorWidget()
    widget.setMRMLScene(host.scene)
    node = add(host, "vtkMRMLSegmentationNode")
    ids = [node.GetSegmentation().AddEmptySegment("", name) for name in ("one", "two")]
    assert widget.segmentIDs() == ids
    assert widget.currentSegmentID() == ids[0]
    widget.setCurrentSegmentID(ids[1])
    assert widget.currentSegmentID() == ids[1]
    widget.multiSelection = True
    widget.setSelectedSegmentIDs(ids[1:])
    assert widget.selectedSegmentIDs() == ids[1:]
    node.GetSegmentation().RemoveSegment(ids[1])
    assert widget.segmentIDs() == ids[:1]
    widget.deleteLater()


def test_text_is_typed_and_numbers_too(host: Any) -> None:
    import ctk
    from PySide6 import QtWidgets

    edit, number = QtWidgets.QLineEdit(), ctk.ctkDoubleSpinBox()
    for widget in (edit, number):
        widget.show()
    pointer.type_text(edit, "scan.nii.gz")
    inner = number.findChild(QtWidgets.QDoubleSpinBox)
    inner.selectAll()
    pointer.type_text(inner, "12.5")
    assert (edit.text(), number.value) == ("scan.nii.gz", 12.5)
    for widget in (edit, number):
        widget.close()


def test_a_table_is_shown_and_followed(host: Any) -> None:
    import numpy as np
    import slicer

    view = slicer.qMRMLTableView()
    table = slicer.util.updateTableFromArray(None, np.array([[1, 2], [3, 4]]), ["a", "b"])
    view.setMRMLTableNode(table)
    assert view.model().item(1, 0).text() == "3"
    assert view.model().horizontalHeaderItem(1).text() == "b"
    slicer.util.updateTableFromArray(table, np.array([[1, 2]]), ["a", "b"])
    assert view.model().rowCount() == 1
    view.deleteLater()


def test_a_slider_keeps_its_range_and_decimals(host: Any) -> None:
    import ctk

    slider = ctk.ctkSliderWidget()
    seen: list[float] = []
    slider.valueChanged.connect(seen.append)
    slider.minimum, slider.maximum, slider.singleStep = -1.0, 1.0, 0.01
    slider.value = 0.123456
    assert slider.value == 0.12
    slider.value = 5
    assert slider.value == 1.0
    slider.value = 1.0
    assert seen == [0.12, 1.0]
    slider.maximum = 0.5
    assert slider.value == 0.5
    slider.deleteLater()


def test_a_slider_is_moved_with_the_mouse(host: Any) -> None:
    import ctk
    from PySide6 import QtWidgets

    slider = ctk.ctkSliderWidget()
    slider.maximum = 10.0
    slider.resize(300, 30)
    slider.show()
    inner = slider.findChild(QtWidgets.QSlider)
    pointer.drag(inner, (4, inner.height() // 2), (inner.width() - 4, inner.height() // 2), steps=10)
    assert slider.value == 10.0
    slider.close()


def test_a_range_keeps_its_order_and_bounds(host: Any) -> None:
    import ctk

    widget = ctk.ctkRangeWidget()
    seen: list[tuple[float, float]] = []
    widget.valuesChanged.connect(lambda low, high: seen.append((low, high)))
    widget.setRange(0, 10)
    widget.setValues(8, 2)
    assert (widget.minimumValue, widget.maximumValue) == (2, 8)
    widget.minimumValue = 20
    assert (widget.minimumValue, widget.maximumValue) == (8, 8)
    assert seen[-1] == (8, 8)
    widget.deleteLater()


def test_a_range_has_two_handles_for_the_mouse(host: Any) -> None:
    import ctk

    slider = ctk.ctkDoubleRangeSlider()
    slider.resize(212, 20)
    slider.setRange(0, 100)
    slider.show()
    host.settle()
    pointer.drag(slider, (206, 10), (106, 10))
    pointer.drag(slider, (6, 10), (56, 10))
    assert (slider.minimumValue, slider.maximumValue) == pytest.approx((25, 50), abs=1)
    slider.close()


def test_a_path_line_tells_whether_the_path_is_valid_and_browses(host: Any, tmp_path: Path) -> None:
    import ctk

    edit = ctk.ctkPathLineEdit()
    edit.filters = ctk.ctkPathLineEdit.Files
    valid: list[bool] = []
    edit.validInputChanged.connect(valid.append)
    file = tmp_path / "a.txt"
    file.write_text("x", encoding="utf-8")
    edit.currentPath = str(tmp_path)
    edit.setCurrentPath(str(file))
    edit.currentPath = str(tmp_path / "missing")
    assert valid == [True, False]
    host.dialogs.answer("open file", str(file))
    edit.browse()
    assert edit.currentPath == str(file)
    edit.deleteLater()


def test_the_history_of_a_path_line_is_kept_in_the_settings(host: Any) -> None:
    import ctk

    first, second = ctk.ctkPathLineEdit(), ctk.ctkPathLineEdit()
    first.settingKey = second.settingKey = "Demo/paths"
    first.currentPath = "/a"
    first.addCurrentPathToHistory()
    second.retrieveHistory()
    assert second.currentPath == "/a"
    for each in (first, second):
        each.deleteLater()


def test_a_section_folds_and_remembers_what_was_hidden(host: Any) -> None:
    import ctk
    from PySide6 import QtWidgets

    window = QtWidgets.QWidget()
    column = QtWidgets.QVBoxLayout(window)
    section = ctk.ctkCollapsibleButton("Advanced")
    column.addWidget(section)
    shown, hidden = QtWidgets.QLabel("shown"), QtWidgets.QLabel("hidden")
    box = QtWidgets.QVBoxLayout(section)
    box.addWidget(shown)
    box.addWidget(hidden)
    hidden.hide()
    window.show()
    host.settle()
    open_height = section.sizeHint().height()
    pointer.click(section)
    assert section.collapsed
    assert not shown.isVisible()
    assert section.sizeHint().height() < open_height
    pointer.click(section)
    assert shown.isVisible()
    assert not hidden.isVisible()
    window.close()


def test_what_is_added_to_a_folded_section_stays_folded(host: Any) -> None:
    import ctk
    from PySide6 import QtWidgets

    section = ctk.ctkCollapsibleButton("x")
    section.collapsed = True
    box = QtWidgets.QVBoxLayout(section)
    label = QtWidgets.QLabel("late")
    box.addWidget(label)
    section.show()
    host.settle()
    assert not label.isVisible()
    section.collapsed = False
    assert label.isVisible()
    section.close()


def test_a_menu_button_clicks_and_opens_its_menu_at_the_arrow(host: Any) -> None:
    import ctk
    from PySide6 import QtCore, QtWidgets

    button = ctk.ctkMenuButton("Go")
    menu = QtWidgets.QMenu()
    opened: list[int] = []
    menu.aboutToShow.connect(lambda: (opened.append(1), QtCore.QTimer.singleShot(0, menu.close)))
    button.setMenu(menu)
    clicks: list[int] = []
    button.clicked.connect(lambda: clicks.append(1))
    button.resize(120, 24)
    button.show()
    pointer.click(button, QtCore.QPoint(30, 12))
    assert (clicks, opened) == ([1], [])
    pointer.click(button, QtCore.QPoint(112, 12))
    assert (clicks, opened) == ([1], [1])
    button.close()


def test_items_of_a_checkable_box_are_checked(host: Any) -> None:
    import ctk
    from PySide6 import QtCore

    box = ctk.ctkCheckableComboBox()
    changes: list[int] = []
    box.addItems(["a", "b"])
    box.checkedIndexesChanged.connect(lambda: changes.append(len(box.checkedIndexes())))
    box.setCheckState(box.model().index(1, 0), QtCore.Qt.CheckState.Checked)
    assert [index.data() for index in box.checkedIndexes()] == ["b"]
    assert changes == [1]
    box.deleteLater()


def test_a_colour_button_asks_and_tells(host: Any) -> None:
    import ctk

    button = ctk.ctkColorPickerButton()
    seen: list[str] = []
    button.colorNameChanged.connect(seen.append)
    host.dialogs.answer("color", "#ff0000")
    button.show()
    pointer.click(button)
    assert seen == ["#ff0000"]
    button.close()
