import math
from dataclasses import replace

import pytest
import torch

from DMRIPretrainLib.pretext.artifact import corrupt_at_random
from DMRIPretrainLib.pretext.distortion import STRENGTHS, distort
from DMRIPretrainLib.pretext.kspace import ghost, interrupt, transform
from DMRIPretrainLib.pretext.normalised import normalise
from DMRIPretrainLib.pretext.registry import make_recipe
from DMRIPretrainLib.simulation.artifacts.resample import move_rigidly, rotation_matrices


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ball(size: int = 16) -> torch.Tensor:
    positions = torch.linspace(-1, 1, size)
    square = positions[:, None, None] ** 2 + positions[:, None] ** 2 + positions**2
    return torch.exp(-2 * square) * (square < 0.9) * (1 + 0.3 * positions)


def test_equal_volumes_stay_equal_but_for_noise(make_alike, spread):
    acquisition = make_alike(ball())
    quiet = replace(STRENGTHS["strong"], noise=0.0)
    noisy = replace(STRENGTHS["strong"], noise=0.3)
    for seed in range(5):
        changed = distort(acquisition, quiet, seeded(seed)).signal
        assert (changed[0] - acquisition.signal[0]).abs().mean() > 0.01
        assert spread(changed) < 1e-6
    assert spread(distort(acquisition, noisy, seeded(1)).signal) > 0.1


def test_artifacts_of_diffusion_scans_differ_between_volumes(make_alike, spread):
    acquisition = make_alike(ball())
    # Those of the field, the coils and the table do not, and may be drawn alone.
    spreads = [spread(corrupt_at_random(acquisition, seeded(seed)).signal) for seed in range(20)]
    assert sum(value > 0.01 for value in spreads) >= 10


def test_stronger_is_stronger(make_patch):
    patch = make_patch(sigma=0.0)
    acquisition = normalise(patch.acquisition, patch.b0_median)
    effect = {
        name: sum(
            (distort(acquisition, strength, seeded(seed)).signal - acquisition.signal)[:, acquisition.mask].abs().mean()
            for seed in range(12)
        )
        for name, strength in STRENGTHS.items()
    }
    assert 1.15 * effect["light"] < effect["normal"]
    assert 1.15 * effect["normal"] < effect["strong"]


def test_all_means_any_of_the_strengths(make_patch):
    patch = make_patch()
    seen = {name: make_recipe("distortion", "tiny", strength=name) for name in (*STRENGTHS, "all")}

    def shells(name: str, seed: int) -> torch.Tensor:
        return seen[name].example(patch, seeded(seed)).features.shells

    # A single strength takes one random number, too, so that the others are the same ones.
    drawn = [name for seed in range(12) for name in STRENGTHS if torch.equal(shells("all", seed), shells(name, seed))]
    assert len(drawn) == 12
    assert set(drawn) == set(STRENGTHS)


def test_a_rigid_transform_is_that_of_the_artifacts():
    volume, voxel_size = ball()[None, :, :12, :14], (2.0, 2.5, 3.0)
    rotation = rotation_matrices([(5.0, -8.0, 3.0)])
    expected = move_rigidly(volume, rotation, [(2.0, -3.0, 1.0)], voxel_size)
    found = transform(volume, rotation[0], (2.0, -3.0, 1.0), voxel_size)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_stretch_widens_along_its_axis():
    positions = torch.linspace(-1, 1, 33)
    volume = torch.exp(-(positions**2) / 0.08)[None, None, :, None].expand(1, 9, 33, 9)
    wide = transform(volume, torch.diag(torch.tensor([1.0, 1.1, 1.0])), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    expected = torch.exp(-((positions / 1.1) ** 2) / 0.08)
    torch.testing.assert_close(wide[0, 4, :, 4], expected, rtol=0, atol=0.01)


def test_an_object_that_rests_is_imaged_as_it_is():
    volume = ball()[None]
    torch.testing.assert_close(interrupt([volume, volume, volume], [3, 9], 1), volume, rtol=0, atol=1e-6)


@pytest.mark.parametrize("change", [3, 13])
def test_the_object_is_imaged_where_it_is_when_the_centre_is_read(change):
    volume = ball()[None]
    moved = volume.roll(2, dims=3)
    image = interrupt([volume, moved], [change], 2)
    assert (image - volume).abs().max() > 0.005
    assert 3 * (image - volume).abs().mean() < (image - moved).abs().mean()


def test_planes_come_from_the_positions_in_their_order():
    generator = seeded()
    positions = [torch.rand((1, 4, 4, 8), generator=generator) + 1 for _ in range(3)]
    # Planes 0-1 and 2-6, in which the centre (4) lies, and 7: the first moved, then at home, then moved again.
    spectra = [torch.fft.fftshift(torch.fft.fft(p, dim=3), dim=3) for p in positions]
    joined = torch.cat([spectra[1][..., :2], spectra[0][..., 2:7], spectra[2][..., 7:]], dim=3)
    expected = torch.fft.ifft(torch.fft.ifftshift(joined, dim=3), dim=3).abs()
    torch.testing.assert_close(interrupt(positions, [2, 7], 2), expected)


@pytest.mark.parametrize("count", [1, 3])
def test_ghosts_repeat_the_image_at_even_distances(count):
    volume = torch.zeros(1, 5, 24, 5)
    volume[0, 2, 3, 2] = 1.0
    image = ghost(volume, count, 0.6, 1, restored=0.0)[0, 2, :, 2]
    expected = torch.zeros(24)
    # Every (n + 1)-th plane lost 0.6: the mean of the planes at home, the rest in the ghosts; the centre is restored.
    expected[3 + torch.arange(1, count + 1) * 24 // (count + 1) - 24 * (torch.arange(1, count + 1) > 21)] = 0.6 / (
        count + 1
    )
    expected[3] = 1 - 0.6 / (count + 1)
    torch.testing.assert_close(image, expected, rtol=0, atol=0.6 / 24 + 1e-6)
    assert torch.count_nonzero(image > 0.1) == count + 1
    assert math.isclose(image.argmax().item(), 3)
