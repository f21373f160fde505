"""Segmentations: names, colours, codes, geometry, surfaces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.scene.labels import (
    Label,
    crossing_labels,
    custom_labels,
    labels_of,
    model_labels,
    reported_labels,
    tissue_labels,
)
from DMRIPretrainLib.scene.segmentation import add_segmentation, labels_in, show_segment
from DMRIPretrainLib.scene.volumes import new_volume
from DMRIPretrainLib.tasks.segmentation import custom_head, tissue_head

MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"
OBLIQUE = np.array([[0.96, -0.28, 0, 0], [0.28, 0.96, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def affine_of_symmetry(index: int) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE[:3, :3] @ cube_symmetries()[index] @ np.diag([1.0, 2.0, 3.0])
    affine[:3, 3] = (10, -20, 5)
    return affine


def blocks() -> np.ndarray:
    """Labels 1, 2 and 3 of different sizes, so that no flip goes unseen."""
    values = np.zeros((14, 13, 12), dtype=np.uint8)
    values[2:6, 2:11, 2:10] = 1
    values[6:12, 2:6, 2:10] = 2
    values[6:12, 6:11, 3:6] = 3
    return values


def segment(node: Any, name: str) -> Any:
    return node.GetSegmentation().GetSegment(name)


def test_tissues_have_the_names_and_colours_of_the_model(scene: Any) -> None:
    node = add_segmentation(scene, "tissue", blocks(), np.eye(4), tissue_labels())
    head = tissue_head()
    for value, name, colour in zip(head.values[1:], head.labels[1:], head.colours[1:], strict=True):
        assert segment(node, name).GetName() == name
        assert segment(node, name).GetLabelValue() == value
        assert np.allclose(np.array(segment(node, name).GetColor()) * 255, colour)
    assert node.GetSegmentation().GetNumberOfSegments() == 3
    assert node.GetSegmentation().GetNumberOfLayers() == 1


@pytest.mark.parametrize(
    ("name", "code", "meaning"),
    [
        ("CSF", "65216001", "Cerebrospinal Fluid"),
        ("GM", "389081007", "Gray Matter"),
        ("WM", "389080008", "White Matter"),
    ],
)
def test_tissues_have_standard_codes(scene: Any, name: str, code: str, meaning: str) -> None:
    """As Slicer's own parser reads the entry."""
    node = add_segmentation(scene, "tissue", blocks(), np.eye(4), tissue_labels())
    text = vtk.reference("")
    assert segment(node, name).GetTag(segment(node, name).GetTerminologyEntryTagName(), text)
    logic, entry = slicer.vtkSlicerTerminologiesModuleLogic(), slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(str(text), entry)
    found = entry.GetTypeObject()
    assert (found.GetCodingSchemeDesignator(), found.GetCodeValue(), found.GetCodeMeaning()) == ("SCT", code, meaning)
    assert entry.GetCategoryObject().GetCodeMeaning() == "Anatomical Structure"
    assert entry.GetTerminologyContextName() == "Segmentation category and type - DICOM master list"


@pytest.mark.parametrize("index", range(0, 48, 5))
def test_segments_lie_where_the_labels_do(scene: Any, index: int) -> None:
    affine, values = affine_of_symmetry(index), blocks()
    node = add_segmentation(scene, "tissue", values, affine, tissue_labels())
    for label in tissue_labels()[1:]:
        surface = node.GetClosedSurfaceInternalRepresentation(label.name)
        centre = np.argwhere(values == label.value).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
        points = vtk.util.numpy_support.vtk_to_numpy(surface.GetPoints().GetData())
        middle = (points.max(axis=0) + points.min(axis=0)) / 2
        corners = np.argwhere(values == label.value) @ affine[:3, :3].T + affine[:3, 3]
        assert np.allclose(middle, (corners.max(axis=0) + corners.min(axis=0)) / 2, atol=0.4)
        assert np.linalg.norm(middle - centre) < 1


@pytest.mark.parametrize("index", range(0, 48, 7))
def test_labels_come_back_on_any_grid_with_the_same_voxels(scene: Any, index: int) -> None:
    affine = affine_of_symmetry(index)
    node = add_segmentation(scene, "tissue", blocks(), affine, tissue_labels(), surfaces=False)
    grid = new_volume(scene, "grid", np.zeros((14, 13, 12), dtype=np.uint8), affine)
    assert np.array_equal(labels_in(node, grid), blocks())


def test_segments_drawn_by_hand_are_read_by_their_values(scene: Any) -> None:
    labels = [Label(0, "background", (0, 0, 0)), Label(7, "left", (255, 0, 0)), Label(300, "right", (0, 255, 0))]
    values = np.where(blocks() == 1, 7, np.where(blocks() == 3, 300, 0)).astype(np.int64)
    node = add_segmentation(scene, "own", values, np.eye(4), labels)
    grid = new_volume(scene, "grid", blocks(), np.eye(4))
    assert np.array_equal(labels_in(node, grid), values)
    named = labels_in(node, grid, {"left": 1, "right": 2})
    assert np.array_equal(named, np.select([values == 7, values == 300], [1, 2], 0))
    node.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
    with pytest.raises(UserError, match="own: expected the parent transform of grid"):
        labels_in(node, grid)


