"""The harness itself: what is drawn is what is in the scene, the right way round, and complaints are noticed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import slicer.util
import vtk


def marked_volume(scene: Any, axis: int, sign: int) -> Any:
    """A volume of 40 mm around the origin, bright on one side: towards ``sign`` along a RAS axis."""
    values = np.zeros((40, 40, 40))
    where: list[Any] = [slice(None)] * 3
    where[axis] = slice(30, None) if sign > 0 else slice(None, 10)
    values[tuple(where)] = 1
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "marked")
    volume.SetOrigin(-19.5, -19.5, -19.5)
    slicer.util.updateVolumeFromArray(volume, values.transpose())
    volume.CreateDefaultDisplayNodes()
    return volume


@pytest.mark.parametrize(
    ("name", "axis", "bright"),
    [
        ("Red", 0, "left"),
        ("Red", 1, "top"),
        ("Yellow", 1, "left"),
        ("Yellow", 2, "top"),
        ("Green", 0, "left"),
        ("Green", 2, "top"),
    ],
)
def test_slice_views_are_radiological(application: Any, name: str, axis: int, bright: str) -> None:
    view = application.slice_view(name, (100, 100))
    view.show(marked_volume(application.scene, axis, 1))
    image = view.image().astype(float).mean(axis=2)
    ends = {"left": image[:, 20], "right": image[:, -20], "top": image[20], "bottom": image[-20]}
    brightest = max(ends, key=lambda end: float(np.mean(ends[end])))
    assert brightest == bright


def test_centre_on_moves_the_slice_and_its_centre(application: Any) -> None:
    view = application.slice_view("Yellow", (100, 50))
    view.show(marked_volume(application.scene, 0, 1))
    view.centre_on((15, -3, 4), field_of_view=20)
    centre = view.node.GetXYToRAS().MultiplyPoint((50, 25, 0, 1))[:3]
    assert np.allclose(centre, (15, -3, 4))
    assert view.image()[25, 50].min() > 200
    assert np.allclose(view.node.GetFieldOfView()[:2], (20, 10))


def test_modules_have_their_logics(application: Any) -> None:
    for module in ("Colors", "Volumes", "Segmentations", "Plots"):
        assert application.logic.GetModuleLogic(module).GetMRMLScene() is application.scene


def test_a_view_without_a_volume_is_black(application: Any) -> None:
    assert application.slice_view().image().max() == 0


def ball(scene: Any, centre: tuple[float, float, float], colour: tuple[float, float, float]) -> None:
    source = vtk.vtkSphereSource()
    source.SetCenter(*centre)
    source.SetRadius(5)
    source.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "ball")
    model.SetAndObservePolyData(source.GetOutput())
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(*colour)


def test_the_camera_stands_where_it_is_told(application: Any) -> None:
    view = application.three_d_view((120, 120))
    ball(application.scene, (20, 0, 0), (1, 0, 0))
    ball(application.scene, (0, 0, 20), (0, 0, 1))
    view.look_from((0, 1, 0))  # from the front: right is on the left
    image = view.image().astype(int)
    reddish = np.argwhere(image[..., 0] - image[..., 2] > 100).mean(axis=0)
    blueish = np.argwhere(image[..., 2] - image[..., 0] > 150).mean(axis=0)
    assert reddish[1] < blueish[1] - 10
    assert blueish[0] < reddish[0] - 10


def test_slices_are_seen_in_3d(application: Any) -> None:
    view = application.three_d_view((100, 100))
    red = application.slice_view("Red", (100, 100))
    red.show(marked_volume(application.scene, 0, 1))
    red.image()
    red.node.SetSliceVisible(True)
    view.look_from((0, 0, 1), up=(0, 1, 0))
    assert (view.image().min(axis=2) > 240).sum() > 100


def test_two_applications_after_each_other_do_not_share_nodes(application: Any) -> None:
    from DMRIPretrainLib.scene.offscreen_views import OffscreenApplication

    ball(application.scene, (0, 0, 0), (1, 0, 0))
    other = OffscreenApplication()
    assert other.scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 0
    other.close()


def test_errors_and_warnings_of_vtk_are_noticed(scene: Any, take_complaints: Callable[[], list[str]]) -> None:
    vtk.vtkXMLPolyDataReader().Update()
    assert any("File name not specified" in line for line in take_complaints())
    assert take_complaints() == []
    vtk.vtkLogger.Log(vtk.vtkLogger.VERBOSITY_WARNING, __file__, 1, "beware")
    assert any("beware" in line for line in take_complaints())
