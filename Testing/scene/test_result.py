"""A folder of results becomes nodes beside its scan, and a saved scene brings all of it back."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import write_json, write_nifti
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.scene.compare import compare
from DMRIPretrainLib.scene.curves import TrainingCurves
from DMRIPretrainLib.scene.geometry import affine_of, world_affine
from DMRIPretrainLib.scene.labels import custom_labels, tissue_labels
from DMRIPretrainLib.scene.result import result_steps, show_result
from DMRIPretrainLib.scene.scan_nodes import node_to_scan, scan_to_node
from DMRIPretrainLib.scene.segmentation import add_segmentation, labels_in, surfaces_of
from DMRIPretrainLib.scene.shown_result import ShownResult, shown_results
from DMRIPretrainLib.scene.slice_layers import show_in_slices
from DMRIPretrainLib.scene.tables import add_metric_tables
from DMRIPretrainLib.tasks import maps

SHAPE = (8, 9, 10)
AFFINE = np.array([[0, -2.0, 0, 9], [0, 0, 2.5, -4], [-2.2, 0, 0, 30], [0, 0, 0, 1]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All that ``predict`` writes, with a label set of tissues."""
    rng = np.random.default_rng(1)
    result = tmp_path / "before"
    labels, counts = rng.integers(0, 4, SHAPE), rng.integers(0, 4, SHAPE)
    maps.save_segmentation(result / maps.SEGMENTATION, labels, AFFINE)
    maps.save_crossings(result / maps.CROSSINGS, counts, AFFINE)
    maps.save_peaks(result / maps.PEAKS, rng.normal(size=(*SHAPE, 3, 3)), AFFINE)
    maps.save_fod(result / maps.FOD, rng.normal(size=(*SHAPE, 45)), AFFINE)
    for name in (maps.SEGMENTATION_PROBABILITIES, maps.CROSSINGS_PROBABILITIES):
        maps.save_probabilities(result / name, rng.dirichlet(np.ones(4), SHAPE), AFFINE)
    for name in (maps.SEGMENTATION_UNCERTAINTY, maps.CROSSINGS_UNCERTAINTY):
        write_nifti(result / name, rng.random(SHAPE).astype(np.float32), AFFINE)
    write_nifti(result / maps.ORIENTATION_UNCERTAINTY, (40 * rng.random(SHAPE)).astype(np.float32), AFFINE)
    write_json(result / maps.REPORT, {"seconds": 3})
    return result


@pytest.fixture
def scan_node(scene: Any, make_dwi: Callable[..., Scan]) -> Any:
    return scan_to_node(scene, make_dwi(SHAPE, affine=AFFINE), "sub-01_dwi")


def array_of(node: Any) -> np.ndarray:
    array = slicer.util.arrayFromVolume(node)
    return array.transpose(2, 1, 0, *range(3, array.ndim))


def hierarchy_of(scene: Any) -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def volumes_of(shown: ShownResult) -> list[Any]:
    return [
        *(shown.labels, shown.crossings, shown.peaks, shown.fodf),
        *shown.probabilities.values(),
        *shown.uncertainty.values(),
    ]


def test_every_map_becomes_a_node_on_the_grid_of_the_scan(scene: Any, folder: Path, scan_node: Any) -> None:
    shown = show_result(folder, scan_node)
    assert shown.report == {"seconds": 3}
    assert np.array_equal(array_of(shown.crossings), maps.load_labels(folder / maps.CROSSINGS)[0])
    assert np.array_equal(array_of(shown.labels), maps.load_labels(folder / maps.SEGMENTATION)[0])
    assert set(shown.probabilities) == {"CSF", "GM", "WM", "one", "two", "three"}
    expected = maps.load_probabilities(folder / maps.CROSSINGS_PROBABILITIES)[0][..., 2]
    assert np.array_equal(array_of(shown.probabilities["two"]), expected)
    assert set(shown.uncertainty) == {"segmentation", "crossings", "orientation"}
    assert array_of(shown.fodf).shape == (*SHAPE, 45)
    for node in volumes_of(shown):
        assert np.allclose(affine_of(node), AFFINE, atol=1e-5), node.GetName()
    names = [shown.segmentation.GetSegmentation().GetNthSegment(i).GetName() for i in range(3)]
    assert names == ["CSF", "GM", "WM"]


