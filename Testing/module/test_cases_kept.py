"""The table of cases is saved with the scene."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Testing.Host import pointer
from Testing.module.training import import_study


@pytest.fixture
def filled(host: Any, train: Any, in_scene: Callable[..., tuple[Any, Any]], study: Path) -> Any:
    """The training panel with two cases of files, one of them marked, and one of the scene."""
    import_study(host, train, study, study / "derivatives" / "truth")
    node, segmentation = in_scene(0)
    pointer.choose(train.ui.caseScanSelector, node.GetName())
    pointer.choose(train.ui.caseLabelsSelector, segmentation.GetName())
    pointer.click(train.ui.addCaseButton)
    train.ui.casesTable.cellWidget(1, 3).setCurrentIndex(2)
    train.ui.casesTable.item(2, 2).setText("somebody")
    return train


def shown(train: Any) -> list[list[str]]:
    """The texts of the table."""
    table = train.ui.casesTable
    rows = range(table.rowCount())
    return [
        [*(table.item(row, column).text() for column in range(3)), table.cellWidget(row, 3).currentText()]
        for row in rows
    ]


def test_the_cases_come_back_with_the_scene(host: Any, filled: Any, tmp_path: Path) -> None:
    import slicer

    before = shown(filled)
    assert before[1][2:] == ["02", "validation"]
    assert before[2] == ["brain 0", "tissue 0", "somebody", "automatic"]
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.scene.Clear(0)
    host.settle()
    assert shown(filled) == []
    assert "Add annotated scans first" in filled.ui.trainHintLabel.text()
    # Nodes that are there already take the identifiers that those of the file had.
    for _ in range(3):
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "another")
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "another")
    assert slicer.app.coreIOManager().loadScene(str(tmp_path / "scene.mrb"), True)
    host.settle()
    assert shown(filled) == before
    assert filled.ui.trainButton.isEnabled()


def test_the_cases_stay_when_the_module_is_left_or_reloaded(host: Any, filled: Any) -> None:
    before = shown(filled)
    host.window.leave_module()
    again = host.open("DMRIPretrain")
    train = next(panel for panel in again.panels if type(panel).__name__ == "TrainPanel")
    assert shown(train) == before
    again.onReload()
    host.settle()
    again = host.open("DMRIPretrain")
    train = next(panel for panel in again.panels if type(panel).__name__ == "TrainPanel")
    assert shown(train) == before


def test_what_is_gone_is_shown_as_such(host: Any, filled: Any, tmp_path: Path) -> None:
    import slicer

    filled.cases.replace([filled.cases.rows[0].but(scan=str(tmp_path / "away" / "dwi.nii.gz")), filled.cases.rows[2]])
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("brain 0"))
    assert [row[0] for row in shown(filled)] == ["away/dwi.nii.gz (missing)", "gone"]
    assert shown(filled)[1][1:3] == ["tissue 0", "somebody"]
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    host.settle()
    assert [row[0] for row in shown(filled)] == ["away/dwi.nii.gz (missing)", "gone"]
    pointer.click(filled.ui.trainButton)
    assert "remove its row" in filled.ui.trainHintLabel.text()
    filled.ui.casesTable.selectRow(1)
    pointer.click(filled.ui.removeCaseButton)
    assert [row[0] for row in shown(filled)] == ["away/dwi.nii.gz (missing)"]


@pytest.mark.parametrize("text", ["no JSON", "{}", "[1]", '[{"split": 7, "scanNode": true, "scan": null}]'])
def test_cases_of_another_version_are_no_reason_to_stop(host: Any, train: Any, module: Any, text: str) -> None:
    module.session.parameterNode.cases = text
    host.settle()
    assert all(row[0] == "gone" for row in shown(train))
    assert train.ui.addFilesButton.isEnabled()
