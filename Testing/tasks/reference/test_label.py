import json

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.tasks import maps
from DMRIPretrainLib.tasks.reference.label import make_labels


def test_labels_of_a_small_real_scan(small_64d, tmp_path):
    """The 10 x 10 x 10 scan inside DIPY, from which a response in a central region would fail."""
    from DMRIPretrainLib.scans.load import load_scan

    image, bval, bvec = small_64d
    scan = load_scan(image, bval=bval, bvec=bvec)
    steps = []
    report = make_labels(scan, ("segmentation", "crossings", "orientation"), tmp_path, lambda *step: steps.append(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*report["files"], "labels.json"])
    for name, shape in ((maps.SEGMENTATION, ()), (maps.CROSSINGS, ()), (maps.PEAKS, (9,)), (maps.FOD, (45,))):
        written = nib.load(tmp_path / name)
        assert written.shape == (*scan.shape, *shape)
        np.testing.assert_allclose(written.affine, scan.affine, atol=1e-4)
    crossings, _ = maps.load_labels(tmp_path / maps.CROSSINGS)
    peaks, _ = maps.load_peaks(tmp_path / maps.PEAKS)
    assert np.array_equal(np.any(peaks, axis=-1).sum(axis=-1), crossings)
    assert set(np.unique(crossings)) == {0, 1, 2, 3}
    record = json.loads((tmp_path / "labels.json").read_text())
    assert record["recipes"]["crossings"]["spherical harmonics order"] == 8
    assert record["versions"]["dipy"]
    assert {0.0, 1.0} <= {fraction for _, fraction in steps}


def test_only_what_is_asked_for_is_written(make_dwi, tmp_path):
    scan = make_dwi((6, 6, 6), bvalues=(1000,), directions=16, snr=30)
    make_labels(scan, ["crossings"], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {maps.CROSSINGS, "labels.json"}


@pytest.mark.parametrize("tasks", [["tractography"], []])
def test_unknown_tasks_are_refused(make_dwi, tmp_path, tasks):
    with pytest.raises(UserError, match="choose"):
        make_labels(make_dwi((4, 4, 4)), tasks, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["segmentation", "orientation"])
def test_a_scan_without_b0_signal_is_refused(make_dwi, tmp_path, task):
    scan = make_dwi((6, 6, 6), bvalues=(1000,), directions=16, b0s=2, snr=30)
    scan.signal[..., scan.gradients.is_b0] = 0
    with pytest.raises(UserError, match="b0 signal"):
        make_labels(scan, [task], tmp_path / "out")
    assert not (tmp_path / "out").exists()
