"""Every control of the view changes what is seen, at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.Host import pointer


@pytest.fixture
def result_folder(small_scan: Any, tmp_path: Path) -> Any:
    """Writes a result on the grid of a scan: white matter with one fibre population left-right, and a crossing half."""
    from DMRIPretrainLib.scene.geometry import affine_of, grid_shape
    from DMRIPretrainLib.tasks import maps

    def make(node: Any, name: str) -> Path:
        folder, affine, shape = tmp_path / name, affine_of(node), grid_shape(node)
        folder.mkdir()
        tissue = np.zeros(shape, dtype=np.uint8)
        tissue[3:17, 3:17, 3:13] = 3
        crossings = np.where(tissue > 0, 1, 0).astype(np.uint8)
        crossings[10:17, 3:17, 3:13] = 2
        peaks = np.zeros((*shape, 3, 3), dtype=np.float32)
        peaks[crossings > 0, 0] = (0.6, 0, 0)
        peaks[crossings > 1, 1] = (0, 0, 0.3)
        maps.save_segmentation(folder / maps.SEGMENTATION, tissue, affine)
        maps.save_crossings(folder / maps.CROSSINGS, crossings, affine)
        maps.save_peaks(folder / maps.PEAKS, peaks, affine)
        return folder

    return make


@pytest.fixture
def shown(host: Any, module: Any, panel: Any, small_scan: Any, result_folder: Any) -> Any:
    """The panel with a result in the scene."""
    from DMRIPretrainLib.scene.steps import run_at_once

    node = small_scan()
    name = run_at_once(module.session.results.add(result_folder(node, "first"), node, "first"))
    module.session.parameterNode.scan = node
    module.session.parameterNode.result = name
    for other in module.panels:
        if other is not panel("ViewPanel"):
            other.ui.section.setChecked(False)
            other.ui.section.collapsed = True
    host.settle(0.3)
    return panel("ViewPanel")


def red(host: Any) -> np.ndarray:
    host.settle(0.3)
    return host.layout_manager.sliceWidget("Red").sliceView().pixels().astype(int)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    return float((np.abs(before - after).max(axis=-1) > 10).mean())


def test_without_a_result_the_panel_says_so(module: Any, panel: Any) -> None:
    view = panel("ViewPanel")
    assert view.ui.emptyLabel.isVisible()
    assert not view.ui.body.isVisible()


def test_a_result_is_shown_with_sensible_defaults(host: Any, module: Any, shown: Any) -> None:
    assert shown.ui.resultBox.currentText() == "first"
    assert shown.ui.segmentBox.currentText() == "outlines"
    assert shown.ui.mapBox.currentText() == "number of fibre populations"
    assert shown.ui.glyphBox.isChecked()
    assert shown.ui.surfaceBox.isChecked()


@pytest.mark.parametrize(
    ("widget", "text"), [("mapBox", "none"), ("mapBox", "tissue"), ("segmentBox", "areas"), ("segmentBox", "hidden")]
)
def test_maps_and_tissue_in_slices(host: Any, shown: Any, widget: str, text: str) -> None:
    before = red(host)
    pointer.choose(getattr(shown.ui, widget), text)
    assert changed(before, red(host)) > 0.003


def test_glyphs_in_slices_and_in_3d(host: Any, module: Any, shown: Any) -> None:
    pointer.choose(shown.ui.mapBox, "none")
    pointer.choose(shown.ui.segmentBox, "hidden")
    display = module.session.results.display(shown.result)
    drawn = red(host)
    pointer.choose(shown.ui.whereBox, "crossings")
    assert display.settings.mask_labels == (2, 3)
    crossings = red(host)
    assert changed(drawn, crossings) > 0.001
    shown.ui.lowerSlider.setValue(0.5)
    assert display.settings.peaks.lower == 0.5
    pointer.choose(shown.ui.threeDBox, "the whole volume")
    assert display.settings.in_3d == "volume"
    shown.ui.glyphBox.setChecked(False)
    assert changed(crossings, red(host)) > 0.001
    assert not display.settings.visible
    assert not shown.ui.conesBox.isEnabled()  # this result has no uncertainty


def test_surfaces_and_opacity(host: Any, shown: Any) -> None:
    view = host.layout_manager.threeDWidget(0).threeDView()
    host.settle(0.3)
    before = view.pixels().astype(int)
    pointer.click(shown.ui.surfaceBox)
    host.settle(0.3)
    assert changed(before, view.pixels().astype(int)) > 0.01
    shown.ui.segmentOpacitySlider.setValue(0.5)
    assert shown.result.segmentation.GetDisplayNode().GetOpacity() == 0.5


def test_another_result_takes_the_place_of_the_first(
    host: Any, module: Any, shown: Any, small_scan: Any, result_folder: Any
) -> None:
    from DMRIPretrainLib.scene.steps import run_at_once

    node = module.session.parameterNode.scan
    second = run_at_once(module.session.results.add(result_folder(node, "second"), node, "second"))
    module.session.parameterNode.result = second
    first = module.session.results.find("first")
    assert not first.segmentation.GetDisplayNode().GetVisibility()
    assert not module.session.results.display(first).settings.visible
    pointer.choose(shown.ui.resultBox, "first")
    assert module.session.parameterNode.result == "first"
    assert first.segmentation.GetDisplayNode().GetVisibility()
    assert not module.session.results.find(second).segmentation.GetDisplayNode().GetVisibility()


def middle(host: Any, view: str) -> np.ndarray:
    """Centre of a slice view in RAS mm."""
    matrix = host.layout_manager.sliceWidget(view).mrmlSliceNode().GetSliceToRAS()
    return np.array([matrix.GetElement(axis, 3) for axis in range(3)])


def centre(node: Any) -> np.ndarray:
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return np.array(bounds).reshape(3, 2).mean(axis=1)


def test_a_result_of_a_scan_elsewhere_comes_into_view(
    host: Any, module: Any, shown: Any, small_scan: Any, result_folder: Any
) -> None:
    import vtk

    from DMRIPretrainLib.scene.steps import run_at_once

    first, far = module.session.parameterNode.scan, small_scan(name="far away")
    matrix = vtk.vtkMatrix4x4()
    far.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 400)
    far.SetIJKToRASMatrix(matrix)
    run_at_once(module.session.results.add(result_folder(far, "second"), far, "second"))
    assert np.abs(middle(host, "Red") - centre(far)).max() < 3
    pointer.choose(shown.ui.resultBox, "first")
    host.settle(0.1)
    for view in ("Red", "Green", "Yellow"):
        assert np.abs(middle(host, view) - centre(first)).max() < 3


def test_another_result_of_the_same_place_is_seen_where_the_user_looks(
    host: Any, module: Any, shown: Any, result_folder: Any
) -> None:
    from DMRIPretrainLib.scene.steps import run_at_once

    node = module.session.parameterNode.scan
    run_at_once(module.session.results.add(result_folder(node, "second"), node, "second"))
    slice_node = host.layout_manager.sliceWidget("Red").mrmlSliceNode()
    slice_node.SetFieldOfView(20, 15, 1)
    slice_node.SetSliceOffset(slice_node.GetSliceOffset() + 5)
    before = middle(host, "Red")
    pointer.choose(shown.ui.resultBox, "first")
    host.settle(0.1)
    assert np.array_equal(middle(host, "Red"), before)
    assert slice_node.GetFieldOfView()[:2] == (20, 15)


def test_results_side_by_side_fill_their_views(
    host: Any, module: Any, panel: Any, shown: Any, result_folder: Any
) -> None:
    from DMRIPretrainLib.scene.compare import COMPARE_VIEWS
    from DMRIPretrainLib.scene.steps import run_at_once

    node = module.session.parameterNode.scan
    run_at_once(module.session.results.add(result_folder(node, "second"), node, "second"))
    compare = panel("ComparePanel")
    compare.ui.section.setChecked(True)
    compare.ui.section.collapsed = False
    host.settle(0.1)
    pointer.choose(compare.ui.beforeBox, "first")
    pointer.choose(compare.ui.afterBox, "second")
    pointer.click(compare.ui.sideBySideButton)
    host.wait_until(lambda: not compare.comparing, 10, "both results")
    for view in COMPARE_VIEWS:
        slice_node = host.layout_manager.sliceWidget(view).mrmlSliceNode()
        assert np.abs(middle(host, view) - centre(node)).max() < 3
        assert min(slice_node.GetFieldOfView()[:2]) < 70, "a scan of 45 mm fills much of the view"
    leading = host.layout_manager.sliceWidget(COMPARE_VIEWS[0]).mrmlSliceNode()
    leading.SetFieldOfView(20, 15, 1)
    pointer.click(compare.ui.sideBySideButton)
    host.wait_until(lambda: not compare.comparing, 10, "both results")
    assert leading.GetFieldOfView()[:2] == slice_node.GetFieldOfView()[:2] == (20, 15), "open: as the user left it"
    host.layout_manager.setLayout(3)
    host.settle(0.1)
    pointer.click(compare.ui.sideBySideButton)
    host.wait_until(lambda: not compare.comparing, 10, "both results")
    assert 20 < leading.GetFieldOfView()[0] < 70, "one that is opened anew is fitted, even if it has been there before"


def test_the_controls_follow_a_result_that_is_chosen_again(host: Any, module: Any, shown: Any) -> None:
    import slicer

    pointer.choose(shown.ui.mapBox, "none")
    pointer.choose(shown.ui.resultBox, shown.ui.resultBox.currentText())
    host.settle(0.2)
    composite = slicer.util.getNode("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetLabelVolumeID() == module.session.results.find(shown.result.name).crossings.GetID()
    assert shown.ui.mapBox.currentText() == "number of fibre populations"


def test_the_voxel_under_the_crosshair_is_told(host: Any, shown: Any) -> None:
    import slicer

    from DMRIPretrainLib.scene.geometry import affine_of

    assert "Shift" in shown.ui.inspectorLabel.text()
    centre = affine_of(shown.result.peaks) @ [12, 8, 7, 1]
    crosshair = slicer.mrmlScene.GetSingletonNode("default", "vtkMRMLCrosshairNode")
    crosshair.SetCrosshairRAS(*centre[:3])
    text = shown.ui.inspectorLabel.text()
    assert "12, 8, 7" in text
    assert "WM" in text
    assert "90\u00b0" in text
    picture = shown.ui.inspectorPicture.pixmap().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, 300, 3) for y in range(0, 200, 3)}
    assert len(colours) > 10, "the glyph is drawn"
    crosshair.SetCrosshairRAS(1e4, 0, 0)
    assert not shown.ui.inspectorPicture.isVisible()


def test_layouts(host: Any, shown: Any) -> None:
    for button, layout in ((shown.ui.axialButton, 6), (shown.ui.threeDButton, 4), (shown.ui.fourButton, 3)):
        pointer.click(button)
        assert host.layout_manager.layout == layout


def test_closing_the_scene_leaves_an_empty_panel(host: Any, module: Any, shown: Any) -> None:
    import slicer

    slicer.mrmlScene.Clear(0)
    host.settle()
    assert shown.ui.emptyLabel.isVisible()
    assert module.session.results.names() == []