def test_all_of_it_lies_in_one_folder_beside_the_scan(scene: Any, folder: Path, scan_node: Any) -> None:
    hierarchy = hierarchy_of(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(scan_node), study)
    shown = show_result(folder, scan_node)
    assert hierarchy.GetItemParent(shown.folder) == study
    assert hierarchy.GetItemName(shown.folder) == "before"
    for node in [shown.segmentation, *volumes_of(shown)]:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == shown.folder, node.GetName()


def test_the_crossing_map_lies_over_the_b0_with_a_legend(application: Any, folder: Path, scan_node: Any) -> None:
    view = application.slice_view("Red", (200, 200))
    shown = show_result(folder, scan_node)
    assert view.composite.GetBackgroundVolumeID() == shown.background.GetID()
    assert view.composite.GetLabelVolumeID() == shown.crossings.GetID()
    assert not shown.segmentation.GetDisplayNode().GetVisibility2DFill()  # both would be mud
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(shown.crossings)
    assert legend.GetTitleText() == "Fibre populations"
    shown.segmentation.GetDisplayNode().SetVisibility(False)
    view.fit()
    with_legend = view.image().astype(int)
    legend.SetVisibility(False)
    without = view.image().astype(int)
    changed = np.argwhere(np.abs(with_legend - without).max(axis=2) > 30)
    assert len(changed) > 50
    assert changed.mean(axis=0) == pytest.approx([160, 170], abs=40)  # at the lower right


@pytest.mark.parametrize("value", range(4))
def test_each_number_of_fibres_has_its_colour(application: Any, scan_node: Any, tmp_path: Path, value: int) -> None:
    maps.save_crossings(tmp_path / "flat" / maps.CROSSINGS, np.full(SHAPE, value), AFFINE)
    view = application.slice_view("Red", (60, 60))
    shown = show_result(tmp_path / "flat", scan_node)
    show_in_slices(application.scene, shown.background, over=shown.crossings, opacity=1.0)
    slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(shown.crossings).SetVisibility(False)
    shown.background.GetDisplayNode().SetWindowLevelMinMax(1e6, 2e6)  # black
    view.fit()
    assert np.abs(view.image()[30, 30].astype(int) - maps.CROSSING_COLOURS[value]).max() <= 2


def move(scene: Any, node: Any) -> np.ndarray:
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    matrix = np.array([[0, -1.0, 0, 3], [1, 0, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]])
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return matrix


def test_results_of_the_file_move_with_the_scan(scene: Any, folder: Path, scan_node: Any) -> None:
    matrix = move(scene, scan_node)
    shown = show_result(folder, scan_node)
    for node in volumes_of(shown):
        assert np.allclose(world_affine(node), matrix @ AFFINE, atol=1e-5)
    assert shown.segmentation.GetParentTransformNode() is scan_node.GetParentTransformNode()


def test_results_of_the_moved_scan_stay_where_they_are(scene: Any, scan_node: Any, tmp_path: Path) -> None:
    matrix = move(scene, scan_node)
    moved = node_to_scan(scan_node)
    maps.save_segmentation(tmp_path / "moved" / maps.SEGMENTATION, np.ones(SHAPE, dtype=int), moved.affine)
    shown = show_result(tmp_path / "moved", scan_node)
    assert np.allclose(world_affine(shown.labels), matrix @ AFFINE, atol=1e-5)
    assert shown.labels.GetParentTransformNode() is None
    assert shown.segmentation.GetParentTransformNode() is None


def test_results_of_another_scan_are_refused_and_leave_no_node(scene: Any, folder: Path, scan_node: Any) -> None:
    maps.save_crossings(folder / maps.CROSSINGS, np.zeros(SHAPE), AFFINE + np.eye(4)[:, [3, 0, 1, 2]] * 0.5)
    before = scene.GetNumberOfNodes()
    with pytest.raises(UserError, match=r"crossings.nii.gz: expected the grid of sub-01_dwi"):
        show_result(folder, scan_node)
    assert scene.GetNumberOfNodes() == before


