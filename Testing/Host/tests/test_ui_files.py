"""What a ``.ui`` file may say, and what is refused because Slicer would not show it."""

from pathlib import Path
from typing import Any

import pytest

WIDGET = '<widget class="{kind}" name="part">{content}</widget>'
FILE = """<ui version="4.0"><class>Form</class>
<widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout" name="box"><item>{widget}</item></layout></widget>
<connections>{connections}</connections></ui>"""
CONNECTION = "<connection><sender>{}</sender><signal>{}</signal><receiver>{}</receiver><slot>{}</slot></connection>"


@pytest.fixture
def load(host: Any, tmp_path: Path) -> Any:
    def load_ui(kind: str, content: str = "", connections: str = "") -> Any:
        import slicer

        path = tmp_path / "form.ui"
        widget = WIDGET.format(kind=kind, content=content)
        path.write_text(FILE.format(widget=widget, connections=connections), encoding="utf-8")
        return slicer.util.childWidgetVariables(slicer.util.loadUI(str(path)))

    return load_ui


def test_every_stand_in_can_stand_in_a_file(load: Any) -> None:
    from Testing.Host import widget_classes

    for name in widget_classes.stand_ins():
        part = load(name).part
        assert type(part).__name__ == name


def test_properties_of_all_kinds_arrive(load: Any) -> None:
    part = load(
        "ctkPathLineEdit",
        '<property name="filters"><set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Writable</set></property>'
        '<property name="showHistoryButton"><bool>false</bool></property>'
        '<property name="SlicerParameterName" stdset="0"><string>folder</string></property>'
        '<property name="enabled"><bool>false</bool></property>',
    ).part
    assert part.filters == 0x021
    assert not part.showHistoryButton
    assert part.property("SlicerParameterName") == "folder"
    assert not part.isEnabled()


def test_a_class_that_does_not_exist_is_refused(load: Any) -> None:
    with pytest.raises(ValueError, match="ctkCollapsableButton"):
        load("ctkCollapsableButton")


@pytest.mark.parametrize(("kind", "name"), [("ctkSliderWidget", "minimun"), ("QLabel", "txt"), ("QLabel", "checked")])
def test_a_property_that_the_class_does_not_have_is_refused(load: Any, kind: str, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        load(kind, f'<property name="{name}"><number>1</number></property>')


def test_connections_pass_the_scene_and_booleans(load: Any, host: Any) -> None:
    connections = CONNECTION.format("Form", "mrmlSceneChanged(vtkMRMLScene*)", "part", "setMRMLScene(vtkMRMLScene*)")
    connections += CONNECTION.format("part", "currentNodeChanged(bool)", "Form", "setEnabled(bool)")
    node_types = '<property name="nodeTypes"><stringlist><string>vtkMRMLModelNode</string></stringlist></property>'
    ui = load("qMRMLNodeComboBox", node_types, connections)
    form = ui.part.parentWidget()
    form.setMRMLScene(host.scene)
    assert ui.part.mrmlScene() is host.scene
    node = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "m")
    assert form.isEnabled()
    host.scene.RemoveNode(node)
    assert not form.isEnabled()


@pytest.mark.parametrize(
    "connection",
    [
        ("part", "clickd(bool)", "Form", "setEnabled(bool)"),
        ("part", "clicked(bool)", "Form", "setEnabeld(bool)"),
        ("part", "clicked(bool)", "nobody", "setEnabled(bool)"),
    ],
)
def test_connections_to_what_does_not_exist_are_refused(load: Any, connection: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"clickd|setEnabeld|nobody"):
        load("QPushButton", "", CONNECTION.format(*connection))


def test_a_missing_file_raises_as_in_slicer(host: Any) -> None:
    import slicer

    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI("/nowhere/form.ui")
