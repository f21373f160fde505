"""Opening, leaving and reloading the module."""

from typing import Any


def test_opening_adds_nothing_to_the_scene_but_the_parameters(host: Any, module: Any) -> None:
    import slicer

    assert slicer.util.selectedModule() == "DMRIPretrain"
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []


def test_leaving_coming_back_closing_the_scene(host: Any, module: Any) -> None:
    import slicer

    host.window.leave_module()
    assert module.session.parameterNode is None
    host.open("DMRIPretrain")
    assert module.session.parameterNode is not None
    slicer.mrmlScene.Clear(0)
    assert module.session.parameterNode is not None