def node_names(scene: Any) -> list[str]:
    """Names of all nodes but colour tables, which maps share, and the subject hierarchy, which is made on demand."""
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    left_out = ("vtkMRMLColorNode", "vtkMRMLSubjectHierarchyNode")
    return [node.GetName() for node in nodes if not any(node.IsA(kind) for kind in left_out)]


def folders_of(scene: Any) -> int:
    items = vtk.vtkIdList()
    hierarchy_of(scene).GetItemChildren(hierarchy_of(scene).GetSceneItemID(), items, True)
    return items.GetNumberOfIds()


@pytest.mark.parametrize("turns", [1, 3, 8, 18])
def test_a_result_that_is_broken_off_leaves_nothing(scene: Any, folder: Path, scan_node: Any, turns: int) -> None:
    before, folders = node_names(scene), folders_of(scene)
    steps = result_steps(folder, scan_node)
    sent = None
    for _ in range(turns):
        function = steps.send(sent)
        sent = function() if function is not None else None
        assert shown_results(scene) == [], "it is none before all of it is there"
    assert (turns == 1) or node_names(scene) != before
    steps.close()
    assert node_names(scene) == before
    assert folders_of(scene) == folders


@pytest.mark.parametrize("turns", [1, 2, 6])
def test_a_scan_that_leaves_the_scene_takes_its_result_along(
    scene: Any, folder: Path, scan_node: Any, turns: int
) -> None:
    steps = result_steps(folder, scan_node)
    sent = None
    for _ in range(turns):
        function = steps.send(sent)
        sent = function() if function is not None else None
    scene.RemoveNode(scan_node)
    with pytest.raises(UserError, match=r"sub-01_dwi: expected it to stay in the scene"):
        steps.send(sent)
    assert [name for name in node_names(scene) if "before" in name or "b0" in name] == []


def test_surfaces_are_those_that_slicer_makes(scene: Any) -> None:
    values = np.zeros(SHAPE, dtype=int)
    values[2:6, 1:5, 3:8], values[5:, 5:, :4] = 1, 3  # one of them at the edge of the image
    for affine in (AFFINE, AFFINE * [[-1], [1], [1], [1]]):
        surfaces = surfaces_of(values, affine, tissue_labels())
        assert surfaces[2].GetNumberOfPoints() == 0
        node = add_segmentation(scene, "tissue", values, affine, tissue_labels())
        for name, label in (("CSF", 1), ("WM", 3)):
            expected = vtk.vtkPolyData()
            assert node.GetClosedSurfaceRepresentation(name, expected)
            found = surfaces[label]
            for part in (lambda mesh: mesh.GetPoints().GetData(), lambda mesh: mesh.GetPointData().GetNormals()):
                assert np.allclose(vtk_to_numpy(part(found)), vtk_to_numpy(part(expected)), atol=1e-4)
            cells = [vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()) for mesh in (found, expected)]
            assert np.array_equal(*cells)


def test_a_folder_without_results_is_refused(scene: Any, tmp_path: Path, scan_node: Any) -> None:
    with pytest.raises(UserError, match=r"expected results such as segmentation.nii.gz, found none"):
        show_result(tmp_path, scan_node)


def test_some_of_the_maps_are_enough(scene: Any, folder: Path, scan_node: Any) -> None:
    for path in folder.glob("*[!s].nii.gz"):
        path.unlink()
    (folder / maps.REPORT).unlink()
    shown = show_result(folder, scan_node)
    assert shown.crossings is not None
    assert shown.segmentation is None
    assert shown.uncertainty == {}


_KINDS = (
    *("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLScriptedModuleNode", "vtkMRMLTransformNode"),
    *("vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"),
)


