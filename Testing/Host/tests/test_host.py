"""The host itself: failures that nobody catches, time, settings, dialogs, packages."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def test_an_exception_in_a_slot_is_a_failure(host: Any, capsys: Any) -> None:
    from PySide6 import QtCore

    from Testing.Host.failures import HiddenFailure, fail_on_hidden

    def fail() -> None:
        raise RuntimeError("in a slot")

    with pytest.raises(HiddenFailure, match="in a slot"), fail_on_hidden(host.exceptions):
        QtCore.QTimer.singleShot(0, fail)
        host.settle()


def test_an_exception_in_an_observer_is_a_failure(host: Any) -> None:
    from Testing.Host.failures import HiddenFailure, fail_on_hidden

    def fail(caller: Any, event: Any) -> None:
        raise RuntimeError("in an observer")

    tag = host.scene.AddObserver("ModifiedEvent", fail)
    with pytest.raises(HiddenFailure, match="in an observer"), fail_on_hidden(host.exceptions):
        host.scene.Modified()
    host.scene.RemoveObserver(tag)


def test_an_error_that_vtk_prints_is_a_failure(host: Any) -> None:
    import vtk

    from Testing.Host.failures import HiddenFailure, fail_on_hidden

    with pytest.raises(HiddenFailure, match="ERR"), fail_on_hidden(host.exceptions):
        reader = vtk.vtkXMLPolyDataReader()
        reader.SetFileName("/nowhere/file.vtp")
        reader.Update()


def test_an_exception_while_a_widget_is_painted_is_a_failure(host: Any) -> None:
    from PySide6 import QtWidgets

    from Testing.Host.failures import HiddenFailure, fail_on_hidden

    class Broken(QtWidgets.QWidget):
        def paintEvent(self, event: Any) -> None:
            raise RuntimeError("in paintEvent")

    widget = Broken()
    with pytest.raises(HiddenFailure, match="paintEvent"), fail_on_hidden(host.exceptions):
        widget.show()
        host.settle()
    widget.close()


def test_warnings_are_no_failure() -> None:
    from Testing.Host.failures import errors_in

    assert errors_in("2026 ( 1.2s) [ABC] vtkX.cxx:93 WARN| something\n") == []
    assert errors_in("2026 ( 1.2s) [ABC] vtkX.cxx:93 ERR| something\n") != []


def test_the_heartbeat_tells_how_long_the_main_thread_was_blocked(host: Any) -> None:
    from PySide6 import QtCore

    from Testing.Host.heartbeat import Heartbeat

    with Heartbeat() as beat:
        QtCore.QTimer.singleShot(10, lambda: time.sleep(0.3))
        host.settle(0.5)
    assert 0.3 <= beat.longest < 0.6
    assert beat.longest_work < 0.1, "to wait is no work"
    assert beat.beats > 5


def test_the_heartbeat_tells_work_from_drawing(host: Any) -> None:
    from PySide6 import QtCore

    from Testing.Host.heartbeat import Heartbeat
    from Testing.Host.views import render_area

    def busy() -> None:
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            pass

    def drawing() -> None:
        with render_area.spent.counted():
            busy()

    with Heartbeat() as beat:
        QtCore.QTimer.singleShot(10, drawing)
        host.settle(0.4)
    assert beat.longest_drawing >= 0.15
    assert beat.longest_work < 0.1
    with Heartbeat() as beat:
        QtCore.QTimer.singleShot(10, busy)
        host.settle(0.4)
    assert beat.longest_work >= 0.15


def test_waiting_in_vain_tells_for_what(host: Any) -> None:
    with pytest.raises(TimeoutError, match="the moon"):
        host.wait_until(lambda: False, timeout=0.05, what="the moon")


def test_settings_live_in_the_hosts_folder_and_are_forgotten(host: Any) -> None:
    from PySide6 import QtCore

    settings = QtCore.QSettings()
    settings.setValue("DMRIPretrain/wheelhouse", "/wheels")
    settings.sync()
    assert Path(settings.fileName()).is_relative_to(host.folder)
    import slicer

    assert slicer.util.settingsValue("DMRIPretrain/wheelhouse", "") == "/wheels"
    host.reset()
    assert slicer.util.settingsValue("DMRIPretrain/wheelhouse", "none") == "none"


def test_a_question_gets_the_tests_answer(host: Any) -> None:
    import slicer

    host.dialogs.answer("question", True)
    host.dialogs.answer("question", False)
    assert slicer.util.confirmOkCancelDisplay("Really?") is True
    assert slicer.util.confirmYesNoDisplay("Sure?") is False
    assert host.dialogs.texts("question") == ["Really?", "Sure?"]


def test_a_question_without_an_answer_fails_instead_of_hanging(host: Any) -> None:
    import slicer

    from Testing.Host.dialogs import UnansweredQuestionError

    with pytest.raises(UnansweredQuestionError, match="Really"):
        slicer.util.confirmOkCancelDisplay("Really?")


def test_messages_of_each_kind_are_recorded(host: Any) -> None:
    import slicer

    slicer.util.infoDisplay("i")
    slicer.util.warningDisplay("w")
    slicer.util.errorDisplay("e", detailedText="why")
    slicer.util.delayDisplay("d")
    assert [(asked.kind, asked.text) for asked in host.dialogs.asked] == [
        ("info", "i"),
        ("warning", "w"),
        ("error", "e"),
        ("delay", "d"),
    ]
    assert host.dialogs.asked[2].detail == "why"


def test_in_testing_mode_nobody_is_asked(host: Any) -> None:
    import slicer

    with host.testing_mode():
        slicer.util.confirmOkCancelDisplay("Really?")
        slicer.util.errorDisplay("e")
    assert host.dialogs.asked == []


def test_packages_are_installed_after_asking_and_only_if_missing(host: Any) -> None:
    import slicer

    host.packaging.missing = {"dipy"}
    assert slicer.packaging.pip_check("numpy>=1.26")
    assert not slicer.packaging.pip_check(["numpy", "dipy>=1.0"])
    assert not slicer.packaging.pip_check("numpy>=1000")

    host.dialogs.answer("question", True)
    slicer.packaging.pip_ensure(["numpy", "dipy>=1.0"], requester="Demo")
    assert host.packaging.calls[-1][0] == "pip_install"
    assert host.packaging.calls[-1][1]["requirements"] == ["dipy>=1.0"]
    assert slicer.packaging.pip_check("dipy>=1.0")
    assert len(host.dialogs.asked) == 1
    slicer.packaging.pip_ensure(["dipy>=1.0"])
    assert len(host.dialogs.asked) == 1


def test_declining_and_failing_installations_raise_as_documented(host: Any) -> None:
    import slicer

    host.packaging.missing = {"dipy"}
    host.dialogs.answer("question", False)
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("dipy")
    host.dialogs.answer("question", True)
    host.packaging.exit_code = 1
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure("dipy")
    assert not slicer.packaging.pip_check("dipy")


def test_an_installation_in_the_background_tells_lines_and_exit_code(host: Any) -> None:
    import slicer

    lines: list[str] = []
    codes: list[int] = []
    host.packaging.output = ["Collecting dipy", "done"]
    slicer.packaging.pip_install("dipy", blocking=False, logCallback=lines.append, completedCallback=codes.append)
    assert codes == []
    host.wait_until(lambda: codes)
    assert (lines, codes) == (["Collecting dipy", "done"], [0])


def test_installing_from_another_thread_is_refused(host: Any) -> None:
    import threading

    import slicer

    seen: list[BaseException] = []

    def install() -> None:
        try:
            slicer.packaging.pip_install("dipy")
        except AssertionError as error:
            seen.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert "main thread" in str(seen[0])


def test_the_old_pip_install_is_refused(host: Any) -> None:
    import slicer

    with pytest.raises(AssertionError, match="pip_ensure"):
        slicer.util.pip_install("dipy")


def test_requirement_files_are_read(host: Any, tmp_path: Path) -> None:
    import slicer

    path = tmp_path / "requirements.txt"
    path.write_text("# comment\n\ndipy>=1.11  # why\nnumpy\n", encoding="utf-8")
    assert [str(each) for each in slicer.packaging.load_requirements(path)] == ["dipy>=1.11", "numpy"]


def test_unknown_names_of_the_application_are_refused_to_modules(host: Any) -> None:
    import slicer

    from Testing.Host.pythonqt.attributes import pythonqt

    assert pythonqt(slicer.app).majorVersion == 5
    for name in ("layoutManagr", "_world"):
        with pytest.raises(AttributeError):
            getattr(pythonqt(slicer.app), name)
    with pytest.raises(AttributeError):
        pythonqt(slicer.app).applicationName = "x"


@pytest.mark.parametrize("name", ["volume.nrrd", "volume.nii.gz"])
def test_volumes_are_saved_and_loaded_with_their_geometry(host: Any, tmp_path: Path, name: str) -> None:
    import numpy as np
    import slicer

    matrix = np.array([[-2.0, 0, 0, 5], [0, -3, 0, -7], [0, 0, 4, 1], [0, 0, 0, 1]])
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    saved = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name="saved")
    assert slicer.util.saveNode(saved, str(tmp_path / name))
    loaded = slicer.util.loadVolume(str(tmp_path / name))
    assert loaded.GetName() == "volume"
    assert (slicer.util.arrayFromVolume(loaded) == array).all()
    found = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(loaded))
    assert np.allclose(found, matrix)


def test_loading_what_is_not_there_raises_with_the_reason(host: Any) -> None:
    import slicer

    with pytest.raises(RuntimeError, match="does not exist"):
        slicer.util.loadVolume("/nowhere/scan.nrrd")


def test_a_saved_scene_brings_nodes_and_parameters_back(host: Any, demo: Any, tmp_path: Path) -> None:
    import slicer

    demo.onBall(True)
    demo._parameterNode.threshold = 77
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.scene.Clear(0)
    assert demo._parameterNode.threshold == 50
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    restored = demo.logic.getParameterNode()
    assert restored.inputVolume.GetName() == "Ball"
    assert restored.threshold == 77


def test_a_console_process_runs_beside_the_event_loop(host: Any) -> None:
    import sys

    import slicer

    from Testing.Host.heartbeat import Heartbeat

    lines: list[str] = []
    codes: list[int] = []
    program = "import os, time; print(os.environ['JOB'], flush=True); time.sleep(0.3); raise SystemExit(3)"
    with Heartbeat() as beat:
        slicer.util.launchConsoleProcess(
            [sys.executable, "-c", program],
            updateEnvironment={"JOB": "j1"},
            blocking=False,
            logCallback=lines.append,
            completedCallback=codes.append,
        )
        host.wait_until(lambda: codes)
    assert [line.strip() for line in lines if line.strip()] == ["j1"]
    assert codes == [3]
    assert beat.longest < 0.25


def test_the_plot_function_shows_a_chart(host: Any) -> None:
    import numpy as np
    import slicer

    host.window.show()
    chart = slicer.util.plot(np.array([[0, 1.0], [1, 0.5]]), 0, ["step", "loss"])
    host.settle()
    view = host.layout_manager.plotWidget(0)
    assert view.isVisible()
    assert view.mrmlPlotViewNode().GetPlotChartNode() is chart


def test_nodes_are_put_into_the_subject_hierarchy(host: Any) -> None:
    import slicer

    node = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "m")
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemName(hierarchy.GetItemByDataNode(node)) == "m"


def _ijk_to_ras(node: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix
