import json
from pathlib import Path

import numpy as np
import pytest
import torch

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scans.frames import cube_symmetries
from DMRIPretrainLib.simulation.geometry import Ball, Geometry, Tube, read_geometry, simulate_geometry

CROSSING = {
    "fiber_geometries": {
        "flat list": {"control_points": [-30, 0, 0, 0, 0, 0, 30, 0, 0], "tangents": "symmetric", "radius": 5.0},
        "rows": {"control_points": [[0, -30, 0], [0, 30, 0]], "radius": 5, "color": "red"},
    },
    "isotropic_regions": {"pool": {"center": [20, 20, 0], "radius": 6, "volume_fraction": 0.5}},
}


def tube(points: list[list[float]] | np.ndarray, radius: float, tangents: str = "symmetric") -> Tube:
    return Tube("tube", np.asarray(points, dtype=float), tangents, radius)


def write(folder: Path, content: object) -> Path:
    path = folder / "geometry.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def arc(radius: float, turn: float = np.pi / 2) -> np.ndarray:
    """Control points on a circle around a point far from the origin; both ends point away from the origin."""
    angles = np.linspace(0, turn, 12)
    return radius * np.stack([np.cos(angles), np.sin(angles), np.zeros(12)], axis=1)


@pytest.mark.parametrize("voxel", [1.0, 2.0, 3.3])
def test_a_straight_tube_has_its_volume_and_direction(voxel):
    end = 25 * np.array([0.48, -0.6, 0.64])
    phantom = simulate_geometry(Geometry((tube([-end, end], 4.0),)), voxel, seed=1)
    volume = phantom.fractions[..., 2].sum().item() * voxel**3
    assert volume == pytest.approx(np.pi * 4**2 * 50, rel=0.01)
    white = phantom.fractions[..., 2] > 0
    cosine = phantom.directions[white][:, 0] @ torch.tensor(end / 25, dtype=torch.float32)
    assert cosine.abs().min() > 0.9999
    assert phantom.crossings.max() == 1


def test_a_bent_tube_has_the_volume_of_a_straight_one_and_turns():
    """Pappus: a tube around any curve has the area of its section times the length of the curve."""
    curve = tube(np.concatenate([[[60.0, -20, 0]], 30 * np.array([1, 0, 0]) + arc(30)[1:-1], [[20.0, 60, 0]]]), 4.0)
    points = curve.bundle(0.1).points
    length = torch.diff(points, dim=0).norm(dim=1).sum().item()
    phantom = simulate_geometry(Geometry((curve,)), 1.5)
    assert phantom.fractions[..., 2].sum().item() * 1.5**3 == pytest.approx(np.pi * 16 * length, rel=0.02)
    for place in (0.25, 0.5, 0.75):
        index = int(place * len(points))
        tangent = curve.bundle(0.1).tangents[index].numpy()
        voxel = np.round(np.linalg.inv(phantom.affine) @ [*points[index].tolist(), 1]).astype(int)[:3]
        assert np.abs(phantom.directions[tuple(voxel)][0].numpy() @ tangent) > 0.98


def test_curves_pass_through_their_control_points_and_end_at_right_angles_to_the_sphere():
    points = np.array([[40.0, 0, 0], [10, 15, 5], [-5, 30, 0], [0, 0, -40]])
    headings = {
        "incoming": points[1] - points[0],
        "outgoing": points[2] - points[1],
        "symmetric": points[2] - points[0],
    }
    for tangents, heading in headings.items():
        bundle = tube(points, 3.0, tangents).bundle(0.05)
        distance, nearest = torch.cdist(torch.tensor(points, dtype=torch.float32), bundle.points).min(dim=1)
        assert distance.max() < 0.06
        at_points = bundle.tangents[nearest].numpy()
        np.testing.assert_allclose(at_points[0], [-1, 0, 0], atol=1e-3)
        np.testing.assert_allclose(at_points[-1], [0, 0, -1], atol=1e-3)
        np.testing.assert_allclose(at_points[1], heading / np.linalg.norm(heading), atol=0.02)
        assert torch.diff(bundle.points, dim=0).norm(dim=1).max() <= 0.05


