"""The demo from end to end, shortened: what ``make demo`` does in minutes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib import demo
from DMRIPretrainLib.errors import UserError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_SIZE", 20)
    monkeypatch.setattr(demo, "_SIMULATION_STEPS", 3)
    monkeypatch.setattr(demo, "_REAL_STEPS", 2)


@pytest.mark.usefixtures("short")
def test_demo_writes_results_in_the_geometry_of_the_scan(
    tmp_path: Path, small_64d: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    demo.run_demo(None, out)
    scan = nib.load(small_64d[0])
    for part, reference in (("simulated", nib.load(out / "simulated/test/dwi.nii.gz")), ("real", scan)):
        for name, volumes in (("segmentation", ()), ("crossings", ()), ("peaks", (9,)), ("fod", (45,))):
            image = nib.load(out / part / "prediction" / f"{name}.nii.gz")
            assert image.shape == (*reference.shape[:3], *volumes)
            np.testing.assert_allclose(image.affine, reference.affine, atol=1e-4)
        assert (out / part / "prediction" / "preview.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "Dice" in printed
    assert "preview.png" in printed
    demo.run_demo(None, out)


@pytest.mark.usefixtures("short")
def test_demo_leaves_a_folder_of_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="choose another --out"):
        demo.run_demo(None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