def test_labels_that_do_not_occur_are_empty_segments(scene: Any, application: Any) -> None:
    labels = [*tissue_labels(), Label(9, "lesion", (255, 0, 0))]
    view = application.three_d_view((50, 50))
    node = add_segmentation(scene, "tissue", blocks(), np.eye(4), labels)
    view.image()
    assert segment(node, "lesion").GetName() == "lesion"
    text = vtk.reference("")
    segment(node, "lesion").GetTag(segment(node, "lesion").GetTerminologyEntryTagName(), text)
    assert "~SCT^85756007^Tissue~SCT^85756007^Tissue~" in str(text)  # Slicer's default


def test_labels_of_one_name_stay_apart(scene: Any) -> None:
    labels = [Label(1, "cortex", (255, 0, 0)), Label(2, "cortex", (0, 255, 0)), Label(3, "other", (0, 0, 255))]
    node = add_segmentation(scene, "own", blocks(), np.eye(4), labels)
    segmentation = node.GetSegmentation()
    found = {segmentation.GetNthSegmentID(i): segmentation.GetNthSegment(i).GetLabelValue() for i in range(3)}
    assert found == {"cortex 1": 1, "cortex 2": 2, "other": 3}
    assert segment(node, "cortex 2").GetName() == "cortex"


def test_segments_are_seen_in_their_colours_and_can_be_hidden(application: Any) -> None:
    view = application.slice_view("Red", (140, 130))
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    background = new_volume(application.scene, "black", np.zeros((14, 13, 12), dtype=np.uint8), affine)
    node = add_segmentation(application.scene, "tissue", blocks(), affine, tissue_labels())
    view.show(background)
    view.centre_on((6.5, 6, 4))
    node.GetDisplayNode().SetOpacity2DFill(1.0)
    image = view.image().astype(int)
    # Radiological: larger x lies to the left; GM has x 6 to 12, y 2 to 6, that is the lower left.
    gm = np.abs(image - tissue_head().colours[2]).max(axis=2) < 12
    rows, columns = np.nonzero(gm)
    assert len(rows) > 1500
    assert columns.mean() < 60
    assert rows.mean() > 70
    show_segment(node, "GM", visible=False)
    image = view.image().astype(int)
    assert (np.abs(image - tissue_head().colours[2]).max(axis=2) < 12).sum() == 0
    assert image.max() > 60
    show_segment(node, "WM", opacity=0.5)
    half = view.image().astype(int)
    white_matter = np.abs(image - tissue_head().colours[3]).max(axis=2) < 12
    assert np.median(half[white_matter][:, 0]) == pytest.approx(120, abs=6)


def test_surfaces_are_seen_in_3d(application: Any) -> None:
    view = application.three_d_view((100, 100))
    node = add_segmentation(application.scene, "tissue", blocks(), np.eye(4), tissue_labels())
    for name in ("CSF", "GM"):
        show_segment(node, name, visible=False)
    view.look_from((1, 1, 1))
    image = view.image().astype(int)
    yellow = (image[..., 0] - image[..., 2] > 60) & (image[..., 1] - image[..., 2] > 60)
    assert yellow.sum() > 200
    show_segment(node, "WM", opacity_3d=0.0)
    image = view.image().astype(int)
    assert ((image[..., 0] - image[..., 2] > 60) & (image[..., 1] - image[..., 2] > 60)).sum() == 0


class TestLabels:
    def test_own_labels_are_those_a_model_learns(self) -> None:
        head = custom_head([4, 300], {4: "spot"})
        labels = custom_labels([4, 300], {4: "spot"})
        assert [(x.value, x.name, x.colour) for x in labels] == list(
            zip(head.values, head.labels, head.colours, strict=True)
        )

    def test_the_report_of_a_prediction_names_them(self) -> None:
        report = {"labels": {"segmentation": [{"value": 4, "name": "spot", "colour": [1, 2, 3]}]}}
        assert labels_of([0, 4], report) == [Label(4, "spot", (1, 2, 3))]
        assert reported_labels(report, "crossings") is None

    def test_the_header_of_a_model_names_them(self) -> None:
        assert model_labels(MODELS / "tiny.safetensors") == tissue_labels()
        assert model_labels(MODELS / "tiny.safetensors", "crossings") == crossing_labels()
        assert model_labels(MODELS / "tiny.safetensors", "bundles") == []

    def test_without_a_report_they_are_tissues_where_the_values_fit(self) -> None:
        assert labels_of([0, 3]) == tissue_labels()
        assert [label.name for label in labels_of([0, 17])] == ["background", "label 17"]
