import pytest
import torch

from DMRIPretrainLib.simulation.solids import Positions, ellipsoid, share_inside, share_of_sheet, tube


def grid(extent: float, step: float) -> Positions:
    axis = torch.arange(-extent, extent + step / 2, step)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return x, y, z


@pytest.mark.parametrize("step", [1.0, 2.0, 3.0])
def test_volume_of_a_ball_does_not_depend_on_the_voxels(step):
    depth = ellipsoid(grid(15, step), (0.5, -0.3, 0.2), (10, 10, 10))
    assert share_inside(depth, step).sum().item() * step**3 == pytest.approx(4188.8, rel=0.03)


@pytest.mark.parametrize(("thickness", "voxel"), [(0.5, 3.0), (1.0, 2.0), (4.0, 2.0), (2.0, 2.0)])
@pytest.mark.parametrize("offset", [0.0, 0.3, 1.1])
def test_a_sheet_keeps_its_thickness_however_thin(thickness, voxel, offset):
    distance = (torch.arange(-10, 11) * voxel + offset).abs()
    assert share_of_sheet(distance, thickness / 2, voxel).sum().item() * voxel == pytest.approx(thickness, rel=1e-5)


def test_a_tube_tapers():
    x, y, z = grid(20, 1.0)
    depth = tube((x, y, z), [(0.0, 0.0, -15.0), (0.0, 0.0, 15.0)], [2.0, 6.0])
    assert depth[20, 20, 5].item() == pytest.approx(2)
    assert depth[20, 20, 20].item() == pytest.approx(4)
    assert depth[25, 20, 35].item() == pytest.approx(1)
    assert depth[20, 20, 0].item() == pytest.approx(-3)
