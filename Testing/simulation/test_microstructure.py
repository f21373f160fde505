import pytest
import torch

from DMRIPretrainLib.simulation.microstructure import (
    DEFAULT_MICROSTRUCTURE,
    Microstructure,
    draw_b0_signal,
    draw_fibre_ranges,
    draw_fibres,
    draw_isotropic,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tortuosity_unless_another_value_is_given():
    assert DEFAULT_MICROSTRUCTURE.zeppelin_diffusivity == pytest.approx(0.45 * 1.9e-3)
    assert Microstructure(perpendicular_diffusivity=0.0).zeppelin_diffusivity == 0.0
    mixed = Microstructure(torch.tensor([1e-3, 2e-3]), stick_fraction=0.5)
    torch.testing.assert_close(mixed.zeppelin_diffusivity, torch.tensor([0.5e-3, 1e-3]))


def test_tensors_change_and_numbers_stay():
    tissue = Microstructure(stick_fraction=torch.tensor([0.2, 0.4]), dispersion=0.1)
    halved = tissue.changed(lambda value: value[:1])
    assert torch.equal(halved.stick_fraction, torch.tensor([0.2]))
    assert (halved.dispersion, halved.b0_signal) == (0.1, tissue.b0_signal)
    assert torch.equal(tissue.stick_fraction, torch.tensor([0.2, 0.4]))
    moved = tissue.to("meta")
    assert moved.stick_fraction.is_meta
    assert moved.dispersion == 0.1


def test_drawn_fibres_are_those_of_tissue():
    drawn = draw_fibres(seeded(), (20_000, 3))
    assert all(value.shape == (20_000, 3) for value in drawn.values())
    parallel, stick, across = (
        drawn[name] for name in ("parallel_diffusivity", "stick_fraction", "perpendicular_diffusivity")
    )
    assert 1.4e-3 <= parallel.min() < 1.45e-3
    assert 2.95e-3 < parallel.max() <= 3.0e-3
    assert 0 <= drawn["dispersion"].min() < 0.001
    assert 0.29 < drawn["dispersion"].max() <= 0.3
    assert across.min() > 0
    plain = stick == 0
    assert 0.02 < plain.float().mean() < 0.15
    assert stick[~plain].min() >= 0.3
    assert stick.max() <= 0.8
    # With or without tortuosity, always with a direction.
    assert ((across - (1 - stick) * parallel).abs() < 1e-9).float().mean() > 0.3
    assert (across / parallel).max() < 0.751


def test_values_at_different_places_are_independent():
    for value in draw_fibres(seeded(1), (50_000, 3)).values():
        correlation = torch.corrcoef(value.T) - torch.eye(3)
        assert correlation.abs().max() < 0.02


def test_isotropic_diffusivities_are_in_the_order_of_the_tissues():
    drawn = draw_isotropic(seeded(), (1000,))
    assert set(drawn) == {"gm_diffusivity", "csf_diffusivity", "lesion_diffusivity"}
    assert drawn["gm_diffusivity"].max() < drawn["csf_diffusivity"].min()
    assert (drawn["lesion_diffusivity"] < drawn["csf_diffusivity"]).all()


def test_b0_contrast_is_between_none_and_strong_t2_weighting():
    drawn = torch.tensor([draw_b0_signal(seeded(seed)) for seed in range(500)])
    csf, gm, wm = drawn.T
    assert (csf == 1000).all()
    assert 350 <= gm.min() < 370
    assert 780 < gm.max() <= 800
    assert wm.min() >= 300
    assert wm.max() <= 750
    assert (wm <= 1.021 * gm).all()
    assert (wm < 0.75 * gm).float().mean() > 0.1


def test_equal_seeds_draw_equal_tissue():
    first, again, other = (draw_fibres(seeded(seed), (5,)) for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["dispersion"], other["dispersion"])
    assert draw_b0_signal(seeded(3)) == draw_b0_signal(seeded(3)) != draw_b0_signal(seeded(4))


def test_ranges_of_a_tissue_lie_within_those_of_all_tissues():
    ranges = [draw_fibre_ranges(seeded(seed)) for seed in range(300)]
    limits = {"parallel": (1.4e-3, 3.0e-3), "stick": (0.0, 0.8), "dispersion": (0.0, 0.3)}
    for name, (low, high) in limits.items():
        found = [getattr(part, name) for part in ranges]
        assert all(low <= first <= last <= high for first, last in found)
        widths = [last - first for first, last in found]
        assert min(widths) < 0.2 * (high - low)
        assert max(widths) > 0.4 * (high - low)
    free = [part.perpendicular for part in ranges if part.perpendicular]
    assert 40 < len(free) < 110
    assert all(0.2e-3 <= first <= last <= 1.4e-3 for first, last in free)
    assert 0 < sum(part.stick == (0.0, 0.0) for part in ranges) < len(free)


def test_fibres_of_a_tissue_keep_to_its_ranges():
    for seed in range(20):
        ranges = draw_fibre_ranges(seeded(seed))
        drawn = draw_fibres(seeded(seed), (1000, 3), ranges)
        for name, (low, high) in (
            ("parallel_diffusivity", ranges.parallel),
            ("stick_fraction", ranges.stick),
            ("dispersion", ranges.dispersion),
        ):
            assert drawn[name].shape == (1000, 3)
            assert low - 1e-6 <= drawn[name].min() <= drawn[name].max() <= high + 1e-6
        parallel, across = drawn["parallel_diffusivity"], drawn["perpendicular_diffusivity"]
        if ranges.perpendicular is None:
            torch.testing.assert_close(across, (1 - drawn["stick_fraction"]) * parallel)
        else:
            assert across.max() <= ranges.perpendicular[1] + 1e-6
            assert (across <= 0.75 * parallel + 1e-9).all()
