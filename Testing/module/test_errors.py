"""Scans and models that cannot be used, with real clicks: a line that says what to do, and nothing else."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from Testing.Host import pointer
from Testing.module.seen import contents, require_advice, said


def text_file(path: Path) -> None:
    path.write_text("no image")


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def without_volumes(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4)), path)


def too_few_bvalues(path: Path) -> None:
    bval = path.with_name("sub-01_dwi.bval")
    bval.write_text(" ".join(bval.read_text().split()[:-2]))


def no_bvectors(path: Path) -> None:
    path.with_name("sub-01_dwi.bvec").unlink()


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (text_file, "convert the file again"),
        (truncated, "convert it again"),
        (without_volumes, "give the DWI"),
        (too_few_bvalues, "give the two files that belong together"),
        (no_bvectors, "open the scan again and choose it"),
    ],
)
def test_a_file_that_is_no_scan_is_refused(
    host: Any, module: Any, panel: Any, study: Path, tmp_path: Path, spoil: Callable[[Path], None], advice: str
) -> None:
    shutil.copytree(study / "sub-01" / "dwi", tmp_path / "dwi")
    path = tmp_path / "dwi" / "sub-01_dwi.nii.gz"
    spoil(path)
    host.dialogs.answer("open file", str(path))
    host.dialogs.answer("open file", "")  # no b-vectors chosen either
    pointer.click(panel("ScanPanel").ui.openButton)
    host.wait_until(lambda: host.dialogs.texts("error"), 30, "the refusal")
    host.settle(0.1)
    (text,) = host.dialogs.texts("error")
    assert "sub-01_dwi" in text
    assert advice in text
    assert "Traceback" not in text
    assert "\n" not in text
    assert contents() == []
    assert panel("ScanPanel").ui.openButton.isEnabled()
    assert not panel("PredictPanel").ui.predictButton.isEnabled()


def test_a_node_without_gradients_is_told_when_it_is_chosen(
    host: Any, module: Any, panel: Any, small_scan: Any, train: Any
) -> None:
    import slicer

    good = small_scan()
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionWeightedVolumeNode", "zeros")
    empty.SetNumberOfGradients(13)
    slicer.util.updateVolumeFromArray(empty, np.ones((4, 4, 4, 13), dtype=np.float32))
    plain = slicer.util.addVolumeFromArray(np.ones((4, 4, 4), np.float32))
    plain.SetName("anatomy")
    scan = panel("ScanPanel")
    pointer.choose(scan.ui.scanSelector, "zeros")
    text = said(scan.ui.findingsLabel)
    assert "zeros: expected" in text
    assert "give a scan with more" in text
    assert not panel("PredictPanel").ui.predictButton.isEnabled()
    with pytest.raises(pointer.NotClickableError):
        pointer.choose(scan.ui.scanSelector, "anatomy")
    with pytest.raises(pointer.NotClickableError):
        pointer.choose(train.ui.caseScanSelector, "anatomy")
    pointer.choose(scan.ui.scanSelector, good.GetName())
    assert panel("PredictPanel").ui.predictButton.isEnabled()


def other_header(version: int | None, architecture: Any = None) -> bytes:
    described = {"format_version": version, "architecture": architecture}
    own = {} if version is None else {"dmri_pretrain": json.dumps(described)}
    table = json.dumps({"__metadata__": {"format": "pt", **own}}).encode()
    return len(table).to_bytes(8, "little") + table


MODELS = {
    "random": (np.random.default_rng(0).bytes(4000), "damaged file"),
    "short": (b"\x02\0", "damaged file"),
    "pickle": (pickle.dumps({"weights": list(range(500))}), "damaged file"),
    "stranger": (other_header(None), "found a safetensors file of something else"),
    "newer": (other_header(99, {}), "update DMRIPretrain"),
    "odd": (other_header(2, {"heads": "none"}), "get the file again"),
    "nested": ((100_000).to_bytes(8, "little") + b"[" * 100_000, "damaged file"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_from_elsewhere_is_refused_in_both_panels(
    host: Any, module: Any, panel: Any, train: Any, small_scan: Any, tmp_path: Path, kind: str
) -> None:
    content, advice = MODELS[kind]
    path = tmp_path / f"{kind}.safetensors"
    path.write_bytes(content)
    module.session.parameterNode.scan = small_scan()
    predict = panel("PredictPanel")
    host.dialogs.answer("open file", str(path))
    pointer.choose(predict.ui.modelBox, "Choose a file...")
    require_advice(said(predict.ui.tasksLabel), f"{kind}.safetensors", advice)
    assert not predict.ui.predictButton.isEnabled()
    pointer.choose(predict.ui.modelBox, "tiny")
    assert predict.ui.predictButton.isEnabled()

    pointer.choose(train.ui.modeBox, "Pretrain on scans without labels")
    pointer.choose(train.ui.startBox, "Model file")
    assert "Choose a model file" in said(train.ui.trainHintLabel)
    train.ui.startPath.currentPath = str(path)
    require_advice(said(train.ui.trainHintLabel), f"{kind}.safetensors", advice)
    assert not train.ui.trainButton.isEnabled()
    pointer.choose(train.ui.startBox, "Nothing (from scratch)")
    assert train.ui.trainButton.isEnabled()


def test_a_scene_may_name_a_model_that_no_longer_ships(host: Any, module: Any, panel: Any, small_scan: Any) -> None:
    module.session.parameterNode.scan = small_scan()
    module.session.parameterNode.model = "of-yesterday"
    predict = panel("PredictPanel")
    require_advice(said(predict.ui.tasksLabel), "of-yesterday", "choose another one")
    assert not predict.ui.predictButton.isEnabled()
    pointer.choose(predict.ui.modelBox, "tiny")
    assert predict.ui.predictButton.isEnabled()