def test_tubes_that_cross_share_the_voxel_and_water_displaces_both(tmp_path):
    phantom = simulate_geometry(read_geometry(write(tmp_path, CROSSING)), 2.0)

    def at(*place: float) -> tuple[int, ...]:
        return tuple(np.round(np.linalg.inv(phantom.affine) @ [*place, 1]).astype(int)[:3])

    centre = at(0, 0, 0)
    assert phantom.crossings[centre] == 2
    torch.testing.assert_close(phantom.fibre_fractions[centre], torch.tensor([0.5, 0.5, 0.0]))
    torch.testing.assert_close(
        phantom.directions[centre].abs().sum(dim=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(phantom.fractions[centre], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(phantom.fractions[at(20, 20, 0)], torch.tensor([0.5, 0.5, 0.0]))
    assert phantom.fractions[..., 0].sum() * 8 == pytest.approx(0.5 * 4 / 3 * np.pi * 6**3, rel=0.01)
    torch.testing.assert_close(phantom.fractions.sum(dim=-1), phantom.mask.float())
    assert not phantom.mask[at(-20, -20, 0)]
    flooded = Geometry((tube([[-30, 0, 0], [30, 0, 0]], 5.0),), (Ball((0.0, 0.0, 0.0), 5.0),))
    wet = simulate_geometry(flooded, 2.0)
    middle = tuple(length // 2 for length in wet.mask.shape)
    assert wet.fractions[middle][0] > 0.99


@pytest.mark.parametrize("symmetry", [3, 17, 30, 44])
def test_a_turned_geometry_has_the_turned_truth(symmetry):
    matrix = cube_symmetries()[symmetry]
    points = np.array([[30.0, 10, 0], [5, 0, 8], [-20, 4, 20]])
    straight = simulate_geometry(Geometry((tube(points, 5.0),), (Ball((8.0, -4.0, 3.0), 6.0),)), 2.0)
    x, y, z = matrix @ [8.0, -4.0, 3.0]
    turned = simulate_geometry(Geometry((tube(points @ matrix.T, 5.0),), (Ball((x, y, z), 6.0),)), 2.0)
    axes = np.argmax(np.abs(matrix), axis=1)
    flips = [axis for axis in range(3) if matrix[axis, axes[axis]] < 0]

    def turn(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.permute(*axes, *range(3, tensor.ndim)).flip(flips)

    # Samples lie at random places, so shares agree to some hundredths.
    difference = turn(straight.fractions) - turned.fractions
    assert difference.abs().mean() < 0.005
    both = turn(straight.crossings).bool() & turned.crossings.bool()
    expected = turn(straight.directions)[both][:, 0] @ torch.tensor(matrix, dtype=torch.float32).T
    cosine = torch.sum(expected * turned.directions[both][:, 0], dim=-1).abs()
    assert both.sum() > 300
    assert cosine.median() > 0.999


def test_equal_seeds_give_equal_phantoms(tmp_path):
    geometry = read_geometry(write(tmp_path, CROSSING))
    first, again, other = (simulate_geometry(geometry, 3.0, seed).fractions for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def changed(key: str, value: object) -> dict:
    entry = {"control_points": [0, 0, 9, 0, 0, -9], "radius": 2.0} | {key: value}
    return {"fiber_geometries": {"a": entry}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{'single': 'quotes'}", "in JSON"),
        ([1, 2], "objects by name"),
        ({}, "found neither"),
        ({"fiber_geometries": {"a": [1, 2, 3]}}, "objects by name"),
        (changed("control_points", [1, 2, 3]), "found 3 numbers"),
        (changed("control_points", [1, 2, 3, 4]), "found 4 numbers"),
        (changed("control_points", [[1, 2], [3, 4], [5, 6]]), "x, y, z"),
        (changed("control_points", [[1, 2, 3], [4, 5]]), "finite numbers"),
        (changed("control_points", [1, 2, "x", 4, 5, 6]), "finite numbers"),
        (changed("control_points", [1, 2, 3, 1, 2, 3]), "two alike"),
        (changed("radius", -1), "positive radius"),
        (changed("radius", None), "finite numbers"),
        (changed("tangents", "sideways"), "symmetric, incoming, outgoing"),
        (changed("tangents", ["symmetric"]), "symmetric, incoming, outgoing"),
        ({"fiber_geometries": {"a": {"radius": 3}}}, "expected control_points for a"),
        ({"isotropic_regions": {"b": {"center": [0, 0], "radius": 2}}}, "center of b"),
        ({"isotropic_regions": {"b": {"center": [0, 0, 0], "radius": 2, "volume_fraction": 2}}}, "volume_fraction"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, content, expected):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=expected) as error:
        read_geometry(path)
    assert str(path) in str(error.value)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="in JSON"):
        read_geometry(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\x93NUMPY\xff\xfe")
    with pytest.raises(UserError, match="in JSON"):
        read_geometry(tmp_path / "binary.json")


def test_a_grid_without_end_is_refused():
    with pytest.raises(UserError, match="larger voxel size"):
        simulate_geometry(Geometry((tube([[0, 0, 1e5], [0, 0, -1e5]], 5.0),)), 2.0)