def test_own_labels_may_be_given(scene: Any, scan_node: Any, tmp_path: Path) -> None:
    values = np.zeros(SHAPE, dtype=int)
    values[2:4], values[5] = 4, 300
    maps.save_segmentation(tmp_path / "own" / maps.SEGMENTATION, values, AFFINE)
    shown = show_result(tmp_path / "own", scan_node, labels=custom_labels([4, 300], {4: "thalamus"}))
    segmentation = shown.segmentation.GetSegmentation()
    assert [segmentation.GetNthSegmentID(i) for i in range(2)] == ["thalamus", "label 300"]
    table = shown.labels.GetDisplayNode().GetColorNode()
    assert (table.GetColorName(4), table.GetColorName(300)) == ("thalamus", "label 300")
    assert np.array_equal(labels_in(shown.segmentation, shown.labels), values)


def test_labels_beyond_a_colour_table_are_refused(scene: Any, scan_node: Any, tmp_path: Path) -> None:
    values = np.full(SHAPE, 2_000_000_000)
    maps.save_segmentation(tmp_path / "own" / maps.SEGMENTATION, values, AFFINE)
    before = scene.GetNumberOfNodes()
    with pytest.raises(UserError, match=r"segmentation.nii.gz: expected label values up to 100000, found 2000000000"):
        show_result(tmp_path / "own", scan_node)
    assert scene.GetNumberOfNodes() == before


def describe(scene: Any) -> dict[str, Any]:
    """All that a user would miss: by name, class, geometry, voxels, display, colours, place and references."""
    hierarchy = hierarchy_of(scene)
    found: dict[str, Any] = {}
    for kind in _KINDS:
        for index in range(scene.GetNumberOfNodesByClass(kind)):
            node = scene.GetNthNodeByClass(index, kind)
            entry: dict[str, Any] = {"class": node.GetClassName()}
            if kind == "vtkMRMLVolumeNode":
                entry |= volume_description(node)
            if kind == "vtkMRMLSegmentationNode":
                entry |= segmentation_description(node)
            if kind == "vtkMRMLScriptedModuleNode":
                entry["parameters"] = {name: node.GetParameter(name) for name in node.GetParameterNames()}
            if kind == "vtkMRMLTableNode":
                entry["cells"] = table_description(node)
            if kind == "vtkMRMLPlotChartNode":
                entry["titles"] = [node.GetTitle(), node.GetXAxisTitle(), node.GetYAxisTitle()]
            if kind == "vtkMRMLPlotSeriesNode":
                entry["series"] = [
                    node.GetXColumnName(),
                    node.GetYColumnName(),
                    node.GetPlotType(),
                    node.GetLineWidth(),
                ]
                entry["colour"] = np.round(node.GetColor(), 3).tolist()
            if node.IsA("vtkMRMLTransformableNode"):
                parent = node.GetParentTransformNode()
                entry["transform"] = parent.GetName() if parent is not None else None
            roles: list[str] = []
            node.GetNodeReferenceRoles(roles)
            entry["references"] = {
                role: [node.GetNthNodeReference(role, i).GetName() for i in range(node.GetNumberOfNodeReferences(role))]
                for role in roles
                if role not in ("storage",)
            }
            item = hierarchy.GetItemByDataNode(node)
            entry["place"] = hierarchy.GetItemName(hierarchy.GetItemParent(item)) if item else None
            found[node.GetName()] = entry
    return found


def volume_description(node: Any) -> dict[str, Any]:
    display = node.GetDisplayNode()
    entry: dict[str, Any] = {"affine": affine_of(node).round(4).tolist(), "voxels": array_of(node).tolist()}
    if display is not None:
        table = display.GetColorNode()
        entry["colours"] = [table.GetName()]
        if table.GetNumberOfColors() < 10:
            colour = [0.0] * 4
            for index in range(table.GetNumberOfColors()):
                table.GetColor(index, colour)
                entry["colours"].append((table.GetColorName(index), np.round(colour, 2).tolist()))
    if display is not None and display.IsA("vtkMRMLScalarVolumeDisplayNode"):
        entry["window"] = [display.GetWindow(), display.GetLevel()]
        threshold = [display.GetApplyThreshold(), display.GetLowerThreshold(), display.GetUpperThreshold()]
        entry["threshold"] = [float(f"{number:.4g}") for number in threshold]
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
    entry["legend"] = legend.GetTitleText() if legend is not None else None
    if node.IsA("vtkMRMLDiffusionWeightedVolumeNode"):
        table = node_to_scan(node).gradients
        entry["gradients"] = [table.bvals.round(2).tolist(), table.directions.round(5).tolist()]
    return entry


