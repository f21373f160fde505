import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import to_json
from DMRIPretrainLib.scans.info import scan_info


@pytest.mark.parametrize(
    ("name", "table", "shell", "shape"),
    [
        ("toshiba", "5 b0 + 60 x 1500", (1500, 60), [47, 60, 40, 65]),
        ("prisma", "1 b0 + 20 x 2500", (2500, 20), [49, 64, 39, 21]),
        ("elition", "5 b0 + 12 x 1000", (1000, 12), [75, 88, 32, 17]),
    ],
)
def test_real_scans(shared_scan_path, name: str, table: str, shell: tuple[int, int], shape: list[int]) -> None:
    path = shared_scan_path(name)
    info = json.loads(to_json(scan_info(path)))
    assert info["table"] == table
    assert [(entry["bvalue"], entry["directions"]) for entry in info["shells"]] == [shell]
    assert info["b0_count"] == int(table[0])
    assert info["shape"] == shape
    assert info["axis_codes"] == "LAS"
    assert info["findings"] == []
    voxels = np.sum(nib.load(path.with_name("mask.nii.gz")).get_fdata() > 0)
    assert info["mask"]["source"] == str(path.with_name("mask.nii.gz"))
    assert info["mask"]["volume_ml"] == pytest.approx(voxels * np.prod(info["voxel_size"]) / 1000, abs=0.1)
    assert 5 < info["noise"]["shells"][0]["snr"] < 20


def test_scan_in_memory(make_dwi) -> None:
    info = json.loads(to_json(scan_info(make_dwi(bvalues=(700, 2000)))))
    assert info["path"] is None
    assert info["table"] == "3 b0 + 30 x 700 + 30 x 2000"
    assert info["mask"]["source"] == "in memory"
    assert info["voxel_size"] == [2, 2, 2]


def test_broken_scan_is_refused(make_dwi, save_dwi) -> None:
    path: Path = save_dwi(make_dwi(directions=4))
    with pytest.raises(UserError, match=r"dwi\.nii\.gz.*found 4"):
        scan_info(path)
