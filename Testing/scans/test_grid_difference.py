import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.scans.grid_difference import describe_difference

SHAPE = (10, 12, 8)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def changed(**changes: object) -> str:
    affine = AFFINE.copy()
    if "shift" in changes:
        affine[:3, 3] += changes["shift"]
    if "edges" in changes:
        affine[:3, :3] = np.diag(changes["edges"])
    if "turn" in changes:
        affine[:3, :3] = Rotation.from_euler("z", changes["turn"], degrees=True).as_matrix() @ affine[:3, :3]
    return describe_difference(changes.get("shape", SHAPE), affine, SHAPE, AFFINE)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"shape": (10, 12, 9)}, ["10 x 12 x 9 voxels instead of 10 x 12 x 8"]),
        ({"shift": (0, -4, 2)}, ["4.5 mm away (+0.0 right, -4.0 anterior, +2.0 superior)"]),
        ({"edges": (2, 2, 2.5)}, ["voxels of 2 x 2 x 2.5 mm instead of 2 x 2 x 3"]),
        ({"turn": 12}, ["turned by 12.0 degrees"]),
        ({"edges": (-2, 2, 3)}, ["axes LAS instead of RAS", "18.0 mm away (-18.0 right"]),
        ({"edges": (1, 1, 1)}, ["has lost its geometry"]),
    ],
)
def test_what_differs_is_said(changes: dict[str, object], parts: list[str]) -> None:
    text = changed(**changes)
    for part in parts:
        assert part in text


def test_nothing_else_is_said() -> None:
    assert changed(shift=(0, 0, 3)) == "a centre that is 3.0 mm away (+0.0 right, +0.0 anterior, +3.0 superior)"
    assert changed(turn=0.1, shift=(0, 0, 0)) == "corners that lie elsewhere"
