"""Scans of the Sample Data module, loaded as a click there does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from DMRIPretrainLib.scene.geometry import affine_of
from DMRIPretrainLib.scene.scan_nodes import node_to_scan


def test_the_brain_that_comes_with_the_module_is_a_scan_with_two_shells_and_its_tissue(host: Any, module: Any) -> None:
    import SampleData
    import slicer

    scan, tissue = SampleData.press("DMRIPretrainBrain")
    content = node_to_scan(scan)
    assert content.gradients.describe() == "2 b0 + 12 x 1000 + 20 x 2000"
    labels = slicer.util.arrayFromVolume(tissue).transpose(2, 1, 0)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert np.allclose(content.affine, affine_of(tissue), atol=1e-4)
    b0 = content.signal[..., 0]
    assert b0[labels == 1].mean() > 1.5 * b0[labels == 3].mean(), "fluid is bright without diffusion weighting"
    module.session.parameterNode.scan = scan
    assert module.session.facts.canPredict


def test_a_download_that_fails_is_said_in_one_sentence(host: Any, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import SampleData

    def fail(self: Any, uri: str, name: str, checksum: str) -> str:
        raise ValueError(f"Failed to download {uri}")

    monkeypatch.setattr(SampleData.SampleDataLogic, "downloadFileIntoCache", fail, raising=False)
    assert SampleData.press("StanfordHARDI") == []
    (text,) = host.dialogs.texts("error")
    assert "stanford.edu" in text


def test_a_downloaded_scan_is_read_with_its_gradients(
    host: Any, module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import SampleData

    from DMRIPretrainLib.scans.gradient_table import GradientTable
    from DMRIPretrainLib.scans.scan import Scan
    from DMRIPretrainLib.simulation.export import save_scan

    directions = np.vstack([np.zeros(3), np.eye(3), np.ones((3, 3)) / np.sqrt(3) - 2 * np.eye(3) / np.sqrt(3)])
    signal = np.random.default_rng(0).uniform(50, 100, (6, 6, 6, 7)).astype(np.float32)
    table = GradientTable(np.array([0.0] + [1000.0] * 6), directions)
    save_scan(tmp_path / "scan.nii.gz", Scan(signal, np.eye(4), table))
    files = {"dwi.nii.gz": "scan.nii.gz", "dwi.bvals": "scan.bval", "dwi.bvecs": "scan.bvec"}

    def fetch(self: Any, uri: str, name: str, checksum: str) -> str:
        assert checksum.startswith("MD5:")
        assert len(checksum) == 4 + 32
        return str(tmp_path / files[uri.rsplit("/", 1)[1]])

    monkeypatch.setattr(SampleData.SampleDataLogic, "downloadFileIntoCache", fetch, raising=False)
    (scan,) = SampleData.press("StanfordHARDI")
    assert scan.GetName() == "Stanford HARDI"
    assert np.allclose(np.abs(node_to_scan(scan).gradients.directions), np.abs(directions), atol=1e-5)
