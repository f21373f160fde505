"""A module from opening to reload, with mouse clicks, as a user and a developer go through it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.Host import pointer


def test_opening_shows_the_module_and_changes_nothing_in_the_scene(host: Any, demo: Any) -> None:
    import slicer

    assert slicer.util.selectedModule() == "Demo"
    assert demo.parent.isVisible()
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []
    assert not demo.ui.applyButton.isEnabled()
    assert demo.ui.applyButton.toolTip() == "Choose a volume first"


def test_a_click_makes_a_volume_and_fills_the_selector_and_the_parameter(host: Any, demo: Any) -> None:
    pointer.click(demo.ui.ballButton)
    assert demo.ui.inputSelector.currentNode().GetName() == "Ball"
    assert demo.logic.getParameterNode().inputVolume.GetName() == "Ball"
    assert demo.ui.applyButton.isEnabled()


def test_the_segmentation_is_seen_in_slices_and_in_3d(host: Any, demo: Any) -> None:
    pointer.click(demo.ui.ballButton)
    host.settle()
    red, three_d = _views(host)
    before = red.pixels(), three_d.pixels()
    pointer.click(demo.ui.applyButton)
    host.settle()
    assert (red.pixels() != before[0]).any(axis=-1).mean() > 0.05
    assert (three_d.pixels() != before[1]).any(axis=-1).mean() > 0.05


def test_a_disabled_button_cannot_be_clicked(host: Any, demo: Any) -> None:
    with pytest.raises(pointer.NotClickableError, match="disabled"):
        pointer.click(demo.ui.applyButton)


def test_what_is_folded_away_cannot_be_clicked_until_it_is_opened(host: Any, demo: Any) -> None:
    with pytest.raises(pointer.NotClickableError, match="hidden"):
        pointer.click(demo.ui.surfaceCheckBox)
    pointer.click(demo.ui.advancedCollapsibleButton)
    pointer.click(demo.ui.surfaceCheckBox)
    assert not demo._parameterNode.showSurface


def test_a_process_reports_while_the_window_stays_alive(host: Any, demo: Any) -> None:
    from Testing.Host.heartbeat import Heartbeat

    with Heartbeat() as beat:
        pointer.click(demo.ui.jobButton)
        assert not demo.ui.jobButton.isEnabled()
        host.wait_until(lambda: demo.ui.jobLabel.text() != "")
    assert demo.lines == [f"step {step}" for step in range(4)]
    assert demo.ui.jobBar.value() == 4
    assert demo.ui.jobLabel.text() == "Finished with code 0"
    assert beat.beats > 10


def test_an_error_dialog_is_recorded(host: Any, demo: Any) -> None:
    pointer.click(demo.ui.failButton)
    assert host.dialogs.texts("error") == ["This is what an error looks like."]
    assert host.dialogs.asked[0].detail == "details"


def test_leaving_the_module_ends_the_binding_and_coming_back_restores_it(host: Any, demo: Any) -> None:
    host.window.leave_module()
    assert demo._parameterNode is None
    host.open("Demo")
    demo._parameterNode.threshold = 120
    assert demo.ui.thresholdSlider.value == 120


def test_closing_the_scene_gives_a_new_parameter_node(host: Any, demo: Any) -> None:
    pointer.click(demo.ui.ballButton)
    host.scene.Clear(0)
    host.settle()
    assert demo.ui.inputSelector.currentNode() is None
    assert demo._parameterNode.inputVolume is None
    assert not demo.ui.applyButton.isEnabled()


def test_reload_runs_the_changed_file_and_leaves_one_working_panel(host: Any, tmp_path: Path) -> None:
    import shutil

    from Testing.Host.tests.conftest import DEMO_FOLDER

    folder = shutil.copytree(DEMO_FOLDER, tmp_path / "DemoModule")
    host.load(folder)
    old = host.open("Demo")
    source = (folder / "Demo.py").read_text(encoding="utf-8")
    (folder / "Demo.py").write_text(source.replace('name="Ball"', 'name="Changed"'), encoding="utf-8")

    old.onReload()
    host.settle()
    new = sys.modules["slicer"].modules.DemoWidget
    assert new is not old
    pointer.click(new.ui.ballButton)
    assert new.ui.inputSelector.currentNode().GetName() == "Changed"
    assert old._parameterNode is None


def test_the_developer_section_has_a_reload_button_in_developer_mode_only(host: Any, demo: Any) -> None:
    import slicer

    assert not hasattr(demo, "reloadButton")
    slicer.app.settings().setValue("Developer/DeveloperMode", True)
    demo.onReload()
    host.settle()
    assert slicer.modules.DemoWidget.reloadButton.isVisible()


def test_the_modules_own_test_passes(host: Any, demo: Any) -> None:
    with host.testing_mode():
        demo.onTest()
    assert host.dialogs.texts("delay") == ["Starting", "Passed"]


def test_sample_data_is_registered_at_start_and_needs_no_network(host: Any, demo: Any) -> None:
    import SampleData
    import slicer

    assert [source.sampleName for source in SampleData.registered["Demo"]] == ["Ball"]
    node = SampleData.press("Ball")
    assert slicer.util.arrayFromVolume(node).shape == (40, 50, 60)


def test_unloading_removes_the_module(host: Any, demo: Any) -> None:
    import slicer

    host.unload_all()
    assert not hasattr(slicer.modules, "demo")
    assert "Demo" not in sys.modules


def test_a_file_without_a_module_class_is_reported_and_left_out(host: Any, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "Helper.py").write_text("x = 1\n", encoding="utf-8")
    assert host.load(tmp_path) == []
    assert "has no class Helper" in caplog.text


def test_the_screenshot_holds_panel_and_views(host: Any, demo: Any, tmp_path: Path) -> None:
    from PySide6 import QtGui

    pointer.click(demo.ui.ballButton)
    host.screenshot(tmp_path / "window.png")
    picture = QtGui.QImage(str(tmp_path / "window.png"))
    assert (picture.width(), picture.height()) == (1400, 900)
    red_bar = host.layout_manager.sliceWidget("Red")
    corner = red_bar.mapTo(host.window, red_bar.rect().topLeft())
    colour = picture.pixelColor(corner.x() + 2, corner.y() + 2)
    assert np.allclose([colour.red(), colour.green(), colour.blue()], [243, 74, 51], atol=3)


def _views(host: Any) -> tuple[Any, Any]:
    return host.layout_manager.sliceWidget("Red").sliceView(), host.layout_manager.threeDWidget(0).threeDView()
