"""PythonQt's manners on Qt objects, in code that is loaded as part of a module."""

import textwrap
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(host: Any, tmp_path: Path) -> Any:
    """``run(source)``: execute lines as a module's file would be, and return its names."""
    from Testing.Host.pythonqt import rewrite

    def execute(source: str) -> dict[str, Any]:
        import types

        path = tmp_path / "code.py"
        path.write_text("import qt\nimport ctk\nimport slicer\n" + textwrap.dedent(source), encoding="utf-8")
        module = types.ModuleType("code")
        rewrite.execute(path, module)
        return vars(module)

    return execute


def test_properties_are_attributes(run: Any) -> None:
    found = run(
        """
        button = qt.QPushButton("one")
        button.text = "two"
        button.enabled = False
        texts = button.text, button.enabled, button.objectName, button.name
        timer = qt.QTimer()
        timer.singleShot = True
        single = timer.singleShot
        """
    )
    assert found["texts"] == ("two", False, "", "")
    assert found["button"].text() == "two"
    assert found["single"] is True
    assert found["timer"].isSingleShot()


def test_setters_and_other_methods_stay(run: Any) -> None:
    found = run(
        """
        box = qt.QCheckBox("x")
        box.setChecked(True)
        box.setToolTip("tip")
        values = box.isChecked(), box.toolTip, box.className()
        """
    )
    assert found["values"] == (True, "tip", "QCheckBox")


@pytest.mark.parametrize("line", ["button.txt = 'a'", "button.setText = 1", "button.colour = 'red'", "button._own = 1"])
def test_unknown_attributes_cannot_be_set(run: Any, line: str) -> None:
    with pytest.raises(AttributeError):
        run(f"button = qt.QPushButton()\n{line}")


@pytest.mark.parametrize("name", ["txt", "_box", "text2", "setTextt"])
def test_unknown_attributes_cannot_be_read(run: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        run(f"button = ctk.ctkSliderWidget()\nbutton.{name}")


def test_names_of_qt_6_that_slicer_does_not_have_are_refused(run: Any) -> None:
    """``checkStateChanged`` came with Qt 6.7 and ``setDefaultAction`` of a check box exists nowhere."""
    with pytest.raises(AttributeError, match="in Slicer"):
        run("qt.QComboBox().setLabelDrawingMode")


def test_methods_of_stand_ins_inner_parts_are_hidden(run: Any) -> None:
    with pytest.raises(AttributeError):
        run("slicer.qMRMLNodeComboBox().setNodeTypes(['vtkMRMLModelNode'])")


def test_what_getattr_hasattr_and_setattr_see_is_the_same(run: Any) -> None:
    found = run(
        """
        label = qt.QLabel("a")
        seen = getattr(label, "text"), hasattr(label, "txt"), getattr(label, "txt", 5)
        setattr(label, "text", "b")
        """
    )
    assert found["seen"] == ("a", False, 5)
    assert found["label"].text() == "b"


def test_a_subclass_may_have_attributes_of_its_own_and_override_methods(run: Any) -> None:
    found = run(
        """
        class Drop(qt.QLabel):
            def __init__(self, parent=None):
                super().__init__(parent)
                self.paths = []
                self.text = "drop here"
                self.__secret = 1

            def secret(self):
                return self.__secret

            def sizeHint(self):
                return qt.QSize(123, 45)

        drop = Drop()
        drop.paths.append(1)
        seen = drop.paths, drop.text, drop.secret(), drop.sizeHint
        """
    )
    assert found["seen"][:3] == ([1], "drop here", 1)
    assert found["drop"].sizeHint().width() == 123


def test_a_subclass_takes_files_that_are_dropped_on_it(host: Any, run: Any, tmp_path: Path) -> None:
    from Testing.Host import pointer

    found = run(
        """
        class Cases(qt.QListWidget):
            def __init__(self):
                super().__init__()
                self.acceptDrops = True
                self.paths = []

            def dragEnterEvent(self, event):
                if event.mimeData().hasUrls():
                    event.acceptProposedAction()

            def dragMoveEvent(self, event):
                event.acceptProposedAction()

            def dropEvent(self, event):
                self.paths = [url.toLocalFile() for url in event.mimeData().urls()]
                event.acceptProposedAction()

        cases, label = Cases(), qt.QLabel("no")
        cases.show()
        label.show()
        """
    )
    assert pointer.drop_files(found["cases"], [tmp_path / "a.nii.gz"])
    assert found["cases"].paths == [str(tmp_path / "a.nii.gz")]
    assert not pointer.drop_files(found["label"], [tmp_path])
    for widget in (found["cases"], found["label"]):
        widget.close()


def test_a_property_takes_numbers_but_no_other_objects(run: Any) -> None:
    found = run("bar = qt.QProgressBar()\nbar.value = 7.0\nbar.enabled = 0")
    assert found["bar"].value() == 7
    with pytest.raises(TypeError, match="enabled"):
        run("bar = qt.QProgressBar()\nbar.enabled = 'yes'")
    with pytest.raises(TypeError, match="value"):
        run("bar = qt.QProgressBar()\nbar.value = None")


def test_read_only_properties_cannot_be_set(run: Any) -> None:
    with pytest.raises(AttributeError, match="read-only"):
        run("timer = qt.QTimer()\ntimer.active = True")


def test_connect_by_signature_hands_over_as_many_arguments_as_it_names(run: Any) -> None:
    found = run(
        """
        seen = []
        box = qt.QCheckBox()
        box.connect("toggled(bool)", lambda checked: seen.append(checked))
        box.connect("toggled(bool)", lambda: seen.append("no argument"))
        box.connect("clicked()", lambda *given: seen.append(given))
        box.click()
        """
    )
    assert found["seen"] == [True, "no argument", ()]


def test_disconnect_by_signature(run: Any) -> None:
    found = run(
        """
        seen = []
        box = qt.QCheckBox()
        take = seen.append
        box.connect("toggled(bool)", take)
        results = box.disconnect("toggled(bool)", take), box.disconnect("toggled(bool)", take)
        box.click()
        """
    )
    assert found["seen"] == []
    assert found["results"] == (True, False)


@pytest.mark.parametrize("signature", ["toggeld(bool)", "toggled(QString)", "toggled", "setChecked(bool)"])
def test_signals_that_do_not_exist_are_refused(run: Any, signature: str) -> None:
    with pytest.raises((AttributeError, ValueError)):
        run(f"qt.QCheckBox().connect('{signature}', print)")


def test_a_slot_of_a_receiver_can_be_named(run: Any) -> None:
    found = run(
        """
        box, label = qt.QCheckBox(), qt.QLabel("x")
        box.connect("toggled(bool)", label, "setDisabled(bool)")
        box.click()
        """
    )
    assert not found["label"].isEnabled()


def test_constants_and_static_functions_are_reached_through_the_class(run: Any) -> None:
    found = run(
        """
        state = qt.QProcess().state() == qt.QProcess.NotRunning
        label = qt.QLabel()
        label.alignment = qt.Qt.AlignRight
        label.frameShape = qt.QFrame.Box
        calls = []
        qt.QTimer.singleShot(0, lambda: calls.append(1))
        """
    )
    assert found["state"]
    assert found["label"].frameShape().name == "Box"


def test_values_of_enumerations_are_in_the_class_around_them(run: Any) -> None:
    with pytest.raises(AttributeError, match=r"write QProcess\.NotRunning"):
        run("qt.QProcess.ProcessState.NotRunning")
    found = run("import enum\nclass Own(enum.Enum):\n    A = 1\nvalue = Own.A.value, qt.Qt.AlignLeft is not None")
    assert found["value"] == (1, True)


def test_tracebacks_name_the_file_and_the_line(run: Any) -> None:
    import traceback

    try:
        run("x = 1\ny = qt.QLabel().nothing")
    except AttributeError as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("code.py")][-1]
    assert last.lineno == 5
    assert last.line == "y = qt.QLabel().nothing"


def test_what_is_not_qt_is_left_alone(run: Any) -> None:
    found = run(
        """
        class Plain:
            def __init__(self):
                self.anything = 1

        from dataclasses import dataclass

        @dataclass
        class Data:
            value: int = 3

        def check(thing):
            match thing:
                case Data(value=3):
                    return "data"
                case _:
                    return "other"

        result = Plain().anything, Data().value, check(Data()), slicer.vtkMRMLScene().GetNumberOfNodes()
        """
    )
    assert found["result"] == (1, 3, "data", 0)


def test_helpers_beside_a_module_get_the_same_and_leave_no_compiled_files(host: Any, tmp_path: Path) -> None:
    (tmp_path / "Helped.py").write_text(
        "from HelpedLib.part import Label\n"
        "from slicer.ScriptedLoadableModule import *\n"
        "class Helped(ScriptedLoadableModule):\n    pass\n",
        encoding="utf-8",
    )
    (tmp_path / "HelpedLib").mkdir()
    (tmp_path / "HelpedLib" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "HelpedLib" / "part.py").write_text(
        "import qt\ndef Label():\n    label = qt.QLabel('x')\n    return label.text\n", encoding="utf-8"
    )
    assert host.load(tmp_path) == ["Helped"]
    import sys

    assert sys.modules["Helped"].Label() == "x"
    assert not list(tmp_path.rglob("*.pyc"))


def test_file_dialogs_return_the_path_alone(host: Any, run: Any) -> None:
    host.dialogs.answer("open file", "/data/a.nrrd")
    host.dialogs.answer("folder", "")
    found = run(
        """
        path = qt.QFileDialog.getOpenFileName(None, "Scan", "", "NRRD (*.nrrd)")
        folder = qt.QFileDialog.getExistingDirectory(None, "Folder")
        """
    )
    assert (found["path"], found["folder"]) == ("/data/a.nrrd", "")