def table_description(node: Any) -> list[list[str]]:
    columns = range(node.GetNumberOfColumns())
    names = [node.GetColumnName(column) for column in columns]
    return [names] + [[node.GetCellText(row, column) for column in columns] for row in range(node.GetNumberOfRows())]


def segmentation_description(node: Any) -> dict[str, Any]:
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    entry: dict[str, Any] = {"opacity": display.GetOpacity2DFill()}
    for index in range(segmentation.GetNumberOfSegments()):
        identifier = segmentation.GetNthSegmentID(index)
        part = segmentation.GetSegment(identifier)
        text = slicer.vtkSegment.GetTerminologyEntryTagName()
        entry[identifier] = [
            *(part.GetName(), part.GetLabelValue(), np.round(part.GetColor(), 3).tolist()),
            part.HasTag(text),
            display.GetSegmentOpacity3D(identifier),
            display.GetSegmentVisibility(identifier),
        ]
    return entry


def parts_of(shown: ShownResult) -> dict[str, Any]:
    """Names of the nodes of a result."""
    parts: dict[str, Any] = {"folder": hierarchy_of(shown.scan.GetScene()).GetItemName(shown.folder)}
    for part, content in vars(shown).items():
        if part in ("probabilities", "uncertainty"):
            parts[part] = {key: node.GetName() for key, node in content.items()}
        elif part not in ("folder", "report", "name"):
            parts[part] = content.GetName() if content is not None else None
    return parts


def test_a_second_result_of_the_same_name_is_numbered(scene: Any, folder: Path, scan_node: Any) -> None:
    first = show_result(folder, scan_node)
    second = show_result(folder, scan_node, background=first.background)
    assert (first.name, second.name) == ("before", "before 2")
    assert [parts_of(result) for result in shown_results(scene)] == [parts_of(first), parts_of(second)]


def test_a_result_whose_scan_is_gone_is_none(scene: Any, folder: Path, scan_node: Any) -> None:
    show_result(folder, scan_node)
    scene.RemoveNode(scan_node)
    assert shown_results(scene) == []


@pytest.mark.parametrize("bundle", [False, True], ids=["mrml", "mrb"])
def test_a_saved_scene_comes_back_the_same(
    application: Any, folder: Path, scan_node: Any, tmp_path: Path, bundle: bool
) -> None:
    scene = application.scene
    move(scene, scan_node)
    shown = show_result(folder, scan_node)
    shown.segmentation.GetDisplayNode().SetSegmentVisibility("GM", False)
    shutil.copytree(folder, folder.with_name("after"))
    parts = [parts_of(shown), parts_of(show_result(folder.with_name("after"), scan_node, background=shown.background))]
    compare(*shown_results(scene))
    curves = TrainingCurves(scene, "run")
    curves.add({"kind": "metric", "name": "Dice WM", "step": step, "value": step / 16} for step in range(8))
    add_metric_tables(scene, "ours", {"orientation": {"dominant_mean": 6.5, "voxels": 1234}})
    before = describe(scene)
    expected = {"before crossings", "before glyphs", "before segmentation", "sub-01_dwi", "run validation chart"}
    assert expected <= set(before)
    path = save_scene(application, tmp_path / "saved", bundle)
    shutil.rmtree(folder)
    scene.Clear(False)
    assert describe(scene) == {}
    scene.SetURL(str(path))
    assert scene.ReadFromMRB(str(path)) if bundle else scene.Import()
    after = describe(scene)
    assert set(after) == set(before)
    for name, entry in before.items():
        for key, value in entry.items():
            assert after[name].get(key) == value, f"{name}: {key}"
    assert [parts_of(result) for result in shown_results(scene)] == parts


def save_scene(application: Any, folder: Path, bundle: bool) -> Path:
    """As Slicer saves: a data bundle, or the same files unpacked."""
    folder.mkdir()
    if bundle:
        path = folder / "scene.mrb"
        assert application.scene.WriteToMRB(str(path))
        return path
    assert application.logic.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    return next(folder.glob("*.mrml"))
